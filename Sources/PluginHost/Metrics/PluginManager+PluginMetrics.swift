import DynamicLibrary
import HostModel

/// What Prometheus is told of each plugin.
extension PluginManager {
    func pluginMetrics() -> [MetricFamily] {
        var families = PluginFamilies()
        for record in registry.sorted {
            let slot = slot(record.name)
            families.plugin = record.name.text
            families.addLife(record, slot)
            families.addRequests(slot)
            families.addCalls(slot)
            families.addImages(slot)
            families.addResources(slot)
        }
        return families.all
    }
}

/// The families that have series of each plugin.
private struct PluginFamilies {
    /// Whose series are added.
    var plugin = ""
    private var families: [String: MetricFamily] = [:]
    private var order: [String] = []

    var all: [MetricFamily] { order.compactMap { families[$0] } }

    // MARK: - Its life

    mutating func addLife(_ record: PluginRecord, _ slot: PluginSlot) {
        let (current, tally) = (slot.current, record.tally)
        gauge("up", "Whether a generation of it serves.", current == nil ? 0 : 1)
        gauge("generation", "The generation that serves; 0: none.", current?.loaded.number ?? 0)
        if let health = current?.health {
            for state in [PluginHealth.ok, .degraded, .unhealthy] {
                gauge(
                    "health", "How it says it is: 1 for that state.",
                    health.state == state ? 1 : 0, ("state", "\(state)"))
            }
        }
        gauge(
            "workers", "Processes of its own that run it; 0: it runs in the host.",
            current?.loaded.processes.count ?? 0)
        counter("starts", "Generations that came to serve.", tally.starts)
        counter("start_failures", "Generations that could not be loaded.", tally.startFailures)
        counter(
            "crashes", "Ends of the process that it ran in, by its doing.", tally.crashes)
        counter(
            "restarts", "Processes that took the place of such that had ended.", tally.restarts)
        counter("quarantines", "How often it was kept from serving.", tally.quarantines)
        counter("updates", "Releases that took the place of others.", tally.updates)
        counter("unloads", "Generations that were taken out of service.", tally.unloads)
        counter("pins", "Those of them that stayed in memory at first.", tally.pins)
        counter("canary_promotions", "Generations that were tried and did well.", tally.promotions)
        counter("canary_failures", "Those that were sent back.", tally.canaryFailures)
        if !tally.startBuckets.isEmpty {
            put(
                "start_duration_seconds", .histogram,
                "From the first look at the file to its place in the dispatch table.",
                .distribution(
                    .init(
                        bounds: PluginTally.startBoundsSeconds, counts: tally.startBuckets,
                        sum: tally.startSeconds)))
        }
        if let bytes = slot.heap.bytesEach {
            gauge("reload_leak_bytes", "Heap that each reload does not give back.", bytes)
        }
    }

    // MARK: - Its requests

    mutating func addRequests(_ slot: PluginSlot) {
        let totals = slot.totals
        let classes = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"]
        for (index, name) in classes.enumerated() {
            counter(
                "requests", "Requests that are over, by status; none: the client left before.",
                totals.traffic.classes[index], ("code", name))
        }
        put(
            "request_duration_seconds", .histogram,
            "From the last byte of the request's head to the end of the response.",
            .distribution(
                .init(
                    bounds: Traffic.boundsSeconds, counts: totals.traffic.buckets,
                    sum: TickClock.shared.seconds(totals.traffic.ticks))))
        gauge(
            "requests_in_flight", "Requests that it has not completed.",
            slot.images.reduce(0) { $0 + $1.requestsInFlight })
        gauge(
            "websockets", "Open WebSockets.", slot.images.reduce(0) { $0 + $1.openSockets })
        counter("faults", "Requests that the host answered in its stead.", totals.faults)
        counter("overruns", "Calls that lost a reactor its thread.", totals.overruns)
        counter("timeouts", "Requests whose response did not begin in time.", totals.timeouts)
        counter("rejected", "Requests refused because it had enough.", totals.rejected)
        guard let pool = slot.current?.generation?.pool.figures else { return }
        gauge("pool_threads", "Threads for its calls that may take their time.", pool.threads)
        gauge("pool_waiting", "Requests that wait for one of them.", pool.waiting)
    }

    // MARK: - Its methods

    mutating func addCalls(_ slot: PluginSlot) {
        guard let counts = slot.current?.loaded.member.calls.counts else { return }
        counter(
            "rpc_calls", "Calls of its methods on its own threads that have ended.", counts.ended)
        counter(
            "rpc_errors", "Calls of its methods, in place as well, that were not replied to.",
            counts.failed)
    }

    // MARK: - Its images

    mutating func addImages(_ slot: PluginSlot) {
        let images = slot.images
        for use in PluginStatus.Image.Use.allCases {
            gauge(
                "images", "Generations in memory, by what they are there for.",
                images.count { $0.use == use }, ("use", use.rawValue))
        }
        gauge(
            "pinned_bytes", "Addresses taken by generations that could not be unloaded.",
            images.reduce(0) { $0 + ($1.use == .pinned ? $1.loaded.imageBytes : 0) })
        gauge(
            "thread_keys", "pthread keys that it holds.",
            images.reduce(0) { $0 + ($1.loaded.holdings?.keys ?? 0) })
    }

    // MARK: - What it uses

    mutating func addResources(_ slot: PluginSlot) {
        let cpu = slot.cpu
        for (place, seconds) in [
            ("reactors", cpu.reactors), ("pool", cpu.pool), ("threads", cpu.threads),
            ("processes", cpu.processes),
        ] {
            put(
                "cpu_seconds", .counter, "Processor time, by where it ran.", .real(seconds),
                [("place", place)])
        }
        let usage = slot.usage(cpuPercent: 0)
        gauge("memory_bytes", "Memory that is its own, without the heap.", usage.memoryBytes)
        gauge("threads", "Threads of its own and those kept for it.", usage.threads)
        if let descriptors = usage.descriptors {
            gauge("open_fds", "Open descriptors of its processes.", descriptors)
        }
        for resource in Resource.allCases {
            counter(
                "limit_exceeded", "How often it has begun to exceed a limit.",
                slot.excesses[resource] ?? 0, ("resource", resource.rawValue))
        }
        gauge("throttled", "Whether it gets one request at a time.", slot.isThrottled ? 1 : 0)
    }

    // MARK: - Building blocks

    private mutating func gauge(
        _ name: String, _ help: String, _ value: Int, _ labels: (String, String)...
    ) {
        put(name, .gauge, help, .whole(value), labels)
    }

    private mutating func counter(
        _ name: String, _ help: String, _ value: Int, _ labels: (String, String)...
    ) {
        put(name, .counter, help, .whole(value), labels)
    }

    private mutating func put(
        _ rest: String, _ kind: MetricFamily.Kind, _ help: String, _ value: MetricFamily.Value,
        _ labels: [(String, String)] = []
    ) {
        let name = "pluginhost_plugin_" + rest
        if families[name] == nil {
            order.append(name)
            families[name] = MetricFamily(name, kind, help)
        }
        let all = [("plugin", plugin)] + labels
        families[name]?.samples.append(
            .init(labels: all.map { .init(name: $0.0, value: $0.1) }, value: value))
    }
}

extension PluginSlot {
    /// All generations that are in memory, oldest first.
    var images: [HostedImage] {
        leaving + standbys + [current, canary?.image].compactMap { $0 }
    }

    /// What has become of all its requests.
    var totals: CallTotals {
        images.compactMap(\.generation).reduce(into: past) { $0 += CallTotals($1) }
    }
}
