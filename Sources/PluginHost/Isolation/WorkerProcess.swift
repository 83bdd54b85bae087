import CPluginABI
import Confinement
import DynamicLibrary
import Glibc
import HTTPServer
import HTTPWire
import HostModel
import Synchronization

/// `host worker`: one plugin in a process of its own.
///
/// The host has passed it a channel and a listening socket. Over the channel it is led through the
/// steps of a plugin's life, with the same code that leads them in the host; on the socket it
/// serves what the host relays, with the same server. When the channel breaks it ends at once,
/// unless it is on a leash: then it serves on until the next engine has another channel for it.
package final class WorkerProcess: Sendable {
    private static let channelDescriptor: Int32 = 3
    private static let listenerDescriptor: Int32 = 4

    /// What there is once the plugin has been opened.
    private struct Opened: Sendable {
        let loaded: LoadedPlugin
        let order: WorkerOrder
        let server: HTTPServer
        /// The order as it came, with the configuration of now.
        var told: JSONObject
        var stage = WorkerStage.opened
        var generation: Generation?
    }

    private let line: HostLine
    private let isLeashed = WorkerLeash.isThere
    private let isLeaving = Atomic(false)
    private let remote: RemoteServices
    private let switchboard = Switchboard()
    private let state = Mutex<Opened?>(nil)

    private init(_ channel: ControlChannel) throws(HostError) {
        line = HostLine(channel)
        remote = RemoteServices(channel: line)
    }

    /// Begins to hear an engine.
    private func hear(_ channel: ControlChannel) throws(HostError) {
        try channel.start("control") { [weak channel] request in
            if let channel { self.take(request, on: channel) }
        } ended: { [weak channel] in
            if let channel { self.lost(channel) }
        }
    }

    private func lost(_ channel: ControlChannel) {
        guard line.isCurrent(channel) else { return }
        // The host is gone, or has let go: nobody is left to work for.
        if !isLeashed || isLeaving.load(ordering: .acquiring) { _exit(0) }
        line.lost(channel)
    }

    /// The descriptors that the host passes.
    static let descriptors = [channelDescriptor, listenerDescriptor, WorkerLeash.descriptor]

    /// Gives up what the plugin is not to have, as the words say; nothing without words.
    ///
    /// The process must have one thread. It ends if it cannot be confined.
    package static func confine(_ words: [String]) {
        guard !words.isEmpty else { return }
        guard let (confinement, _) = Confinement.parse(words) else { _exit(2) }
        do throws(ConfinementError) {
            try confinement.apply()
        } catch {
            let line = "\(error.what) (\(error.subject)): \(error.reason)\n"
            CommandEnvironment.write(line, to: .errors)
            _exit(126)
        }
    }

    /// Serves until the host has had enough; returns the exit status when it cannot begin.
    package static func main() async -> Int32 {
        signal(SIGPIPE, SIG_IGN)
        DescriptorLimit.raise()
        do throws(HostError) {
            let channel = try ControlChannel(owning: Self.channelDescriptor)
            let worker = try WorkerProcess(channel)
            if worker.isLeashed {
                WorkerLeash.hold { descriptor in
                    // One that does not work is left by the engine that has sent it.
                    guard let next = try? ControlChannel(owning: descriptor) else { return }
                    try? worker.hear(next)
                } ended: {
                    _exit(0)
                }
            }
            try worker.hear(channel)
        } catch {
            var text = error.description + "\n"
            text.withUTF8 { bytes in
                _ = unsafe write(STDERR_FILENO, bytes.baseAddress, bytes.count)
            }
            return 1
        }
        // Nothing ends this but the end of the process.
        let (forever, continuation) = AsyncStream.makeStream(of: Never.self)
        for await _ in forever {}
        continuation.finish()
        return 0
    }

    // MARK: - What the host asks

    /// On the channel's thread.
    private func take(_ request: ControlChannel.Request, on channel: ControlChannel) {
        let isForeign = !line.isCurrent(channel)
        switch request.topic {
        // The last one tells of points that are being put to the next engine.
        case RemoteTopic.attach, RemoteTopic.take, RemoteTopic.pointState: break
        default: if isForeign { return request.refuse(Self.notTaken) }
        }
        switch request.topic {
        case RemoteTopic.event:
            guard let member = opened?.loaded.member else { return request.refuse(Self.notOpen) }
            remote.deliver(request, to: member)
        case RemoteTopic.eventsEnd:
            guard let member = opened?.loaded.member else { return request.refuse(Self.notOpen) }
            remote.end(request, of: member)
        case RemoteTopic.serve, RemoteTopic.callOff:
            guard let host = opened?.loaded.host else { return request.refuse(Self.notOpen) }
            remote.serve(request, for: host)
        case RemoteTopic.pointState: remote.hooks.noteState(request)
        case RemoteTopic.enterHook, RemoteTopic.leaveHook, RemoteTopic.respondHook:
            remote.hooks.call(request)
        default:
            Task {
                do throws(HostError) {
                    let content = try await perform(request, channel)
                    request.reply(content.json, content.bytes)
                    if request.topic == RemoteTopic.close { leave(channel) }
                } catch {
                    request.refuse(error)
                }
            }
        }
    }

    private var opened: Opened? { state.withLock { $0 } }

    private func perform(
        _ request: ControlChannel.Request, _ channel: ControlChannel
    ) async throws(HostError) -> ControlChannel.Content {
        if request.topic == RemoteTopic.open { return try await open(request.json) }
        guard let opened else { throw Self.notOpen }
        let loaded = opened.loaded
        let seconds = request.json["seconds"]?.integer.flatMap { Int(exactly: $0) } ?? 10
        var json: JSONValue = [:]
        switch request.topic {
        case RemoteTopic.initialize:
            try await loaded.initialize(seconds: seconds)
            try prepare(opened)
            json = [
                "saves": .bool(loaded.savesState), "restores": .bool(loaded.restoresState),
                "quiet": .bool(loaded.savesQuietly),
            ]
        case RemoteTopic.start:
            try await loaded.start(seconds: seconds)
            try await serve(opened)
            json = [
                "health": .bool(loaded.saysHowItIs),
                "observes": .bool(loaded.observesConfiguration),
            ]
        case RemoteTopic.health:
            guard let health = await loaded.checkHealth() else { break }
            json = [
                "state": .number(JSONNumber(health.state.rawValue)),
                "reason": .string(health.reason),
            ]
        case RemoteTopic.configure:
            let snapshot = ConfigurationSnapshot(crossing: request.json)
            if request.json["tells"]?.bool == true {
                try await loaded.change(to: snapshot, seconds: seconds)
            }
            loaded.member.configuration.current = snapshot
            state.withLock { $0?.told["configuration"] = request.json["configuration"] }
        case RemoteTopic.save:
            let saved = try await loaded.save(seconds: seconds)
            return ControlChannel.Content(
                json: ["version": .number(JSONNumber(saved.schemaVersion))], bytes: saved.bytes)
        case RemoteTopic.restore:
            let version = request.json["version"]?.integer.flatMap { UInt32(exactly: $0) } ?? 0
            try await loaded.restore(
                SavedState(schemaVersion: version, bytes: request.bytes), seconds: seconds)
        case RemoteTopic.drain: await drain(opened, request.json)
        case RemoteTopic.stop: try await stop(opened, seconds)
        case RemoteTopic.close: json = await close(opened, seconds)
        case RemoteTopic.attach: json = await describe(opened)
        case RemoteTopic.take:
            let party = request.json["party"]?.integer.flatMap { UInt32(exactly: $0) }
            loaded.member.party = party ?? 0
            try await line.move(to: channel, within: seconds)
        case RemoteTopic.ping:
            // An answer says that the loops turn.
            await opened.server.forEachReactor { _ in }
            json = ["stuck": .number(JSONNumber(stuckThreads(opened)))]
        default:
            throw HostError(
                "worker_unable", what: "a worker cannot do what it was asked for",
                why: "it does not know \"\(Escaping.printable(request.topic))\"",
                fix: "use a host and a worker of the same version")
        }
        return ControlChannel.Content(json: json, bytes: [])
    }

    /// What an engine has to know that would go on with this process.
    private func describe(_ opened: Opened) async -> JSONValue {
        let loaded = opened.loaded
        if opened.stage == .serving { await opened.server.forEachReactor { _ in } }
        var json = Self.shape(loaded)
        json["protocol"] = .number(JSONNumber(WorkerOrder.protocolVersion))
        json["stage"] = .string(opened.stage.rawValue)
        json["order"] = .object(opened.told)
        json["saves"] = .bool(loaded.savesState)
        json["restores"] = .bool(loaded.restoresState)
        json["quiet"] = .bool(loaded.savesQuietly)
        json["health"] = .bool(loaded.saysHowItIs)
        json["observes"] = .bool(loaded.observesConfiguration)
        return .object(json)
    }

    /// What the engine routes requests by.
    private static func shape(_ loaded: LoadedPlugin) -> JSONObject {
        [
            "code": loaded.code.manifest.json,
            "body_bytes_max": .array(loaded.routes.map { .number(JSONNumber($0.bodyBytesMax)) }),
        ]
    }

    private static let notTaken = HostError(
        "worker_not_taken", what: "a worker has another engine",
        why: "whoever asks has not taken it over")
    private static let notOpen = HostError(
        "worker_not_open", what: "a worker has no plugin yet", why: "none was opened in it")

    /// How many threads have been in the plugin for more than twice the time of a response.
    private func stuckThreads(_ opened: Opened) -> Int {
        guard let generation = opened.generation, generation.limits.requestSeconds > 0 else {
            return 0
        }
        let most = Duration.seconds(2 * generation.limits.requestSeconds)
        return generation.calls.running(longerThan: most).count
    }

    // MARK: - The steps

    private func open(_ json: JSONValue) async throws(HostError) -> ControlChannel.Content {
        let order = try WorkerOrder(json: json)
        let channel = line
        let log = HostLog(minimum: order.logLevel) { level, message, subject in
            var json: JSONObject = [
                "level": .number(JSONNumber(level.rawValue)), "message": .string(message),
            ]
            json["request"] = subject?.request.map { .string($0) }
            channel.tell(RemoteTopic.log, json)
        }
        let plugin = order.plugin
        let directory = RootLayout(root: order.root).plugin(plugin.manifest.name)
        let loaded = try await LoadedPlugin.open(
            try plugin.staged(), directory: directory.toldToProcesses, granted: plugin.granted,
            switchboard: switchboard, configuration: plugin.configuration, log: log,
            seconds: plugin.seconds, remote: remote
        ) { service, reason in
            channel.tell(
                RemoteTopic.denied, ["service": .string(service), "reason": .string(reason)])
        }
        loaded.member.party = order.party
        let server = try server(order, log)
        state.withLock {
            $0 = Opened(
                loaded: loaded, order: order, server: server, told: json.object ?? [:])
        }
        return ControlChannel.Content(json: .object(Self.shape(loaded)), bytes: [])
    }

    private func server(_ order: WorkerOrder, _ log: HostLog) throws(HostError) -> HTTPServer {
        let application = PluginApplication(bodyBytesMax: order.bodyBytesMax) { fault in
            log.write(
                fault.level, "\(fault.route): \(fault.what)",
                about: HostLog.Subject(
                    plugin: fault.name.text, version: fault.version.description,
                    generation: fault.generation))
        }
        do throws(ServerError) {
            let server = try HTTPServer(
                configuration: .relayed(
                    reactors: order.reactors, inlineBudget: order.inlineBudgetMilliseconds,
                    bodyBytesMax: order.bodyBytesMax),
                application: application)
            return server
        } catch {
            throw HostError(error)
        }
    }

    /// Makes what the requests are answered with, after `init`.
    private func prepare(_ opened: Opened) throws(HostError) {
        let loaded = opened.loaded
        let generation = loaded.generation(
            try RouteTree(compiling: loaded.routes), reactors: opened.server.reactors.count,
            limits: opened.order.work)
        loaded.member.pool = generation.pool
        loaded.member.generation = generation
        state.withLock { $0?.generation = generation }
    }

    /// Lets requests come, after `start`.
    private func serve(_ opened: Opened) async throws(HostError) {
        guard let generation = opened.generation else { throw Self.notOpen }
        switchboard.replace(nil, with: opened.loaded.member)
        let mount = Mount(name: opened.loaded.name, generation: generation, staticFiles: nil)
        let table = MountTable().replacing([mount])
        await opened.server.forEachReactor { PluginApplication.install(table, on: $0) }
        do throws(ServerError) {
            try opened.server.adopt([Self.listenerDescriptor])
            try opened.server.start()
        } catch {
            throw HostError(error)
        }
        state.withLock { $0?.stage = .serving }
    }

    /// Has long responses end, and sockets if they are to.
    private func drain(_ opened: Opened, _ json: JSONValue) async {
        guard let generation = opened.generation else { return }
        let closes = json["sockets"]?.bool == true
        let reopens = json["reopen"]?.bool == true
        state.withLock { $0?.stage = reopens ? .serving : .leaving }
        await opened.server.forEachReactor { reactor in
            if reopens { return generation.openSockets(on: reactor) }
            if closes { generation.closeSockets(on: reactor) }
            generation.announceDraining(on: reactor)
        }
    }

    private func stop(_ opened: Opened, _ seconds: Int) async throws(HostError) {
        state.withLock { $0?.stage = .leaving }
        opened.loaded.member.gate.close()
        opened.loaded.member.calls.end()
        try await opened.loaded.stop(seconds: seconds)
    }

    private func close(_ opened: Opened, _ seconds: Int) async -> JSONValue {
        await opened.server.stop(drainSeconds: 0)
        _ = await opened.generation?.pool.end(within: .seconds(1))
        switchboard.withdraw(opened.loaded.member)
        // The image goes with the process: only the plugin's own clean-up counts.
        let report = await opened.loaded.close(seconds: seconds)
        return ["unloaded": .bool(report.isUnloaded), "reasons": .strings(report.reasons)]
    }

    /// Ends the process after the last answer.
    private func leave(_ channel: ControlChannel) {
        fflush(nil)
        isLeaving.store(true, ordering: .releasing)
        channel.end()
    }
}

/// How far a worker has come, for an engine that would go on with it.
enum WorkerStage: String, Sendable {
    case opened, serving
    /// Its generation has been superseded, or taken out of service.
    case leaving
}

extension ServerConfiguration {
    /// The server of a worker: whoever is behind the host's requests is held to limits there.
    fileprivate static func relayed(
        reactors: Int, inlineBudget: Int, bodyBytesMax: Int
    ) -> ServerConfiguration {
        var configuration = ServerConfiguration()
        configuration.takesRelayed = true
        configuration.reactorCount = reactors
        configuration.inlineBudgetMilliseconds = inlineBudget
        configuration.bodyBytesMax = bodyBytesMax
        configuration.idleTimeoutSeconds = 86_400
        configuration.bodyTimeoutSeconds = 86_400
        configuration.bodyBytesPerSecondMin = 0
        configuration.writeTimeoutSeconds = 86_400
        configuration.responseBytesPerSecondMin = 0
        // What the host has taken, and its own field.
        configuration.wire.requestLineBytesMax += 24 << 10
        configuration.wire.headBytesMax += 32 << 10
        configuration.wire.fieldCountMax += 8
        configuration.serverName = ""
        return configuration
    }
}
