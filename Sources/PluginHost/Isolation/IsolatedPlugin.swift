import Confinement
import DynamicLibrary
import Glibc
import HTTPServer
import HostModel
import Synchronization

/// One generation of a plugin whose code runs in processes of its own.
///
/// To the rest of the host it is a generation like any other: the steps of its life are put to each
/// of its processes, requests are relayed to one of them over a socket that all of them listen on,
/// and what the code asks for is done here in its name. A process that ends is replaced; requests
/// that come meanwhile wait in the socket's backlog.
final class IsolatedPlugin: PluginInstance {
    /// How processes are started, and what they are held to.
    struct Launch: Sendable {
        var executable: String
        var environment: [String: String]
        /// What they may do; nil: whatever the host's user may.
        var confinement: Confinement?
        /// The group that each of them is in, if the host has been given some.
        var group: ControlGroup.Plan?

        /// What is told of the confinement, for a later engine to compare.
        var told: JSONValue { confinement.map { .strings($0.arguments) } ?? .null }

        var log: HostLog
        var restarts = RestartPolicy()
        var pingInterval: Duration?
        var pingMissesMax = 3
        /// How many threads the plugin may keep in a process for more than twice the time that a
        /// response may take; 0: any number.
        var stuckThreadsMax = 0
        var reactors = 1
        var inlineBudgetMilliseconds = 10
        var work = WorkLimits()
        var startSeconds = 10
    }

    /// What becomes of its processes.
    enum Occurrence: Sendable {
        /// One ended that should not have; another one starts after the pause, if there is one.
        case ended(pid: Int32, reason: String, pause: Duration?)
        /// One serves in the place of one that has ended.
        case restarted(pid: Int32, milliseconds: Double)
        /// No more are started, and none is left.
        case failed(HostError)
    }

    enum Stage: Int, Sendable { case opened, initialized, started, stopped, closed }

    /// A place for a process.
    struct Seat: Sendable {
        var worker: IsolatedWorker?
        var record: RestartRecord
        var pings: PingRecord?
        var restarts = 0
        var hasFailed = false
    }

    struct State: Sendable {
        var stage = Stage.opened
        var routes: [RouteDeclaration] = []
        var seats: [Seat]
        var lastSerial = 0
        var turn = 0
        var configuration: ConfigurationSnapshot
        var saysHowItIs = false
        var observes = false
        var saves = false
        var restores = false
        var isQuiet = false
        var methods: [OfferedMethod.Key: RemoteMethod] = [:]
        var subscriptions: [RemoteSubscription] = []
        var hooks: [RemoteHook] = []
        var points: [PointName: [IsolatedWorker]] = [:]
        var runs: [UInt64: RemoteRun] = [:]
        var lastRun: UInt64 = 0
        var pinger: Deadline?
        /// The processes of an engine before, which are not this one's yet.
        var found: [(survivor: Survivor, worker: IsolatedWorker)] = []
        /// Whether its processes have been an engine's before.
        var isReattached = false
        /// Whether another engine goes on with its processes.
        var isHandedOver = false
    }

    let member: Member
    /// What the services are asked with.
    let host: HostObject
    let parts: Parts
    /// The calls that its processes may still call off.
    let tickets = CallTickets()
    /// Where those are told who have called its methods.
    let answers: WorkerThreads
    /// Held while the processes are told of a point.
    let telling = Mutex(())
    private let relay: WorkerRelay
    let listener: PrivateListener
    let state: Mutex<State>

    var number: Int { Int(parts.staged.generation) }
    var digest: Digest { parts.staged.digest }
    var manifest: Manifest { parts.staged.manifest }
    var mode: PluginMode { .isolated }
    var granted: Set<String> { parts.granted }
    var routes: [RouteDeclaration] { state.withLock { $0.routes } }
    var inspection: ImageInspection? { parts.staged.inspection }
    var holdings: LedgerSnapshot? { nil }
    /// Whatever hangs in a process ends with it.
    var stuckReason: String? { nil }
    var mayStillLeave: Bool { true }

    // MARK: - Step 1

    /// What a generation is made from.
    struct Parts: Sendable {
        var staged: StagedLibrary
        var root: String
        var directory: PluginDirectory
        var granted: Set<String>
        var switchboard: Switchboard
        var configuration: ConfigurationSnapshot
        var launch: Launch
        var onDenial: ServiceDoor.Denial
        /// Tells the supervisor that this engine goes on with a child.
        var claim: @Sendable (Int32) -> Void
        var occurred: @Sendable (Occurrence) -> Void
    }

    /// Starts its processes, each of which maps the image and reads what its entry returns.
    ///
    /// - Throws: the plugin's own error, or `worker_ended`; nothing is left.
    nonisolated(nonsending) static func open(
        _ parts: Parts
    ) async throws(HostError) -> IsolatedPlugin {
        let plugin: IsolatedPlugin
        do throws(HostError) {
            plugin = IsolatedPlugin(parts, try PrivateListener(in: parts.directory.run))
        } catch {
            parts.staged.discard()
            throw error
        }
        do throws(HostError) {
            for seat in 0..<max(1, parts.staged.manifest.instances) {
                let worker = try await plugin.startWorker(seat)
                plugin.state.withLock { $0.seats[seat].worker = worker }
                plugin.watch(worker)
            }
        } catch {
            _ = await plugin.close(seconds: 1)
            throw error
        }
        return plugin
    }

    init(_ parts: Parts, _ listener: PrivateListener) {
        self.parts = parts
        self.listener = listener
        answers = WorkerThreads("told-\(parts.staged.name)", countMax: 32)
        member = Member(manifest: parts.staged.manifest, number: parts.staged.generation)
        member.party = Member.newParty()
        member.configuration.current = parts.configuration
        relay = WorkerRelay(address: listener.address, name: parts.staged.name)
        let door = ServiceDoor(
            member: member, granted: parts.granted, switchboard: parts.switchboard,
            log: parts.launch.log, onDenial: parts.onDenial)
        let directory = parts.directory
        host = unsafe HostObject(
            door: door,
            directories: PluginDirectories(
                root: directory.path, staticFiles: directory.staticFiles,
                sqlite: directory.sqlite, events: directory.events, run: directory.run),
            http: PluginHTTP.table)
        let seat = Seat(record: RestartRecord(parts.launch.restarts))
        let count = max(1, parts.staged.manifest.instances)
        state = Mutex(
            State(
                seats: Array(repeating: seat, count: count), configuration: parts.configuration))
    }

    /// Starts one more process and has it open the plugin.
    nonisolated(nonsending) func startWorker(_ seat: Int) async throws(HostError) -> IsolatedWorker
    {
        let (serial, configuration) = state.withLock { state in
            state.lastSerial += 1
            return (state.lastSerial, state.configuration)
        }
        let worker = try await IsolatedWorker.start(
            parts.launch, serial: serial, seat: seat, listener: listener,
            name: manifest.name, subject: member.subject,
            description: [
                "kind": .string(Survivor.worker), "plugin": .string(name.text),
                "generation": .number(JSONNumber(number)), "seat": .number(JSONNumber(seat)),
                "serial": .number(JSONNumber(serial)), "files": .string(parts.staged.copy.path),
            ]
        ) { [weak self] worker, request in
            self?.answer(request, of: worker)
        }
        do throws(HostError) {
            let content = try await worker.step(
                RemoteTopic.open, order(configuration).json, seconds: parts.launch.startSeconds)
            let routes = try Self.routes(content.json)
            state.withLock { $0.routes = routes }
        } catch {
            worker.kill("it could not be opened")
            throw error
        }
        return worker
    }

    func order(_ configuration: ConfigurationSnapshot) -> WorkerOrder {
        let (staged, launch) = (parts.staged, parts.launch)
        let plugin = InstanceOrder(
            manifest: staged.manifest, generation: staged.generation, library: staged.copy.path,
            digest: staged.digest, granted: parts.granted, configuration: configuration,
            seconds: launch.startSeconds)
        var order = WorkerOrder(plugin, root: parts.root, work: launch.work)
        order.reactors = max(1, launch.reactors / max(1, staged.manifest.instances))
        order.inlineBudgetMilliseconds = launch.inlineBudgetMilliseconds
        order.logLevel = launch.log.minimum
        order.party = member.party
        return order
    }

    static func routes(_ json: JSONValue) throws(HostError) -> [RouteDeclaration] {
        let code = try CodeManifest(json: json["code"] ?? .null)
        let limits = json["body_bytes_max"]?.array ?? []
        return code.routes.enumerated().map { index, route in
            let most = index < limits.count ? limits[index].integer : nil
            return RouteDeclaration(
                method: route.method, pattern: route.pattern, flags: route.flags,
                bodyBytesMax: most.flatMap { UInt32(exactly: $0) } ?? 0)
        }
    }

    var door: ServiceDoor { unsafe HostObject.door(of: host.pointer) }

    // MARK: - Processes

    /// The processes that live.
    var workers: [IsolatedWorker] { state.withLock { $0.seats.compactMap(\.worker) } }

    /// One of the processes that serve; each has its turn.
    func nextWorker() -> IsolatedWorker? {
        state.withLock { state in
            for offset in 1...state.seats.count {
                let index = (state.turn + offset) % state.seats.count
                guard let worker = state.seats[index].worker else { continue }
                state.turn = index
                return worker
            }
            return nil
        }
    }

    /// Takes every process through a step.
    private nonisolated(nonsending) func each(
        _ topic: String, _ json: JSONObject = [:], _ bytes: [UInt8] = [], seconds: Int
    ) async throws(HostError) -> [ControlChannel.Content] {
        var answers: [ControlChannel.Content] = []
        for worker in workers {
            answers.append(try await worker.step(topic, json, bytes, seconds: seconds))
        }
        guard !answers.isEmpty else {
            throw HostError(
                "worker_ended", what: "plugin \"\(name)\" has no process", why: "all have ended",
                fix: "see: host logs \(name)")
        }
        return answers
    }

    // MARK: - Step 2

    nonisolated(nonsending) func initialize(seconds: Int) async throws(HostError) {
        guard !isReattached else { return }
        let answers = try await each(RemoteTopic.initialize, seconds: seconds)
        let json = answers[0].json
        state.withLock { state in
            state.noteOffers(json)
            state.stage = .initialized
        }
    }

    func generation(_ tree: RouteTree, reactors: Int, limits: WorkLimits) -> Generation {
        let relay = relay
        return Generation(
            name: name, number: UInt64(number), version: version, tree: tree, reactors: reactors,
            limits: limits
        ) { exchange in
            relay.forward(exchange)
        }
    }

    nonisolated(nonsending) func start(seconds: Int) async throws(HostError) {
        if isReattached {
            try await takeOver(seconds: seconds)
        } else {
            let answers = try await each(RemoteTopic.start, seconds: seconds)
            state.withLock { $0.noteHabits(answers[0].json) }
        }
        let now = elapsed
        state.withLock { state in
            state.stage = .started
            for index in state.seats.indices {
                state.seats[index].record.started(at: now)
                state.seats[index].pings = pings(from: now)
            }
        }
        schedulePings()
        // One that has ended between its start and this moment has not been replaced.
        reviveMissing()
    }

    var saysHowItIs: Bool { state.withLock { $0.saysHowItIs } }

    nonisolated(nonsending) func checkHealth() async -> (state: PluginHealth, reason: String)? {
        guard saysHowItIs, !state.withLock({ $0.isHandedOver }) else { return nil }
        var worst: (state: PluginHealth, reason: String)?
        for worker in workers {
            var answer: (state: PluginHealth, reason: String)
            do throws(HostError) {
                let json = try await worker.step(RemoteTopic.health, seconds: 3).json
                guard
                    let health = json["state"]?.integer.flatMap({ UInt32(exactly: $0) })
                        .flatMap(PluginHealth.init)
                else { continue }
                answer = (health, json["reason"]?.string ?? "")
            } catch {
                answer = (.unhealthy, error.reasons.joined(separator: "; "))
            }
            if worst.map({ answer.state.rawValue > $0.state.rawValue }) ?? true { worst = answer }
        }
        return worst ?? (.unhealthy, "its processes have ended")
    }

    // MARK: - What it may offer

    var observesConfiguration: Bool { state.withLock { $0.observes } }

    nonisolated(nonsending) func change(
        to configuration: ConfigurationSnapshot, seconds: Int
    ) async throws(HostError) {
        _ = try await each(
            RemoteTopic.configure,
            [
                "configuration": configuration.resolved.json,
                "revision": .number64(configuration.revision), "tells": true,
            ], seconds: seconds)
        state.withLock { $0.configuration = configuration }
    }

    /// State is handed over by one process; which of several has it, nobody knows.
    var savesState: Bool { state.withLock { $0.saves && $0.seats.count == 1 } }
    var restoresState: Bool { state.withLock { $0.restores && $0.seats.count == 1 } }
    var savesQuietly: Bool { state.withLock { $0.isQuiet } }

    nonisolated(nonsending) func save(seconds: Int) async throws(HostError) -> SavedState {
        let answers = try await each(RemoteTopic.save, seconds: seconds)
        let version = answers[0].json["version"]?.integer.flatMap { UInt32(exactly: $0) } ?? 0
        return SavedState(schemaVersion: version, bytes: answers[0].bytes)
    }

    nonisolated(nonsending) func restore(
        _ saved: SavedState, seconds: Int
    ) async throws(HostError) {
        _ = try await each(
            RemoteTopic.restore, ["version": .number(JSONNumber(saved.schemaVersion))],
            saved.bytes, seconds: seconds)
    }

    // MARK: - Steps 4 and 5

    nonisolated(nonsending) func drain(_ step: DrainStep) async {
        let json: JSONObject = ["sockets": .bool(step == .sockets), "reopen": .bool(step == .over)]
        for worker in workers {
            _ = try? await worker.step(RemoteTopic.drain, json, seconds: 5)
        }
    }

    nonisolated(nonsending) func stop(seconds: Int) async throws(HostError) {
        let wasStarted = state.withLock { state in
            defer { state.stage = max(state.stage, .stopped) }
            state.pinger = nil
            return state.stage == .started
        }
        guard wasStarted else { return }
        var failure: HostError?
        for worker in workers {
            do throws(HostError) {
                try await worker.step(RemoteTopic.stop, seconds: seconds)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
    }

    func settleThread() {}

    nonisolated(nonsending) func close(seconds: Int) async -> UnloadOutcomeReport {
        state.withLock { state in
            state.stage = .closed
            state.pinger = nil
        }
        letFoundGo()
        var report = UnloadOutcomeReport(isUnloaded: true, reasons: [])
        for worker in workers {
            do throws(HostError) {
                try await worker.step(RemoteTopic.close, seconds: seconds)
                let patience = Deadline(after: .seconds(seconds)) {
                    worker.kill("it did not end by itself")
                }
                _ = await worker.process.waitForEnd()
                patience.cancel()
            } catch {
                worker.kill("its clean-up failed")
                _ = await worker.process.waitForEnd()
                report.reclaimed.append(
                    "process \(worker.pid), which did not end in good order ("
                        + error.reasons.joined(separator: "; ") + ")")
            }
            worker.channel.end()
        }
        state.withLock { state in
            for index in state.seats.indices { state.seats[index].worker = nil }
        }
        if !state.withLock({ $0.isHandedOver }) { parts.staged.discard() }
        return report
    }
}

extension IsolatedPlugin.State {
    /// Takes in what the plugin offers, once it is initialized.
    mutating func noteOffers(_ json: JSONValue) {
        saves = json["saves"]?.bool == true
        restores = json["restores"]?.bool == true
        isQuiet = json["quiet"]?.bool == true
    }

    /// Takes in what it does once it is started.
    mutating func noteHabits(_ json: JSONValue) {
        saysHowItIs = json["health"]?.bool == true
        observes = json["observes"]?.bool == true
    }
}

extension IsolatedPlugin.Stage: Comparable {
    static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}
