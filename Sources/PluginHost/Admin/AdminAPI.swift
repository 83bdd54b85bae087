package import HostModel

/// What can be asked of a host and told to it, as methods, paths and JSON.
///
/// The admin socket offers it to other processes; without a daemon the command asks it directly.
///
/// - Shape:
///   ```
///   GET    /health                      see `PluginManager.healthReport`
///   GET    /metrics                     text for Prometheus (`MetricsEndpoint`)
///   GET    /events                      ?since &limit &topic &plugin   {"events": [ENTRY, ...]}
///   GET    /events/subscriptions        ?plugin               {"subscriptions": [...]}
///   GET    /logs                        ?last &level &plugin          {"entries": [...]}
///   GET    /plugins                     {"plugins": [STATUS, ...], PIDS}
///   GET    /plugins/NAME                STATUS, with PIDS
///   GET    /plugins/NAME/config         see `PluginManager.configurationReport`
///   GET    /config                      see `PluginManager.configurationCheck`
///   GET    /routes                      {"routes": [{"plugin","method","path","generation",
///                                                    "host"?}, ...]}
///   GET    /graph                       {"plugins": [{"name","version","state","requires",
///                                                     "required_by","blocked"}, ...],
///                                        "order": [[NAME, ...], ...], "circles": [...]}
///   GET    /hooks                       see AdminAPI+Hooks
///   GET    /mounts                      {"mounts": [{"plugin","host","prefix","state"}, ...]}
///   GET    /path                        {"bundles": [{"path","plugin","version","state",
///                                                     "reason"}, ...]}
///   GET    /trust                       see AdminAPI+Trust
///   GET    /capabilities                {"capabilities": [CAPABILITY, ...]}
///   GET    /top                         ?seconds         see `PluginManager.top`
///   POST   /plugins                     {"path", "mode"?, "activate"?, "allow_tombstoned"?,
///                                        "cascade"?, "canary"?, "grant"?: [ID, ...],
///                                        "confine"?: "default"|"off"}            STATUS
///   POST   /plugins/NAME/activate       {"mode"?}                               STATUS
///   POST   /plugins/NAME/isolate                                                STATUS
///   POST   /plugins/NAME/deactivate     {"drain_seconds"?, "on_timeout"?, "cascade"?}  STATUS
///   POST   /plugins/NAME/reload         {"force"?, "drain_seconds"?, "on_timeout"?,
///                                        "canary"?}                             STATUS
///   POST   /plugins/NAME/rollback       {"version"?, "cascade"?}                STATUS
///   POST   /plugins/NAME/mount          {"at", "host"?}                         STATUS
///   POST   /plugins/NAME/unmount        {"at"?, "host"?}; all without "at"      STATUS
///   POST   /plugins/NAME/grant          {"services": [ID, ...]}                 STATUS
///   POST   /plugins/NAME/revoke         {"services": [ID, ...]}                 STATUS
///   POST   /plugins/NAME/call           see AdminAPI+Calls
///   DELETE /plugins/NAME                {"keep_data"?, "drain_seconds"?, "on_timeout"?,
///                                        "cascade"?}                            {}
///   ```
///   PIDS are `"engine_pid"` and `"supervisor_pid"`; STATUS is `PluginStatus.json`; `canary` is
///   `PERCENT`, `PERCENT:SECONDS` or `0`; `on_timeout` is `wait`, `refuse` or `quarantine`. GET
///   /events and GET /logs are answered with a stream where `Accept` asks for one, and POST /events
///   takes CloudEvents (`EventsEndpoint`).
package struct AdminAPI: Sendable {
    /// The processes that answer; there are none where a command works on the root itself.
    package struct Processes: Sendable {
        /// Nil when the engine has no supervisor.
        var supervisor: Int32?
        var engine: Int32

        fileprivate var members: JSONObject {
            [
                "supervisor_pid": supervisor.map { .number(JSONNumber(Int($0))) } ?? .null,
                "engine_pid": .number(JSONNumber(Int(engine))),
            ]
        }
    }

    let manager: PluginManager
    private let processes: Processes?

    package init(manager: PluginManager, processes: Processes? = nil) {
        self.manager = manager
        self.processes = processes
    }

    /// The object, with the processes behind.
    private func telling(_ object: JSONValue) -> JSONValue {
        guard let processes, case .object(var all) = object else { return object }
        for (key, value) in processes.members.members { all[key] = value }
        return .object(all)
    }

    /// Carries out one request.
    ///
    /// - Throws: `no_such_resource`, `method_not_allowed`, `request_invalid` with every objection,
    ///   or what the manager throws.
    package func answer(
        _ method: String, _ path: String, _ body: JSONValue? = nil, query: [String: String] = [:]
    ) async throws(HostError) -> JSONValue {
        let segments = path.split(separator: "/").map(String.init)
        try Self.allow(method, path)
        switch (segments.first, segments.count) {
        case ("health", 1): return telling(await manager.healthReport())
        case ("events", 1) where method == "GET": return try await events(query)
        case ("events", 2): return try subscriptions(query)
        case ("logs", 1): return try logs(query)
        case ("routes", 1):
            return ["routes": .array(await manager.statuses().flatMap(routes))]
        case ("graph", 1): return await manager.graphReport()
        case ("path", 1):
            return ["bundles": .array(await manager.pathBundles().map(\.json))]
        case ("hooks", 1): return manager.switchboard.hooks.json
        case ("mounts", 1):
            return ["mounts": .array(await manager.statuses().flatMap(mounts))]
        case ("capabilities", 1): return capabilities
        case ("top", 1): return try await top(query)
        case ("trust", _): return try await trust(method, Array(segments.dropFirst()), body)
        case ("plugins", 1):
            if method == "POST" { return try await install(body) }
            return telling(["plugins": .array(await manager.statuses().map(\.json))])
        case ("plugins", 2):
            let name = try PluginName(checking: segments[1])
            if method == "GET" { return telling(try await manager.status(name).json) }
            return try await remove(name, body)
        case ("config", 1): return await manager.configurationCheck()
        case ("plugins", 3) where segments[2] == "config":
            return try await manager.configurationReport(try PluginName(checking: segments[1]))
        case ("plugins", 3) where segments[2] == "call":
            return try await call(try PluginName(checking: segments[1]), body)
        case ("plugins", 3):
            let name = try PluginName(checking: segments[1])
            return try await act(segments[2], on: name, body)
        default: throw Self.noSuchResource(path)
        }
    }

    /// The HTTP status that an error is sent with.
    package static func httpStatus(of error: HostError) -> UInt16 {
        switch error.code {
        case "no_such_resource", "plugin_not_installed", "key_unknown": 404
        case "method_not_allowed": 405
        case "daemon_not_running": 503
        case "request_invalid", "name_invalid", "mount_invalid", "key_invalid", "key_name_invalid":
            400
        case "inactive", "disabled", "drain_refused", "generation_still_loaded",
            "mount_taken", "mount_missing", "release_missing", "bundle_tombstoned",
            "change_pending", "version_retired", "journal_conflict", "plugin_required",
            "requirement_unmet", "policy_not_loosened", "key_known":
            409
        default: 422
        }
    }

    private func act(
        _ verb: String, on name: PluginName, _ body: JSONValue?
    ) async throws(HostError) -> JSONValue {
        var form = Form(body)
        switch verb {
        case "activate":
            let mode: PluginMode? = form.choice("mode")
            try form.end()
            if let mode {
                return try await manager.run(name, in: mode, activates: true).json
            }
            return try await manager.activate(name).json
        case "isolate":
            try form.end()
            return try await manager.run(name, in: .isolated).json
        case "deactivate":
            let drain = form.drain()
            let cascades = form.truth("cascade") ?? false
            try form.end()
            return try await manager.deactivate(name, drain: drain, cascades: cascades).json
        case "rollback":
            let version = form.version("version")
            let cascades = form.truth("cascade") ?? false
            try form.end()
            return try await manager.rollback(name, to: version, cascades: cascades).json
        case "mount", "unmount": return try await mount(verb, name, &form)
        case "grant", "revoke":
            let services = form.services("services")
            try form.end()
            if verb == "grant" { return try await manager.grant(name, services).json }
            return try await manager.revoke(name, services).json
        default:
            let force = form.truth("force") ?? false
            let drain = form.drain()
            let canary = form.canary()
            try form.end()
            return try await manager.reload(
                name, force: force, drain: drain, canary: canary
            ).json
        }
    }

    private func mount(
        _ verb: String, _ name: PluginName, _ form: inout Form
    ) async throws(HostError) -> JSONValue {
        let prefix = form.text("at")
        let host = form.text("host")
        if prefix == nil, verb == "mount" || host != nil { form.object("at", "a path") }
        try form.end()
        let address: MountAddress? =
            if let prefix { try MountAddress(host: host, prefix: prefix) } else { nil }
        if verb == "mount", let address {
            return try await manager.mount(name, at: address).json
        }
        return try await manager.unmount(name, from: address).json
    }

    private func install(_ body: JSONValue?) async throws(HostError) -> JSONValue {
        var form = Form(body)
        let path = form.text("path")
        let mode: PluginMode? = form.choice("mode")
        let activates = form.truth("activate") ?? true
        let allowsTombstoned = form.truth("allow_tombstoned") ?? false
        let cascades = form.truth("cascade") ?? false
        let canary = form.canary()
        let confinement: ConfinementChoice? = form.choice("confine")
        let services = form.has("grant") ? form.services("grant") : []
        if path?.hasPrefix("/") != true { form.object("path", "an absolute path of a bundle") }
        try form.end()
        return try await manager.install(
            bundle: path ?? "", mode: mode, activates: activates,
            allowsTombstoned: allowsTombstoned, cascades: cascades, granting: services,
            canary: canary, confinement: confinement
        ).json
    }

    private func remove(_ name: PluginName, _ body: JSONValue?) async throws(HostError) -> JSONValue
    {
        var form = Form(body)
        let keepsData = form.truth("keep_data") ?? false
        let drain = form.drain()
        let cascades = form.truth("cascade") ?? false
        try form.end()
        try await manager.remove(name, keepsData: keepsData, drain: drain, cascades: cascades)
        return [:]
    }

    /// The routes of a plugin at its own place, then at each that an operator gave it.
    private func routes(_ status: PluginStatus) -> [JSONValue] {
        let own = "/plugin/\(status.name)"
        return ([nil] + status.mounts).flatMap { mount in
            status.routes.map { route in
                let parts = route.split(separator: " ", maxSplits: 1).map(String.init)
                let path = String((parts.last ?? "").dropFirst(own.utf8.count))
                var object: JSONObject = [
                    "plugin": .string(status.name.text), "method": .string(parts.first ?? ""),
                    "path": .string(mount?.path(of: path) ?? own + path),
                    "generation": .number(JSONNumber(status.generation)),
                ]
                object["host"] = mount?.host.map { .string($0) }
                return .object(object)
            }
        }
    }

    private func mounts(_ status: PluginStatus) -> [JSONValue] {
        status.mounts.map { mount in
            var object: JSONObject = ["plugin": .string(status.name.text)]
            for (key, value) in mount.json.object?.members ?? [] { object[key] = value }
            object["state"] = .string(status.state.rawValue)
            return .object(object)
        }
    }

    private static let verbs = [
        "activate", "isolate", "deactivate", "reload", "rollback", "mount", "unmount", "grant",
        "revoke",
    ]

    /// The methods that a path takes; none if there is nothing.
    package static func methods(of path: String) -> [String] {
        let segments = path.split(separator: "/").map(String.init)
        switch (segments.first, segments.count) {
        case ("health", 1), ("routes", 1), ("mounts", 1), ("graph", 1), ("logs", 1),
            ("path", 1), ("config", 1), ("hooks", 1):
            return ["GET"]
        case ("capabilities", 1), ("top", 1): return ["GET"]
        case ("trust", _): return trustMethods(of: Array(segments.dropFirst()))
        case ("events", 1): return ["GET", "POST"]
        case ("events", 2) where segments[1] == "subscriptions": return ["GET"]
        case ("plugins", 3) where segments[2] == "config": return ["GET"]
        case ("plugins", 1): return ["GET", "POST"]
        case ("plugins", 2): return ["GET", "DELETE"]
        case ("plugins", 3) where segments[2] == "call" || verbs.contains(segments[2]):
            return ["POST"]
        default: return []
        }
    }

    private static func allow(_ method: String, _ path: String) throws(HostError) {
        let methods = methods(of: path)
        if methods.isEmpty { throw noSuchResource(path) }
        guard !methods.contains(method) else { return }
        throw HostError(
            "method_not_allowed", what: "\(method) \(path) is not offered",
            why: "it takes \(methods.joined(separator: " or "))", fix: "use one of those")
    }

    private static func noSuchResource(_ path: String) -> HostError {
        HostError(
            "no_such_resource", what: "there is nothing at \(path)",
            why: "the admin interface has /health, /plugins, /plugins/NAME, /plugins/NAME/VERB,"
                + " /plugins/NAME/config, /capabilities, /config, /graph, /mounts and /routes",
            fix: "VERB is activate, isolate, deactivate, reload, rollback, mount, unmount, grant,"
                + " revoke or call")
    }
}

/// The members of a request, read one by one; what is wrong is collected, and what was not asked
/// for is wrong.
struct Form {
    private let members: JSONObject
    private var known: [String] = []
    private var objections: [String] = []

    init(_ body: JSONValue?) {
        members = body?.object ?? [:]
        if let body, body.object == nil {
            objections.append("the body is \(body.kind), not an object")
        }
    }

    mutating func text(_ key: String) -> String? {
        known.append(key)
        guard let value = members[key] else { return nil }
        if value.string == nil { object(key, "a text") }
        return value.string
    }

    /// Whether the request has that member at all.
    func has(_ key: String) -> Bool { members[key] != nil }

    mutating func truth(_ key: String) -> Bool? {
        known.append(key)
        guard let value = members[key] else { return nil }
        if value.bool == nil { object(key, "true or false") }
        return value.bool
    }

    mutating func number(_ key: String, in range: ClosedRange<Int>) -> Int? {
        known.append(key)
        guard let value = members[key] else { return nil }
        if let number = value.integer.flatMap({ Int(exactly: $0) }), range.contains(number) {
            return number
        }
        object(key, "a number from \(range.lowerBound) to \(range.upperBound)")
        return nil
    }

    mutating func version(_ key: String) -> SemanticVersion? {
        guard let text = text(key) else { return nil }
        let version = SemanticVersion(text)
        if version == nil { object(key, "a version such as 1.2.3") }
        return version
    }

    /// One or more ids of services.
    mutating func services(_ key: String) -> [String] {
        known.append(key)
        let services = members[key]?.array?.compactMap(\.string) ?? []
        if services.isEmpty || services.count != members[key]?.array?.count {
            object(key, "an array of one or more ids of services such as ph.log/1")
        }
        for service in services where !ServiceID.isValid(service) {
            objections.append(
                "\"\(service)\" in \"\(key)\" is not the id of a service such as ph.log/1")
        }
        return services
    }

    mutating func choice<Choice>(_ key: String) -> Choice?
    where Choice: RawRepresentable<String> & CaseIterable {
        guard let text = text(key) else { return nil }
        if let choice = Choice(rawValue: text) { return choice }
        object(key, Choice.allCases.map(\.rawValue).joined(separator: " or "))
        return nil
    }

    /// How a new generation is to be tried first.
    mutating func canary() -> CanaryWish {
        guard let text = text("canary") else { return .byManifest }
        if let wish = CanaryWish(text) { return wish }
        object("canary", "PERCENT or PERCENT:SECONDS, such as 10:60, or 0")
        return .byManifest
    }

    /// Both or none of them; the other one is the default of the host.
    mutating func drain() -> DrainPolicy? {
        known.append("drain_seconds")
        var policy = ManagerOptions().drain
        let outcome: DrainOutcome? = choice("on_timeout")
        let range = DrainPolicy.secondsRange
        if let value = members["drain_seconds"] {
            if let seconds = value.integer.flatMap({ Int(exactly: $0) }), range.contains(seconds) {
                policy.seconds = seconds
            } else {
                object("drain_seconds", "a number from \(range.lowerBound) to \(range.upperBound)")
            }
        } else if outcome == nil {
            return nil
        }
        policy.outcome = outcome ?? policy.outcome
        return policy
    }

    mutating func object(_ key: String, _ shape: String) {
        objections.append("\"\(key)\" is not \(shape)")
    }

    /// - Throws: `request_invalid` with all that was wrong.
    mutating func end() throws(HostError) {
        for key in members.keys where !known.contains(key) {
            objections.append("\"\(key)\" is not known" + Spelling.hint(for: key, among: known))
        }
        guard !objections.isEmpty else { return }
        throw HostError(
            "request_invalid", what: "the request was not understood", why: objections,
            fix: "correct what is named, and ask again")
    }
}
