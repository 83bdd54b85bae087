internal import CLinux
internal import DynamicLibrary
internal import Glibc
package import HostModel
internal import Synchronization

/// A program that runs beside the host, for it and no longer than it.
///
/// It has its own process group, /dev/null to read, the environment and the descriptors that it was
/// given and no others, and no core file. What it prints goes to the host's log line by line. It is
/// known by a pidfd, never by a number that another process may have by now.
package final class ChildProcess: Sendable {
    /// What is started, and how.
    package struct Plan: Sendable {
        /// The program's path.
        package var executable: String
        /// Its arguments, without its name.
        package var arguments: [String]
        /// Its whole environment.
        package var environment: [String: String]
        /// Where it begins; nil: where the host is.
        package var directory: String?
        /// What it has as descriptors 3, 4, ...; they stay the caller's and must be open until
        /// `start` has returned.
        package var descriptors: [Int32] = []
        /// Whether the descriptors are sockets that it listens on, which it is told by
        /// `LISTEN_FDS` and `LISTEN_PID`.
        ///
        /// - Source: sd_listen_fds(3).
        package var listensOnDescriptors = false
        /// Whether it is killed when the host ends, however that happens.
        package var diesWithHost = true
        /// What an engine to come has to know of it, and what is kept for that one; nil: it does
        /// not outlive this process.
        ///
        /// The descriptors stay the caller's, as those above.
        var legacy: (description: JSONValue, descriptors: [Int32])?
        package var outputLevel = HostLog.Level.info
        package var errorLevel = HostLog.Level.warning

        package init(
            executable: String, arguments: [String] = [], environment: [String: String] = [:]
        ) {
            self.executable = executable
            self.arguments = arguments
            self.environment = environment
        }
    }

    /// How a program ended.
    package enum End: Hashable, Sendable, CustomStringConvertible {
        case exited(Int32)
        case killed(signal: Int32)
        /// It has not: another engine goes on with it.
        case handedOver

        package var description: String {
            switch self {
            case .exited(let status): "exited with status \(status)"
            case .killed(let signal): "was killed by \(ThrowawayProcess.name(ofSignal: signal))"
            case .handedOver: "goes on with another engine"
            }
        }
    }

    private struct State {
        var end: End?
        var waiters: [@Sendable (End) -> Void] = []
        var lastWords: [String] = []
    }

    /// Its number; another process may have it once `end` is known.
    package let pid: Int32
    private let pidfd: Int32
    /// Whether this process has started it, and reaps it.
    private let isOwn: Bool
    private let state = Mutex(State())

    init(pid: Int32, pidfd: Int32, isOwn: Bool) {
        self.pid = pid
        self.pidfd = pidfd
        self.isOwn = isOwn
    }

    deinit { linux_close(pidfd) }

    /// Starts a program.
    ///
    /// The thread that starts it lives as long as the host, because a child dies with its parent's
    /// thread.
    ///
    /// - Throws: `process_not_started` with the system's reason.
    package nonisolated(nonsending) static func start(
        _ plan: Plan, log: HostLog, subject: HostLog.Subject? = nil
    ) async throws(HostError) -> ChildProcess {
        let result = await withCheckedContinuation { continuation in
            ChildKeeper.shared.start(plan, ChildVoice(log, subject, plan)) {
                continuation.resume(returning: $0)
            }
        }
        return try result.get()
    }

    /// How it ended; nil while it runs.
    package var end: End? { state.withLock { $0.end } }

    /// What it printed to stderr last, a few lines at the most.
    package var lastWords: [String] { state.withLock { $0.lastWords } }

    /// Calls `body` once it has ended, on a thread of the host's that must not be held up; at once
    /// if it has.
    package func whenEnded(_ body: @escaping @Sendable (End) -> Void) {
        let end = state.withLock { state -> End? in
            if state.end == nil { state.waiters.append(body) }
            return state.end
        }
        if let end { body(end) }
    }

    /// Waits until it has ended.
    package nonisolated(nonsending) func waitForEnd() async -> End {
        await withCheckedContinuation { continuation in
            whenEnded { continuation.resume(returning: $0) }
        }
    }

    /// Sends it a signal, nothing if it has ended.
    package func signal(_ number: Int32) { _ = linux_signal_child(pidfd, number) }

    /// Ends it with all that it has started, at once.
    package func kill() {
        // Its group's number cannot be another's before it has been reaped; whoever reaps it ends
        // the group.
        if isOwn { state.withLock { if $0.end == nil { _ = Glibc.kill(-pid, SIGKILL) } } }
        // A program may have joined another group.
        signal(SIGKILL)
    }

    /// Asks it to end (SIGTERM), and ends it if it has not after `grace`.
    package nonisolated(nonsending) func terminate(grace: Duration) async -> End {
        signal(SIGTERM)
        let deadline = Deadline(after: grace) { [weak self] in self?.kill() }
        defer { deadline.cancel() }
        return await waitForEnd()
    }

    /// Reaps it; on the keeper's thread, after the pidfd has said that it has ended.
    func reap() {
        var status: Int32 = 0
        // Under the lock, so that nobody kills a group whose number is free.
        let (end, waiters) = state.withLock { state -> (End, [@Sendable (End) -> Void]) in
            let result = unsafe linux_reap(pid, &status)
            let end: End =
                result < 0 || status >= 0 ? .exited(max(0, status)) : .killed(signal: -status)
            state.end = end
            defer { state.waiters = [] }
            return (end, state.waiters)
        }
        for waiter in waiters { waiter(end) }
    }

    /// Takes in how it ended, from whoever has reaped it.
    func conclude(_ end: End) {
        let waiters = state.withLock { state in
            state.end = end
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter(end) }
    }

    static let lastWordsMax = 20

    func note(lastWords line: String) {
        state.withLock { state in
            if state.lastWords.count == Self.lastWordsMax { state.lastWords.removeFirst() }
            state.lastWords.append(line)
        }
    }
}
