import CLinux
import Confinement
import Glibc
import HostModel
import Synchronization

/// One process of an isolated plugin, as the engine knows it.
final class IsolatedWorker: PooledWorker {
    /// Counts the processes of a generation, from 1.
    let serial: Int
    /// Which of the instances it is, from 0.
    let seat: Int
    let process: ChildProcess
    let channel: ControlChannel
    private let name: PluginName
    let startedAt: ContinuousClock.Instant
    /// Where what it asks for is done, one after the other; nothing waits for it there.
    let lane: WorkerThreads
    /// Where calls are made that it does not wait for, one after the other.
    let callLane: WorkerThreads
    /// Where other code may run for what it asks for, and may ask it for something in turn.
    let threads: WorkerThreads
    /// How many hooks of it are being called at other points than those of requests.
    let hooksCalled = Atomic<Int>(0)
    private let killReason = Mutex<String?>(nil)
    /// Each is started when it is first needed.
    private static let threadsMax = 32

    init(
        serial: Int, seat: Int, process: ChildProcess, channel: ControlChannel, name: PluginName,
        startedAt: ContinuousClock.Instant = .now
    ) {
        self.startedAt = startedAt
        self.serial = serial
        self.seat = seat
        self.process = process
        self.channel = channel
        self.name = name
        lane = WorkerThreads("serve-\(name)", countMax: 1)
        callLane = WorkerThreads("calls-\(name)", countMax: 1)
        threads = WorkerThreads("for-\(name)", countMax: Self.threadsMax)
    }

    /// Starts a process and a channel to it.
    ///
    /// - Parameters:
    ///   - listener: what it serves on.
    ///   - take: called on the worker's lane with what it asks for.
    /// - Throws: `process_not_started`, `system_call_failed` or `no_thread`; nothing is left.
    nonisolated(nonsending) static func start(
        _ launch: IsolatedPlugin.Launch, _ terms: WorkerTerms, serial: Int, seat: Int,
        listener: PrivateListener, subject: HostLog.Subject, description: JSONObject,
        take: @escaping @Sendable (IsolatedWorker, ControlChannel.Request) -> Void
    ) async throws(HostError) -> IsolatedWorker {
        var ends: [Int32] = [-1, -1]
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        guard unsafe socketpair(AF_UNIX, type, 0, &ends) == 0 else {
            throw .system("a worker's channel could not be made", subject: "", errno: errno)
        }
        defer { _ = linux_close(ends[1]) }
        let channel = try ControlChannel(owning: ends[0])
        var leash: [Int32] = [-1, -1]
        defer { for end in leash where end >= 0 { _ = linux_close(end) } }
        if ChildKeeper.shared.hasSupervisor, unsafe linux_message_sockets(&leash) < 0 {
            throw .system("a worker's channel could not be made", subject: "", errno: errno)
        }
        let (far, near, holder) = (ends[1], leash[1], leash[0])
        let process = try await terms.start(about: subject) { group in
            var confinement = terms.confinement
            confinement?.group = group?.path
            var plan = ChildProcess.Plan(
                executable: launch.executable,
                arguments: ["worker"] + (confinement?.arguments ?? []),
                environment: launch.environment)
            plan.descriptors = [far, listener.descriptor]
            guard holder >= 0 else { return plan }
            plan.descriptors.append(near)
            var description = description
            description["group"] = group.map { .string($0.path) }
            description["confinement"] = terms.told
            plan.legacy = (
                .object(description), [holder, listener.descriptor, listener.handle]
            )
            return plan
        }
        let worker = IsolatedWorker(
            serial: serial, seat: seat, process: process, channel: channel,
            name: terms.name)
        do throws(HostError) {
            try worker.listen(take)
        } catch {
            process.kill()
            throw error
        }
        return worker
    }

    /// Begins to hear what it asks for.
    func listen(
        _ take: @escaping @Sendable (IsolatedWorker, ControlChannel.Request) -> Void
    ) throws(HostError) {
        try channel.start("worker-\(name)") { [weak self] request in
            guard let self else { return }
            threads(for: request.topic).run { take(self, request) }
        } ended: {
        }
    }

    /// Where something that it asks for is done.
    private func threads(for topic: String) -> WorkerThreads {
        switch topic {
        // What it does not wait for stays in order, its being called off included.
        case RemoteTopic.callAsync, RemoteTopic.cancel: callLane
        case RemoteTopic.call, RemoteTopic.cast, RemoteTopic.publish, RemoteTopic.enterPoint,
            RemoteTopic.leavePoint:
            threads
        default: lane
        }
    }

    /// Takes it through a step.
    ///
    /// - Throws: the plugin's own error; `worker_ended` when the process ended instead.
    @discardableResult
    nonisolated(nonsending) func step(
        _ topic: String, _ json: JSONObject = [:], _ bytes: [UInt8] = [], seconds: Int
    ) async throws(HostError) -> ControlChannel.Content {
        var json = json
        json["seconds"] = .number(JSONNumber(seconds))
        do throws(HostError) {
            // It watches the time itself, as long as it can.
            return try await channel.ask(topic, json, bytes, within: seconds + Self.graceSeconds)
        } catch {
            if error.code == ControlChannel.silentCode { kill("it did not answer \(topic)") }
            guard error.code == ControlChannel.gone.code || error.code == ControlChannel.silentCode
            else { throw error }
            throw await ended(in: topic)
        }
    }

    private static let graceSeconds = 5

    /// How it ended, which is awaited.
    nonisolated(nonsending) func ended(in step: String) async -> HostError {
        let end = await process.waitForEnd()
        return HostError(
            "worker_ended", what: "the plugin's process ended during \(step)",
            why: [reason(of: end)] + lastWords,
            fix: "see the plugin's documentation and its lines in the log")
    }

    /// Why it ended, in words.
    func reason(of end: ChildProcess.End) -> String {
        let why = killReason.withLock { $0 }
        return "process \(pid) \(end)" + (why.map { ": \($0)" } ?? "")
    }

    func account(of end: ChildProcess.End) -> String {
        ([reason(of: end)] + lastWords).joined(separator: "; ")
    }

    /// What it printed last.
    private var lastWords: [String] { process.lastWords.suffix(1).map { "it said: \($0)" } }

    /// Ends it at once.
    func kill(_ why: String) {
        killReason.withLock { if $0 == nil { $0 = why } }
        process.kill()
    }
}
