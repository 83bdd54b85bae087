import HostModel

/// One process of a generation, as its pool knows it.
protocol PooledWorker: AnyObject, Sendable {
    var process: ChildProcess { get }
    var startedAt: ContinuousClock.Instant { get }

    /// How it ended and what it said last, in words.
    func account(of end: ChildProcess.End) -> String

    /// Ends it at once.
    func kill(_ why: String)
}

extension PooledWorker {
    var pid: Int32 { process.pid }
}

/// What makes the processes of a pool, and knows what they are there for.
protocol WorkerSource: AnyObject, Sendable {
    associatedtype Worker: PooledWorker

    /// Starts a process, or goes on with one that was left, until it serves.
    ///
    /// - Throws: whatever kept it from serving; nothing is left of it.
    nonisolated(nonsending) func makeWorker(
        _ seat: Int, seconds: Int
    ) async throws(HostError) -> Worker

    /// Takes a process out of everything that it was in: it has ended, or is another engine's.
    func lost(_ worker: Worker, _ end: ChildProcess.End)

    /// Takes in that no further process is started in a seat.
    func gaveUp(_ seat: Int)

    /// Asks a process whether it answers; only in a pool that pings.
    func ping(_ worker: Worker, _ answered: @escaping @Sendable () -> Void)

    /// Finds those of its processes that another engine has had meanwhile, to go on with them.
    nonisolated(nonsending) func recover(_ survivors: [Survivor]) async
}
