import Glibc
import HostModel
import PluginHost

/// Has what was asked for done, and prints it.
struct Performer {
    let invocation: Invocation
    /// What the process was started for, when it serves.
    private let role: Role
    /// The command line as it was given.
    private let words: [String]

    init(_ invocation: Invocation, role: Role = .command, words: [String] = []) {
        self.invocation = invocation
        self.role = role
        self.words = words
    }

    /// - Throws: `HostError` when it was refused or failed; `UsageError` for a value that is wrong.
    func perform() async throws {
        switch invocation.verb {
        case .serve: try await serve()
        case .install: try await install()
        case .activate: try await activate()
        case .isolate: try await change("isolate", [:])
        case .deactivate: try await deactivate()
        case .reload: try await reload()
        case .rollback: try await rollback()
        case .remove: try await remove()
        case .mount: try await mount()
        case .grant, .revoke: try await grant()
        case .unmount: try await unmount()
        case .call: try await call()
        case .list: try await list()
        case .status: try await status()
        case .graph: try await graph()
        case .routes: try await routes()
        case .mounts: show(try await send("GET", "/mounts"), Report.mounts)
        case .hooks: show(try await send("GET", "/hooks"), Report.hooks)
        case .capabilities: show(try await send("GET", "/capabilities"), Report.capabilities)
        case .events: try await events()
        case .logs: try await logs()
        case .top: try await top()
        case .path: show(try await send("GET", "/path"), Report.path)
        case .config: try await config()
        case .inspect: try inspect()
        case .pack: try pack()
        case .keygen: try keygen()
        case .trust: try await trust()
        }
    }

    var layout: RootLayout {
        if let root = invocation.value("--root") { return RootLayout(root: root) }
        return CommandEnvironment.standardRoot
    }

    func send(
        _ method: String, _ path: String, _ body: JSONValue? = nil, query: [String: String] = [:]
    ) async throws(HostError) -> JSONValue {
        try await HostControl(layout, configuration: try configuration)
            .send(method, path, body, query: query)
    }

    private var configuration: ConfigurationOptions {
        get throws(HostError) {
            try CommandEnvironment.configuration(environment: invocation.value("--environment"))
        }
    }

    // MARK: - Serve

    private func serve() async throws {
        var options = Daemon.Options(layout: layout)
        let addresses = invocation.values("--listen")
        options.listensByDefault = addresses.isEmpty
        for text in addresses.isEmpty ? ["127.0.0.1:8080"] : addresses {
            do throws(HostError) {
                try options.addListener(text)
            } catch {
                throw Invocation.UsageError(
                    message: "--listen \(text): " + error.reasons.joined(separator: "; "),
                    verb: .serve)
            }
        }
        let keys = invocation.values("--tls-key")
        let certificates = invocation.values("--tls-certificate")
        guard keys.count == certificates.count else {
            throw Invocation.UsageError(
                message: "--tls-certificate and --tls-key go in pairs", verb: .serve)
        }
        for (certificate, key) in zip(certificates, keys) {
            options.addCertificate(
                CommandEnvironment.absolute(certificate), key: CommandEnvironment.absolute(key))
        }
        options.adminDoors = try adminDoors()
        options.threads = try invocation.number("--threads", in: 1...256)
        options.accessLog = invocation.value("--access-log").map { path in
            path == "-" ? path : CommandEnvironment.absolute(path)
        }
        options.accessLogFormat = try invocation.choice("--access-log-format") ?? .json
        options.eventsPath = invocation.value("--events-endpoint")
        options.metricsPath = invocation.value("--metrics-endpoint")
        if let seconds = try invocation.number(
            "--monitor-seconds", in: ManagerOptions.monitorSecondsRange)
        {
            options.manager.monitorSeconds = seconds
        }
        options.stopDelaySeconds =
            try invocation.number(
                "--stop-delay-seconds", in: Daemon.Options.stopDelaySecondsRange) ?? 0
        try readWorkLimits(&options.manager)
        if let seconds = try invocation.number(
            "--reconcile-seconds", in: ManagerOptions.reconcileSecondsRange)
        {
            options.manager.reconcileSeconds = seconds
        }
        options.manager.searchPath =
            invocation.values("--plugin-path").flatMap(CommandEnvironment.directories)
            + CommandEnvironment.searchPath
        if let seconds = try invocation.number(
            "--heartbeat-seconds", in: Manifest.Limits.heartbeatSecondsRange)
        {
            options.manager.heartbeatSeconds = seconds
        }
        if let seconds = try invocation.number(
            "--overlap-seconds", in: Manifest.Limits.overlapSecondsRange)
        {
            options.manager.overlapSeconds = seconds
        }
        if let text = invocation.value("--grant-default") {
            guard let policy = GrantPolicy(text) else {
                throw Invocation.UsageError(
                    message: "--grant-default \(text): it is not harmless, all, none or ids such as"
                        + " ph.log/1,ph.events/1", verb: .serve)
            }
            options.manager.grants = policy
        }
        options.manager.pinsLibraries = invocation.has("--pinned")
        options.manager.signatures = try invocation.choice("--signatures") ?? .off
        options.manager.configuration = try configuration
        if invocation.has("--no-proof") { options.manager.probeExecutable = nil }
        try readSupervision(&options.manager)
        if let count = try invocation.number(
            "--stuck-threads", in: ManagerOptions.stuckThreadsRange)
        {
            options.manager.stuckThreadsMax = count
        }
        options.controlGroup = invocation.value("--cgroup").map(CommandEnvironment.absolute)
        options.manager.onCrash = try invocation.choice("--on-crash")
        let tell: @Sendable ([String]) -> Void = { addresses in
            for address in addresses { Output.print("listening on \(address)\n") }
        }
        switch role {
        case .engine(let seat):
            // Its supervisor tells.
            try await Daemon(options: options, seat: seat).run { _ in }
        case .program(_, isTrial: true): break
        case .program(let bequest, isTrial: false): try await supervise(options, bequest, tell)
        case .command where invocation.has("--no-supervisor"):
            try await Daemon(options: options).run(ready: tell)
        case .command: try await supervise(options, nil, tell)
        }
    }

    private func readSupervision(_ options: inout ManagerOptions) throws(Invocation.UsageError) {
        options.workerExecutable = CommandEnvironment.executable
        if let seconds = try invocation.number(
            "--ping-seconds", in: ManagerOptions.pingSecondsRange)
        {
            options.pingSeconds = seconds
        }
        if let count = try invocation.number(
            "--restarts-per-minute", in: RestartPolicy.restartsRange)
        {
            options.restarts.restartsMax = count
        }
        if let pause = try invocation.number(
            "--restart-pause", in: RestartPolicy.pauseMillisecondsRange)
        {
            options.restarts.pauseFirst = .milliseconds(pause)
        }
    }

    private func supervise(
        _ options: Daemon.Options, _ bequest: Bequest?,
        _ tell: @escaping @Sendable ([String]) -> Void
    ) async throws(HostError) {
        let arguments = Array(words.dropFirst())
        let status = try await FirstThread.run { () throws(HostError) in
            let supervisor = try Supervisor(options, arguments: arguments, bequest: bequest)
            return try supervisor.run(ready: tell)
        }
        if status != 0 { exit(status) }
    }

    private func readWorkLimits(
        _ options: inout ManagerOptions
    ) throws(Invocation.UsageError) {
        typealias Limits = Manifest.Limits
        if let budget = try invocation.number("--inline-budget", in: 0...60_000) {
            options.inlineBudgetMilliseconds = budget
        }
        func read(
            _ option: String, _ range: ClosedRange<Int>,
            _ field: WritableKeyPath<WorkLimits, Int>
        ) throws(Invocation.UsageError) {
            guard let value = try invocation.number(option, in: range) else { return }
            options.work[keyPath: field] = value
        }
        try read("--request-timeout", Limits.requestSecondsRange, \.requestSeconds)
        try read("--max-concurrency", Limits.concurrencyRange, \.concurrencyMax)
        try read("--pool-threads", Limits.poolThreadsRange, \.poolThreadsMax)
        try read("--pool-queue", Limits.poolQueueRange, \.poolQueueMax)
    }

    // MARK: - Changes

    private func install() async throws {
        let path = CommandEnvironment.absolute(invocation.arguments[0])
        let activates = !invocation.has("--no-activate")
        let services = invocation.values("--grant")
        var body: JSONObject = ["path": .string(path), "activate": .bool(activates)]
        if !services.isEmpty { body["grant"] = .array(services.map { .string($0) }) }
        let mode: PluginMode? = try invocation.choice("--mode")
        body["mode"] = mode.map { .string($0.rawValue) }
        body["canary"] = try canary
        let confinement: ConfinementChoice? = try invocation.choice("--confine")
        body["confine"] = confinement.map { .string($0.rawValue) }
        if invocation.has("--allow-tombstoned") { body["allow_tombstoned"] = true }
        if invocation.has("--cascade") { body["cascade"] = true }
        Output.print(Report.change(try await send("POST", "/plugins", .object(body))))
    }

    private func grant() async throws {
        let services = invocation.arguments.dropFirst().map { JSONValue.string($0) }
        try await change(
            invocation.verb.rawValue, ["services": .array(services)], Report.grants)
    }

    private func activate() async throws {
        var body: JSONObject = [:]
        let mode: PluginMode? = try invocation.choice("--mode")
        body["mode"] = mode.map { .string($0.rawValue) }
        try await change("activate", body)
    }

    private func deactivate() async throws {
        var body = try drain()
        if invocation.has("--cascade") { body["cascade"] = true }
        try await change("deactivate", body)
    }

    private func reload() async throws {
        var body = try drain()
        if invocation.has("--force") { body["force"] = true }
        body["canary"] = try canary
        try await change("reload", body)
    }

    private var canary: JSONValue? {
        get throws(Invocation.UsageError) {
            guard let text = invocation.value("--canary") else { return nil }
            guard text == "0" || CanaryPolicy(text) != nil else {
                throw Invocation.UsageError(
                    message: "--canary \(text): it is not PERCENT or PERCENT:SECONDS such as 10:60",
                    verb: invocation.verb)
            }
            return .string(text)
        }
    }

    private func rollback() async throws {
        var body: JSONObject = [:]
        body["version"] = invocation.value("--to").map { .string($0) }
        if invocation.has("--cascade") { body["cascade"] = true }
        try await change("rollback", body)
    }

    private func mount() async throws {
        guard invocation.has("--at") else {
            throw Invocation.UsageError(message: "mount needs --at PATH", verb: .mount)
        }
        try await change("mount", place, Report.mount)
    }

    private func unmount() async throws {
        if invocation.has("--host"), !invocation.has("--at") {
            throw Invocation.UsageError(message: "--host needs --at PATH", verb: .unmount)
        }
        try await change("unmount", place, Report.mount)
    }

    private var place: JSONObject {
        var body: JSONObject = [:]
        body["at"] = invocation.value("--at").map { .string($0) }
        body["host"] = invocation.value("--host").map { .string($0) }
        return body
    }

    private func change(
        _ verb: String, _ body: JSONObject, _ report: (JSONValue) -> String = Report.change
    ) async throws {
        let name = try PluginName(checking: invocation.arguments[0])
        let answer = try await send("POST", "/plugins/\(name)/\(verb)", .object(body))
        Output.print(report(answer))
    }

    private func remove() async throws {
        let name = try PluginName(checking: invocation.arguments[0])
        var body = try drain()
        if invocation.has("--keep-data") { body["keep_data"] = true }
        if invocation.has("--cascade") { body["cascade"] = true }
        _ = try await send("DELETE", "/plugins/\(name)", .object(body))
        Output.print("\(name) is removed\n")
    }

    private func drain() throws(Invocation.UsageError) -> JSONObject {
        var body: JSONObject = [:]
        if let seconds = try invocation.number("--drain-seconds", in: DrainPolicy.secondsRange) {
            body["drain_seconds"] = .number(JSONNumber(seconds))
        }
        let outcome: DrainOutcome? = try invocation.choice("--on-timeout")
        body["on_timeout"] = outcome.map { .string($0.rawValue) }
        return body
    }

    // MARK: - Questions

    private func list() async throws {
        show(try await send("GET", "/plugins"), Report.list)
    }

    private func status() async throws {
        let name = try PluginName(checking: invocation.arguments[0])
        show(try await send("GET", "/plugins/\(name)"), Report.status)
    }

    private func graph() async throws {
        show(
            try await send("GET", "/graph"),
            invocation.has("--dot") ? GraphReport.dot : GraphReport.tree)
    }

    private func routes() async throws {
        show(try await send("GET", "/routes"), Report.routes)
    }

    func show(_ answer: JSONValue, _ report: (JSONValue) -> String) {
        Output.print(invocation.has("--json") ? answer.text(.pretty) : report(answer))
    }

    // MARK: - Files

    private func inspect() throws {
        let path = CommandEnvironment.absolute(invocation.arguments[0])
        let report = try FileInspection.inspect(path, trustedBy: layout)
        Output.print(invocation.has("--json") ? report.json.text(.pretty) : report.text)
        guard report.isLoadable else { exit(1) }
    }

    private func pack() throws {
        let directory = CommandEnvironment.absolute(invocation.arguments[0])
        guard let output = invocation.value("-o") else {
            throw Invocation.UsageError(
                message: "pack needs -o FILE.tar.gz", verb: .pack)
        }
        let key = try invocation.value("--sign").map { path in
            try SigningKey(readingFrom: CommandEnvironment.absolute(path))
        }
        let packed = try BundleWriter().pack(
            directory, to: CommandEnvironment.absolute(output), signedWith: key)
        let signed = key.map { ", signed with the key \($0.publicKey.id)" } ?? ""
        Output.print("\(packed.manifest.name) \(packed.manifest.version): \(output)\(signed)\n")
    }
}
