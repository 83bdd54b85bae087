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
final class ProcessPlugin: PluginInstance {
    /// What a generation is made from.
    struct Parts: Sendable {
        var manifest: Manifest
        var process: Manifest.Process
        var number: UInt64
        var digest: Digest
        var files: ProcessFiles
        var directory: PluginDirectory
        var configuration: ConfigurationSnapshot
        var restarts: RestartPolicy
        var stopSeconds: Int
        var startSeconds: Int
        var limits: WorkLimits
        var granted: Set<String> = []
        /// What they may do; nil: whatever the host's user may, or the container.
        var confinement: Confinement?
        var group: ControlGroup.Plan?
        var log: HostLog
        var searchPath = Manifest.Process.searchPath
        /// Tells the supervisor that this engine goes on with a child.
        var claim: @Sendable (Int32) -> Void = { _ in }
        var occurred: @Sendable (IsolatedPlugin.Occurrence) -> Void
    }

    private enum Stage { case opened, started, ended }

    /// A place for a process.
    private struct Seat: Sendable {
        var child: ChildProcess?
        var endpoint: Upstream.Endpoint?
        var record: RestartRecord
        var restarts = 0
        var hasFailed = false
        var startedAt = ContinuousClock.now
        /// A process of an engine before, which is not this one's yet.
        var survivor: Survivor?
    }

    private struct State: Sendable {
        var stage = Stage.opened
        var seats: [Seat]
        /// Whether another engine goes on with its processes.
        var isHandedOver = false
    }

    let member: Member
    private let parts: Parts
    private let relay: ProcessRelay
    /// Where each process listens; empty where they make their sockets.
    private let listeners: [PrivateListener]
    private let state: Mutex<State>
    let isReattached: Bool

    var number: Int { Int(parts.number) }
    var digest: Digest { parts.digest }
    var manifest: Manifest { parts.manifest }
    var mode: PluginMode { parts.process.image == nil ? .process : .container }
    var granted: Set<String> { parts.granted }
    var inspection: ImageInspection? { nil }
    var holdings: LedgerSnapshot? { nil }
    var stuckReason: String? { nil }
    var mayStillLeave: Bool { true }
    var processes: [Int32] { state.withLock { $0.seats.compactMap(\.child?.pid) } }

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
                (0..<max(1, parts.manifest.instances)).contains(seat),
                survivor.description["plan"] == .object(try plan(seat).json)
            else { return nil }
        }
    }

    private init(_ parts: Parts, survivors: [Survivor]) throws(HostError) {
        self.parts = parts
        isReattached = !survivors.isEmpty
        let count = max(1, parts.manifest.instances)
        var listeners: [PrivateListener] = []
        if parts.process.socket == .descriptor {
            for seat in 0..<count {
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
        var seats = Array(repeating: Seat(record: RestartRecord(parts.restarts)), count: count)
        for survivor in survivors {
            guard let seat = survivor.number("seat"), seats.indices.contains(seat) else { continue }
            seats[seat].survivor = survivor
        }
        state = Mutex(State(seats: seats))
        guard listeners.isEmpty, socketPath(count - 1).utf8.count > Self.socketPathBytesMax else {
            return
        }
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

    func generation(_ tree: RouteTree, reactors: Int, limits: WorkLimits) -> Generation {
        let relay = relay
        return Generation(
            name: name, number: UInt64(number), version: version, tree: tree, reactors: reactors,
            limits: limits
        ) { exchange in
            relay.forward(exchange)
        }
    }

    /// Starts the processes and waits until each of them answers.
    nonisolated(nonsending) func start(seconds: Int) async throws(HostError) {
        let count = state.withLock { $0.seats.count }
        for seat in 0..<count { try await bringUp(seat, seconds: seconds) }
        state.withLock { $0.stage = .started }
        for seat in 0..<count { watch(seat) }
    }

    /// Starts a process and waits until it answers; requests go there from then on.
    private nonisolated(nonsending) func bringUp(
        _ seat: Int, seconds: Int
    ) async throws(HostError) {
        let left = takeSurvivor(seat)
        let child = if let left { left } else { try await start(seat) }
        do throws(HostError) {
            try await waitUntilReady(child, seat, seconds: seconds)
        } catch {
            child.kill()
            _ = await child.waitForEnd()
            guard left == nil else { return try await bringUp(seat, seconds: seconds) }
            throw error
        }
        let isWanted = state.withLock { state in
            guard state.stage != .ended else { return false }
            if state.seats[seat].endpoint == nil {
                state.seats[seat].endpoint = relay.upstream.add(address: address(seat))
            }
            state.seats[seat].child = child
            state.seats[seat].record.started(at: Self.elapsed)
            return true
        }
        if !isWanted { child.kill() }
    }

    /// Goes on with the process of an engine before, if there is one.
    private func takeSurvivor(_ seat: Int) -> ChildProcess? {
        let survivor = state.withLock { state in
            defer { state.seats[seat].survivor = nil }
            return state.seats[seat].survivor
        }
        guard let survivor else { return nil }
        parts.claim(survivor.id)
        state.withLock { $0.seats[seat].startedAt = survivor.startedAt }
        return survivor.adopt(log: parts.log, subject: member.subject)
    }

    private nonisolated(nonsending) func start(
        _ seat: Int
    ) async throws(HostError) -> ChildProcess {
        if listeners.isEmpty {
            try Directory.create(
                parts.files.directory + "/run-\(seat)", mode: 0o700, parents: true)
            unsafe unlink(socketPath(seat))
        }
        let group = try parts.group?.make()
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
        state.withLock { $0.seats[seat].startedAt = .now }
        do throws(HostError) {
            let child = try await ChildProcess.start(
                plan, log: parts.log, subject: member.subject)
            group?.end(with: child)
            return child
        } catch {
            group?.end()
            throw error
        }
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
        if var confinement = parts.confinement {
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

    private static let clockStart = ContinuousClock.now

    /// The time as the records of restarts have it.
    private static var elapsed: Duration { clockStart.duration(to: .now) }

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
        let count = state.withLock { $0.seats.count }
        var failures: [String] = []
        for seat in 0..<count {
            let address = address(seat)
            let answer = await Blocking.run {
                ProcessProbe.ask(path, at: address, until: .now + .seconds(2)) { true }
            }
            if case .status(let status) = answer, (200...399).contains(status) { continue }
            failures.append("process \(seat): " + Self.words(answer, path, 2))
        }
        if failures.isEmpty { return (.ok, "") }
        return (
            failures.count == count ? .unhealthy : .degraded,
            failures.joined(separator: "; ")
        )
    }

    // MARK: - Processes

    /// How its processes are.
    var workerStatuses: [WorkerStatus] {
        state.withLock { state in
            state.seats.map { seat in
                WorkerStatus(
                    pid: seat.child?.pid,
                    state: seat.child != nil ? .running : seat.hasFailed ? .failed : .starting,
                    restarts: seat.restarts,
                    uptime: seat.child == nil ? .zero : seat.startedAt.duration(to: .now))
            }
        }
    }

    /// Has a process started again when it ends.
    private func watch(_ seat: Int) {
        guard let child = state.withLock({ $0.seats[seat].child }) else { return }
        child.whenEnded { [weak self] end in
            guard let self else { return }
            Task { await self.ended(seat, child, end) }
        }
    }

    private func ended(_ seat: Int, _ child: ChildProcess, _ end: ChildProcess.End) async {
        var reason = "process \(child.pid) \(end)"
        if let word = child.lastWords.last { reason += ": \(word)" }
        var pid = child.pid
        while true {
            let now = Self.elapsed
            let decision = state.withLock { state -> RestartPolicy.Decision? in
                if end == .handedOver {
                    state.isHandedOver = true
                    state.seats[seat].child = nil
                }
                guard state.stage == .started, !state.isHandedOver else { return nil }
                state.seats[seat].child = nil
                return state.seats[seat].record.ended(at: now, chance: .random(in: 0...1))
            }
            guard let decision else { return }
            // A socket of its own has gone with it; one of the host's keeps whoever comes waiting.
            if listeners.isEmpty { takeOut(seat) }
            guard case .restart(let pause) = decision else {
                parts.occurred(.ended(pid: pid, reason: reason, pause: nil))
                return fail(seat, reason)
            }
            parts.occurred(.ended(pid: pid, reason: reason, pause: pause))
            if pause > .zero { await Deadline.pause(for: pause) }
            guard state.withLock({ $0.stage == .started }) else { return }
            let begin = ContinuousClock.now
            do throws(HostError) {
                try await bringUp(seat, seconds: parts.startSeconds)
                let pid = state.withLock { state in
                    state.seats[seat].restarts += 1
                    return state.seats[seat].child?.pid ?? 0
                }
                parts.occurred(
                    .restarted(pid: pid, milliseconds: begin.duration(to: .now) / .milliseconds(1)))
                return watch(seat)
            } catch {
                pid = 0
                reason = ([error.what] + error.reasons).joined(separator: "; ")
            }
        }
    }

    /// Starts processes in the place of those that another engine has taken and not kept.
    nonisolated(nonsending) func reviveHandedOver() async {
        let seats = state.withLock { state -> [Int] in
            guard state.stage == .started, state.isHandedOver else { return [] }
            state.isHandedOver = false
            return state.seats.indices.filter { state.seats[$0].child == nil }
        }
        for seat in seats {
            do throws(HostError) {
                try await bringUp(seat, seconds: parts.startSeconds)
                watch(seat)
            } catch {
                parts.log.write(.error, error.description, about: member.subject)
                fail(seat, error.what)
            }
        }
    }

    private func takeOut(_ seat: Int) {
        let endpoint = state.withLock { state in
            defer { state.seats[seat].endpoint = nil }
            return state.seats[seat].endpoint
        }
        if let endpoint { relay.upstream.remove(endpoint) }
    }

    private func fail(_ seat: Int, _ reason: String) {
        takeOut(seat)
        let isLast = state.withLock { state in
            state.seats[seat].hasFailed = true
            return state.seats.allSatisfy(\.hasFailed)
        }
        guard isLast else { return }
        let policy = parts.restarts
        parts.occurred(
            .failed(
                HostError(
                    "worker_failed", what: "plugin \"\(name)\" does not serve any more",
                    why: "its process ended more than \(policy.restartsMax) times within "
                        + "\(policy.window.components.seconds) s; the last time: \(reason)",
                    fix: "see: host logs \(name); try again with: host reload \(name) --force")))
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

    func settleThread() {}

    nonisolated(nonsending) func close(seconds: Int) async -> UnloadOutcomeReport {
        await end(within: .seconds(min(seconds, parts.stopSeconds)))
        relay.upstream.close()
        if !state.withLock({ $0.isHandedOver }) { parts.files.remove() }
        return UnloadOutcomeReport(isUnloaded: true, reasons: [])
    }

    /// Asks the processes to end, and ends those that do not.
    private nonisolated(nonsending) func end(within grace: Duration) async {
        let children = state.withLock { state in
            state.stage = .ended
            return state.seats.compactMap(\.child)
        }
        for child in children { child.signal(SIGTERM) }
        let deadline = ContinuousClock.now + grace
        for child in children {
            _ = await child.terminate(grace: max(.zero, deadline - .now))
        }
    }
}
