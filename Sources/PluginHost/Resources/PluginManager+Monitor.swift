import HostModel

/// What plugins use, against what they may use.
extension PluginManager {
    /// Looks at every plugin, again and again, until the host stops.
    func monitorAgainAndAgain() async {
        guard options.monitorSeconds > 0 else { return }
        while !isStopping {
            await Deadline.pause(for: .seconds(options.monitorSeconds))
            await monitor()
        }
    }

    private func monitor() async {
        let sources = await readConfiguration()
        for record in registry.sorted where !isStopping {
            let slot = slot(record.name)
            let before = slot.look
            let look = ResourceLook(cpuSeconds: slot.cpu.total, time: clock.now)
            slot.look = look
            guard let image = slot.current else { continue }
            let limits = image.loaded.manifest.resources.changed(
                by: sources.resources(record.name))
            guard let before, !limits.isEmpty || !slot.judge.exceeded.isEmpty else { continue }
            await judge(slot, slot.usage(cpuPercent: look.cpuPercent(since: before)), limits)
        }
    }

    private func judge(
        _ slot: PluginSlot, _ usage: ResourceUsage, _ limits: ResourceLimits
    ) async {
        let (name, action) = (slot.name, limits.action ?? .warn)
        let (begun, ended) = slot.judge.judge(usage, limits)
        for excess in begun {
            slot.excesses[excess.resource, default: 0] += 1
            let told = Self.told(excess)
            say(.warning, "\(told): \(action.rawValue)", name, slot.current?.loaded)
            await note(
                .limitExceeded(
                    resource: excess.resource, value: Int(excess.value.rounded()),
                    limit: excess.limit,
                    action: action), on: name)
        }
        for resource in ended {
            say(.info, "within its limit of \(resource.rawValue) again", name)
            await note(.limitRespected(resource: resource), on: name)
        }
        await throttle(slot, action == .throttle && !slot.judge.exceeded.isEmpty)
        guard let excess = begun.first else { return }
        if action == .stop { await stop(name, because: Self.told(excess)) }
        if action == .isolate { await isolate(slot, because: Self.told(excess)) }
    }

    private func throttle(_ slot: PluginSlot, _ isThrottled: Bool) async {
        guard slot.isThrottled != isThrottled else { return }
        slot.isThrottled = isThrottled
        await publish(slot)
    }

    private static func told(_ excess: ResourceJudge.Excess) -> String {
        "it uses \(Int(excess.value.rounded())) of \(excess.resource.rawValue), and may use"
            + " \(excess.limit)"
    }

    /// Moves a plugin that uses too much into a process of its own; one that is there already, or
    /// cannot be, has only been told of.
    private func isolate(_ slot: PluginSlot, because reason: String) async {
        guard slot.current?.loaded.mode == .inProcess else { return }
        if let objection = objectionToIsolation(of: slot.name) {
            return say(.warning, "it is not isolated: \(objection)", slot.name)
        }
        do throws(HostError) {
            _ = try await run(slot.name, in: .isolated, because: reason)
        } catch {
            say(.error, "it is not isolated: \(error)", slot.name)
        }
    }

    /// Deactivates a plugin that uses too much, and those that require it until it is back.
    private func stop(_ name: PluginName, because reason: String) async {
        let policy = DrainPolicy(seconds: options.drain.seconds, outcome: .quarantine)
        do throws(HostError) {
            try await leave(name, cascades: true, policy)
            defer { left(name) }
            try await exclusively(name) { slot throws(HostError) in
                guard registry[name]?.isActive == true else { return }
                try await withdraw(slot, policy)
                try await execute(.deactivate(reason: reason), on: name)
                slot.isBlocked = false
                slot.lastError = HostError(
                    "limit_exceeded", what: "plugin \"\(name)\" was stopped", why: reason,
                    fix: "mend it, or raise its limit, and activate it: host activate \(name)")
                await publish(slot)
            }
        } catch {
            slots[name]?.lastError = error
            say(.error, error.description, name)
        }
    }

    // MARK: - Asking

    /// What every plugin uses, measured over a while.
    ///
    /// - Shape: `{"seconds","plugins":[{"name","state","mode","cpu_percent",
    ///   "cpu_seconds":{"reactors","pool","threads","processes"},"memory_bytes","threads",
    ///   "descriptors","in_flight","requests_per_second","throttled","exceeded":[RESOURCE,
    ///   ...]}, ...]}`; who uses most comes first.
    func top(seconds: Int) async -> JSONValue {
        let begin = clock.now
        var before: [PluginName: (cpu: Double, requests: Int)] = [:]
        for record in registry.sorted {
            let slot = slot(record.name)
            before[record.name] = (slot.cpu.total, slot.totals.traffic.requests)
        }
        await Deadline.pause(for: .seconds(seconds))
        let elapsed = max(0.001, (clock.now - begin) / .seconds(1))
        var rows: [(cpu: Double, json: JSONValue)] = []
        for record in registry.sorted {
            let slot = slot(record.name)
            let cpu = slot.cpu
            guard let former = before[record.name] else { continue }
            let usage = slot.usage(
                cpuPercent: max(0, cpu.total - former.cpu) * 100 / elapsed)
            let rate = Double(slot.totals.traffic.requests - former.requests) / elapsed
            var row = Self.json(usage)
            row["name"] = .string(record.name.text)
            row["state"] = .string(state(of: slot, record).rawValue)
            row["mode"] = .string((slot.current?.loaded.mode ?? record.release.mode).rawValue)
            row["cpu_seconds"] = cpu.json
            row["requests_per_second"] = .rounded(rate)
            row["throttled"] = .bool(slot.isThrottled)
            row["exceeded"] = .strings(slot.judge.exceeded.map(\.rawValue).sorted())
            rows.append((usage.cpuPercent, .object(row)))
        }
        rows.sort { $0.cpu > $1.cpu }
        return ["seconds": .rounded(elapsed), "plugins": .array(rows.map(\.json))]
    }

    private static func json(_ usage: ResourceUsage) -> JSONObject {
        [
            "name": .null,
            "cpu_percent": .rounded(usage.cpuPercent),
            "memory_bytes": .number(JSONNumber(usage.memoryBytes)),
            "threads": .number(JSONNumber(usage.threads)),
            "descriptors": usage.descriptors.map { .number(JSONNumber($0)) } ?? .null,
            "in_flight": .number(JSONNumber(usage.inFlight)),
        ]
    }
}

/// What a plugin had used at one moment.
struct ResourceLook {
    var cpuSeconds: Double
    var time: ContinuousClock.Instant

    func cpuPercent(since before: ResourceLook) -> Double {
        let seconds = (time - before.time) / .seconds(1)
        return seconds > 0 ? max(0, cpuSeconds - before.cpuSeconds) * 100 / seconds : 0
    }
}

extension CPUTime {
    fileprivate var json: JSONValue {
        [
            "reactors": .rounded(reactors), "pool": .rounded(pool), "threads": .rounded(threads),
            "processes": .rounded(processes),
        ]
    }
}

extension JSONValue {
    /// To a thousandth.
    fileprivate static func rounded(_ value: Double) -> JSONValue {
        .init(floatLiteral: (value * 1_000).rounded() / 1_000)
    }
}
