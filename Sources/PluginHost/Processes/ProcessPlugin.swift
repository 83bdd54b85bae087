import Confinement
import DynamicLibrary
import Glibc
import HTTPServer
import HostModel
import Synchronization

/// One generation of a plugin that is a program, in whatever language: it answers HTTP on a Unix
/// socket.
///
/// Everything below the plugin's mount goes to it. It gets none of the host's services: what it
/// has is its environment, its socket and a directory for its data. What ends is started again, and
/// as long as the socket is the host's, requests that come meanwhile wait in its backlog.
final class ProcessPlugin: RelayedPlugin {
    /// What a generation is made from.
    struct Parts: Sendable {
        var manifest: Manifest
        var process: Manifest.Process
        var number: UInt64
        var digest: Digest
        var files: ProcessFiles
        var directory: PluginDirectory
        var configuration: ConfigurationSnapshot
        var terms: WorkerTerms
        var stopSeconds: Int
        var limits: WorkLimits
        var granted: Set<String> = []
        var searchPath = Manifest.Process.searchPath
    }

    private struct State: Sendable {
        /// Where requests go, by seat.
        var endpoints: [Upstream.Endpoint?]
        /// Processes that another engine has had, by seat, which are not this one's yet.
        var survivors: [Int: Survivor]
    }

    let member: Member
    private let parts: Parts
    let relay: ProcessRelay
    let pool: WorkerPool<ProcessPlugin>
    /// Where each process listens; empty where they make their sockets.
    private let listeners: [PrivateListener]
    private let state: Mutex<State>
    let isReattached: Bool

    var digest: Digest { parts.digest }
    var manifest: Manifest { parts.manifest }
    var mode: PluginMode { parts.process.image == nil ? .process : .container }
    var granted: Set<String> { parts.granted }
    var inspection: ImageInspection? { nil }

    /// The mount itself, and everything below it.
    var routes: [RouteDeclaration] {
        ["/", "/{path...}"].map { RouteDeclaration(method: "*", pattern: $0) }
    }

    // MARK: - Step 1

    /// Makes the sockets; nothing is started.
    ///
    /// - Throws: `socket_not_made`, or `socket_path_too_long`.
    convenience init(_ parts: Parts) throws(HostError) {
        try self.init(parts, survivors: [])
    }

    /// Takes the sockets over with the processes that an engine before has left; nil: they are not
    /// what would be started now.
    convenience init?(_ parts: Parts, goingOnWith survivors: [Survivor]) throws(HostError) {
        try self.init(parts, survivors: survivors)
        for survivor in survivors {
            guard let seat = survivor.number("seat"),
                (0..<pool.count).contains(seat),
                survivor.description["plan"] == .object(try plan(seat).json)
            else { return nil }
        }
    }

    private init(_ parts: Parts, survivors: [Survivor]) throws(HostError) {
        self.parts = parts
        isReattached = !survivors.isEmpty
        pool = WorkerPool(parts.terms)
        var listeners: [PrivateListener] = []
        if parts.process.socket == .descriptor {
            for seat in 0..<pool.count {
                let left = survivors.first { $0.number("seat") == seat && $0.kept(1) >= 0 }
                if let left {
                    listeners.append(PrivateListener(copying: left.kept(0), handle: left.kept(1)))
                } else {
                    listeners.append(try PrivateListener(in: parts.directory.run))
                }
            }
        }
        self.listeners = listeners
        relay = ProcessRelay(parts.manifest.name, limits: parts.limits)
        member = Member(manifest: parts.manifest, number: parts.number)
        member.configuration.current = parts.configuration
        state = Mutex(
            State(
                endpoints: Array(repeating: nil, count: pool.count),
                survivors: Self.bySeat(survivors)))
        pool.serve(self)
        // Until it is taken over.
        pool.isElsewhere = survivors.contains { !$0.isOrphan }
        guard listeners.isEmpty, socketPath(pool.count - 1).utf8.count > Self.socketPathBytesMax
        else { return }
        throw HostError(
            "socket_path_too_long", what: "plugin \"\(parts.manifest.name)\" has no socket",
            subject: socketPath(0),
            why: "a socket's path may have \(Self.socketPathBytesMax) bytes",
            fix: "choose a shorter root, or let it listen on the descriptor that it is given")
    }

    private static let socketPathBytesMax = 107

    private func socketPath(_ seat: Int) -> String {
        parts.files.directory + "/run-\(seat)/socket"
    }

    /// Where the host connects to a process.
    private func address(_ seat: Int) -> String {
        listeners.isEmpty ? socketPath(seat) : listeners[seat].address
    }

    // MARK: - Step 2

    nonisolated(nonsending) func initialize(seconds: Int) async throws(HostError) {}

    /// Starts the processes and waits until each of them answers.
    nonisolated(nonsending) func start(seconds: Int) async throws(HostError) {
        pool.isElsewhere = false
        for seat in pool.emptySeats {
            pool.put(try await makeWorker(seat, seconds: seconds), in: seat)
        }
        pool.keep()
    }

    /// How a process is started.
    private func plan(
        _ seat: Int, _ group: ControlGroup? = nil
    ) throws(HostError) -> ChildProcess.Plan {
        let path = listeners.isEmpty ? socketPath(seat) : nil
        var command = try ProcessCommand(
            parts.process, manifest: parts.manifest, directory: parts.directory,
            files: parts.files.directory, generation: parts.number, instance: seat,
            socketPath: path, searchPath: parts.searchPath)
        if var confinement = parts.terms.confinement {
            confinement.readable.append(parts.files.directory)
            if path != nil { confinement.writable.append(parts.files.directory + "/run-\(seat)") }
            confinement.descriptors = listeners.isEmpty ? [] : [3]
            confinement.group = group?.path
            command = command.confined(by: confinement)
        }
        var plan = ChildProcess.Plan(
            executable: command.executable, arguments: command.arguments,
            environment: command.environment)
        plan.directory = parts.files.directory
        plan.errorLevel = .info
        if !listeners.isEmpty {
            plan.descriptors = [listeners[seat].descriptor]
            plan.listensOnDescriptors = true
        }
        return plan
    }

    private static let probePause = Duration.milliseconds(10)

    private nonisolated(nonsending) func waitUntilReady(
        _ child: ChildProcess, _ seat: Int, seconds: Int
    ) async throws(HostError) {
        let deadline = ContinuousClock.now + .seconds(seconds)
        let address = address(seat)
        let path = parts.process.health ?? "/"
        var last = ProcessProbe.Answer.late
        while child.end == nil, ContinuousClock.now < deadline {
            last = await Blocking.run {
                ProcessProbe.ask(path, at: address, until: deadline) { child.end == nil }
            }
            if case .status(let status) = last,
                parts.process.health == nil || (200...399).contains(status)
            {
                return
            }
            await Deadline.pause(for: Self.probePause)
        }
        throw HostError(
            child.end == nil ? "deadline_passed" : "start_failed",
            what: "plugin \"\(name)\" did not start", subject: parts.process.command[0],
            why: [child.end.map { "it \($0)" } ?? Self.words(last, path, seconds)]
                + child.lastWords.suffix(5),
            fix: "see its lines in the log; it has to answer GET \(path) on its socket")
    }

    private static func words(_ answer: ProcessProbe.Answer, _ path: String, _ seconds: Int)
        -> String
    {
        switch answer {
        case .status(let status): "it answered GET \(path) with \(status) for \(seconds) s"
        case .unreadable: "what it answered to GET \(path) is no HTTP"
        case .absent: "nobody listened on its socket within \(seconds) s"
        case .late: "it did not answer GET \(path) within \(seconds) s"
        }
    }

    var saysHowItIs: Bool { parts.process.health != nil }

    nonisolated(nonsending) func checkHealth() async -> (state: PluginHealth, reason: String)? {
        guard let path = parts.process.health else { return nil }
        var failures: [String] = []
        for seat in 0..<pool.count {
            let address = address(seat)
            let answer = await Blocking.run {
                ProcessProbe.ask(path, at: address, until: .now + .seconds(2)) { true }
            }
            if case .status(let status) = answer, (200...399).contains(status) { continue }
            failures.append("process \(seat): " + Self.words(answer, path, 2))
        }
        if failures.isEmpty { return (.ok, "") }
        return (
            failures.count == pool.count ? .unhealthy : .degraded,
            failures.joined(separator: "; ")
        )
    }

    // MARK: - Processes

    /// Starts a process, or goes on with one that was left, and waits until it answers; requests go
    /// there from then on.
    nonisolated(nonsending) func makeWorker(
        _ seat: Int, seconds: Int
    ) async throws(HostError) -> ProgramWorker {
        if let survivor = state.withLock({ $0.survivors.removeValue(forKey: seat) }) {
            parts.terms.claim(survivor.id)
            let child = survivor.adopt(log: parts.terms.log, subject: member.subject)
            let left = ProgramWorker(child, seat: seat, startedAt: survivor.startedAt)
            if let worker = try? await ready(left, seconds: seconds) { return worker }
        }
        return try await ready(try await launch(seat), seconds: seconds)
    }

    /// Lets requests go to a process once it answers; ends it if it does not.
    private nonisolated(nonsending) func ready(
        _ worker: ProgramWorker, seconds: Int
    ) async throws(HostError) -> ProgramWorker {
        do throws(HostError) {
            try await waitUntilReady(worker.process, worker.seat, seconds: seconds)
        } catch {
            worker.process.kill()
            _ = await worker.process.waitForEnd()
            throw error
        }
        let address = address(worker.seat)
        state.withLock { state in
            guard state.endpoints[worker.seat] == nil else { return }
            state.endpoints[worker.seat] = relay.upstream.add(address: address)
        }
        return worker
    }

    private nonisolated(nonsending) func launch(
        _ seat: Int
    ) async throws(HostError) -> ProgramWorker {
        if listeners.isEmpty {
            try Directory.create(
                parts.files.directory + "/run-\(seat)", mode: 0o700, parents: true)
            unsafe unlink(socketPath(seat))
        }
        let startedAt = ContinuousClock.now
        let process = try await parts.terms.start(about: member.subject) {
            group throws(HostError) in
            var plan = try plan(seat, group)
            plan.legacy = (
                [
                    "kind": .string(Survivor.program), "plugin": .string(name.text),
                    "generation": .number(JSONNumber(number)), "seat": .number(JSONNumber(seat)),
                    "digest": .string(digest.hex), "files": .string(parts.files.directory),
                    "plan": .object(try self.plan(seat).json),
                    "group": group.map { .string($0.path) } ?? .null,
                ], listeners.isEmpty ? [] : [listeners[seat].descriptor, listeners[seat].handle]
            )
            return plan
        }
        return ProgramWorker(process, seat: seat, startedAt: startedAt)
    }

    func lost(_ worker: ProgramWorker, _ end: ChildProcess.End) {
        // A socket of its own has gone with it; one of the host's keeps whoever comes waiting. What
        // another engine has serves on.
        if listeners.isEmpty, end != .handedOver { takeOut(worker.seat) }
    }

    func gaveUp(_ seat: Int) { takeOut(seat) }

    /// A program knows no pings; its health is asked for by whoever wants to know.
    func ping(_ worker: ProgramWorker, _ answered: @escaping @Sendable () -> Void) { answered() }

    func recover(_ survivors: [Survivor]) async {
        state.withLock { $0.survivors = Self.bySeat(survivors) }
    }

    private static func bySeat(_ survivors: [Survivor]) -> [Int: Survivor] {
        let seated = survivors.compactMap { one in one.number("seat").map { ($0, one) } }
        return Dictionary(seated) { _, last in last }
    }

    private func takeOut(_ seat: Int) {
        let endpoint = state.withLock { state in
            defer { state.endpoints[seat] = nil }
            return state.endpoints[seat]
        }
        if let endpoint { relay.upstream.remove(endpoint) }
    }

    // MARK: - What it may offer

    /// A program is started anew when its configuration changes.
    var observesConfiguration: Bool { false }

    nonisolated(nonsending) func change(
        to configuration: ConfigurationSnapshot, seconds: Int
    ) async throws(HostError) {}

    var savesState: Bool { false }
    var restoresState: Bool { false }
    var savesQuietly: Bool { false }

    nonisolated(nonsending) func save(seconds: Int) async throws(HostError) -> SavedState {
        SavedState(schemaVersion: 0, bytes: [])
    }

    nonisolated(nonsending) func restore(
        _ saved: SavedState, seconds: Int
    ) async throws(HostError) {}

    // MARK: - Steps 4 and 5

    nonisolated(nonsending) func stop(seconds: Int) async throws(HostError) {
        await end(within: .seconds(seconds))
    }

    nonisolated(nonsending) func close(seconds: Int) async -> UnloadOutcomeReport {
        await end(within: .seconds(min(seconds, parts.stopSeconds)))
        relay.upstream.close()
        if !pool.isElsewhere { parts.files.remove() }
        return UnloadOutcomeReport(isUnloaded: true, reasons: [])
    }

    /// Asks the processes to end, and ends those that do not.
    private nonisolated(nonsending) func end(within grace: Duration) async {
        pool.leave()
        let children = pool.workers.map(\.process)
        for child in children { child.signal(SIGTERM) }
        let deadline = ContinuousClock.now + grace
        for child in children {
            _ = await child.terminate(grace: max(.zero, deadline - .now))
        }
    }
}

/// One process of a plugin that is a program.
final class ProgramWorker: PooledWorker {
    let process: ChildProcess
    let startedAt: ContinuousClock.Instant
    /// Which of the instances it is, from 0.
    let seat: Int

    init(_ process: ChildProcess, seat: Int, startedAt: ContinuousClock.Instant) {
        self.process = process
        self.seat = seat
        self.startedAt = startedAt
    }

    func account(of end: ChildProcess.End) -> String {
        "process \(pid) \(end)" + (process.lastWords.last.map { ": \($0)" } ?? "")
    }

    func kill(_ why: String) { process.kill() }
}
