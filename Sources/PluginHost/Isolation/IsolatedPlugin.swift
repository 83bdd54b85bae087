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
final class IsolatedPlugin: RelayedPlugin {
    /// How processes are started, and what the plugin is held to in them.
    struct Launch: Sendable {
        var executable: String
        var environment: [String: String]
        /// How many threads the plugin may keep in a process for more than twice the time that a
        /// response may take; 0: any number.
        var stuckThreadsMax = 0
        var reactors = 1
        var inlineBudgetMilliseconds = 10
        var work = WorkLimits()
    }

    struct State: Sendable {
        var routes: [RouteDeclaration] = []
        var lastSerial = 0
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
        /// The processes of an engine before, which are not this one's yet.
        var found: [(survivor: Survivor, worker: IsolatedWorker)] = []
        /// Whether its processes have been an engine's before.
        var isReattached = false
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
    let relay: WorkerRelay
    let listener: PrivateListener
    let pool: WorkerPool<IsolatedPlugin>
    let state: Mutex<State>

    var digest: Digest { parts.staged.digest }
    var manifest: Manifest { parts.staged.manifest }
    var mode: PluginMode { .isolated }
    var granted: Set<String> { parts.granted }
    var routes: [RouteDeclaration] { state.withLock { $0.routes } }
    var inspection: ImageInspection? { parts.staged.inspection }

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
        var terms: WorkerTerms
        var onDenial: ServiceDoor.Denial
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
            for seat in plugin.pool.emptySeats {
                plugin.pool.put(try await plugin.openWorker(seat), in: seat)
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
            log: parts.terms.log, onDenial: parts.onDenial)
        let directory = parts.directory
        host = unsafe HostObject(
            door: door,
            directories: PluginDirectories(
                root: directory.path, staticFiles: directory.staticFiles,
                sqlite: directory.sqlite, events: directory.events, run: directory.run),
            http: PluginHTTP.table)
        pool = WorkerPool(parts.terms)
        state = Mutex(State(configuration: parts.configuration))
        pool.serve(self)
    }

    /// Starts one more process and has it open the plugin.
    nonisolated(nonsending) func openWorker(
        _ seat: Int
    ) async throws(HostError) -> IsolatedWorker {
        let (serial, configuration) = state.withLock { state in
            state.lastSerial += 1
            return (state.lastSerial, state.configuration)
        }
        let worker = try await IsolatedWorker.start(
            parts.launch, parts.terms, serial: serial, seat: seat, listener: listener,
            subject: member.subject,
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
                RemoteTopic.open, order(configuration).json, seconds: parts.terms.startSeconds)
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
            seconds: parts.terms.startSeconds)
        var order = WorkerOrder(plugin, root: parts.root, work: launch.work)
        order.reactors = max(1, launch.reactors / pool.count)
        order.inlineBudgetMilliseconds = launch.inlineBudgetMilliseconds
        order.logLevel = parts.terms.log.minimum
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

    /// Takes every process through a step.
    private nonisolated(nonsending) func each(
        _ topic: String, _ json: JSONObject = [:], _ bytes: [UInt8] = [], seconds: Int
    ) async throws(HostError) -> [ControlChannel.Content] {
        var answers: [ControlChannel.Content] = []
        for worker in pool.workers {
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
        state.withLock { $0.noteOffers(json) }
    }

    nonisolated(nonsending) func start(seconds: Int) async throws(HostError) {
        if isReattached {
            try await takeOver(seconds: seconds)
        } else {
            let answers = try await each(RemoteTopic.start, seconds: seconds)
            state.withLock { $0.noteHabits(answers[0].json) }
        }
        pool.keep()
    }

    var saysHowItIs: Bool { state.withLock { $0.saysHowItIs } }

    nonisolated(nonsending) func checkHealth() async -> (state: PluginHealth, reason: String)? {
        guard saysHowItIs, !pool.isElsewhere else { return nil }
        var worst: (state: PluginHealth, reason: String)?
        for worker in pool.workers {
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
    var savesState: Bool { pool.count == 1 && state.withLock { $0.saves } }
    var restoresState: Bool { pool.count == 1 && state.withLock { $0.restores } }
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
        for worker in pool.workers {
            _ = try? await worker.step(RemoteTopic.drain, json, seconds: 5)
        }
    }

    nonisolated(nonsending) func stop(seconds: Int) async throws(HostError) {
        guard pool.leave() else { return }
        var failure: HostError?
        for worker in pool.workers {
            do throws(HostError) {
                try await worker.step(RemoteTopic.stop, seconds: seconds)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
    }

    nonisolated(nonsending) func close(seconds: Int) async -> UnloadOutcomeReport {
        pool.leave()
        letFoundGo()
        var report = UnloadOutcomeReport(isUnloaded: true, reasons: [])
        for worker in pool.workers {
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
        pool.clear()
        if !pool.isElsewhere { parts.staged.discard() }
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
