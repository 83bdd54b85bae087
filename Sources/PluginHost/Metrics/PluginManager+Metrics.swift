import CLinux
import HTTPServer
import HostModel

/// What Prometheus is told.
extension PluginManager {
    /// Everything that is measured, family by family.
    ///
    /// What is told of a plugin ends with it: a plugin that is removed has no series.
    func metrics() -> [MetricFamily] {
        hostMetrics() + pluginMetrics() + serviceMetrics() + Self.processMetrics()
    }

    // MARK: - The host

    private func hostMetrics() -> [MetricFamily] {
        var build = MetricFamily("pluginhost_build", .info, "Which host this is.")
        build.add(.whole(1), ("version", HostVersion.text))
        var plugins = MetricFamily("pluginhost_plugins", .gauge, "Installed plugins, by state.")
        let states = registry.sorted.map { state(of: slot($0.name), $0) }
        for state in PluginStatus.State.allCases {
            plugins.add(.whole(states.count { $0 == state }), ("state", state.rawValue))
        }
        var open = MetricFamily(
            "pluginhost_connections", .gauge, "Open connections, by reactor.")
        var opened = MetricFamily(
            "pluginhost_connections_opened", .counter, "Connections since the start, by reactor.")
        for reactor in server?.reactors ?? [] {
            let label = ("reactor", String(reactor.index))
            open.add(.whole(reactor.connectionCount), label)
            opened.add(.whole(reactor.connectionsOpened), label)
        }
        return [
            build, plugins, open, opened,
            MetricFamily(
                "pluginhost_ready", .gauge, "Whether /readyz says yes.",
                readiness.current.isReady ? 1 : 0),
            MetricFamily(
                "pluginhost_heap_bytes", .gauge, "What malloc has given out and not got back.",
                linux_heap_bytes_in_use()),
            MetricFamily(
                "pluginhost_log_dropped_entries", .counter,
                "Entries of the host's log that were lost because too many waited.",
                log.droppedCount),
        ]
    }

    private static func processMetrics() -> [MetricFamily] {
        guard let process = ProcessFigures.own else { return [] }
        func family(
            _ name: String, _ kind: MetricFamily.Kind, _ help: String, _ value: Int?
        ) -> MetricFamily {
            value.map { MetricFamily(name, kind, help, $0) } ?? MetricFamily(name, kind, help)
        }
        return [
            MetricFamily(
                "process_cpu_seconds", .counter, "Processor time, user and system.",
                process.cpuSeconds),
            family(
                "process_resident_memory_bytes", .gauge, "Memory in use.", process.residentBytes),
            family(
                "process_virtual_memory_bytes", .gauge, "Addresses in use.", process.virtualBytes),
            family("process_threads", .gauge, "Threads.", process.threads),
            family("process_open_fds", .gauge, "Open descriptors.", process.openDescriptors),
            family(
                "process_max_fds", .gauge, "How many there may be.", process.maxDescriptors),
            MetricFamily(
                "process_start_time_seconds", .gauge, "When the process began, since 1970.",
                process.startSeconds),
        ]
    }

    // MARK: - What plugins do for each other

    private func serviceMetrics() -> [MetricFamily] {
        var calls = MetricFamily(
            "pluginhost_plugin_hook_calls", .counter,
            "Calls of the hooks of the generation that serves.")
        var failures = MetricFamily(
            "pluginhost_plugin_hook_failures", .counter,
            "Those that failed, of the generation that serves.")
        var hooks: [PluginName: (calls: Int, failures: Int)] = [:]
        for hook in switchboard.hooks.listed.flatMap(\.hooks) {
            hooks[hook.member.name, default: (0, 0)].calls += hook.callCount
            hooks[hook.member.name, default: (0, 0)].failures += hook.failureCount
        }
        for (name, sum) in hooks.sorted(by: { $0.key < $1.key }) {
            calls.add(.whole(sum.calls), ("plugin", name.text))
            failures.add(.whole(sum.failures), ("plugin", name.text))
        }
        var delivered = MetricFamily(
            "pluginhost_plugin_events_delivered", .counter, "Events that its subscriptions got.")
        var dropped = MetricFamily(
            "pluginhost_plugin_events_dropped", .counter,
            "Events for which its subscriptions had no room.")
        var failed = MetricFamily(
            "pluginhost_plugin_events_failed", .counter, "Events that it could not deal with.")
        var waiting = MetricFamily(
            "pluginhost_plugin_events_waiting", .gauge, "Events in the queues of its subscriptions."
        )
        let accounts = Dictionary(grouping: switchboard.events.accounts, by: \.plugin)
        for (name, accounts) in accounts.sorted(by: { $0.key < $1.key }) {
            func add(
                _ family: inout MetricFamily, _ figure: (EventQueue.Figures) -> Int
            ) {
                let sum = accounts.reduce(0) { $0 + figure($1.figures) }
                family.add(.whole(sum), ("plugin", name.text))
            }
            add(&delivered) { Int(clamping: $0.delivered) }
            add(&dropped) { Int(clamping: $0.dropped) }
            add(&failed) { Int(clamping: $0.failed) }
            add(&waiting) { $0.waiting }
        }
        return [calls, failures, delivered, dropped, failed, waiting]
    }
}
