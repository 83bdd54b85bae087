import HostModel

/// The thread that a manager and all that it awaits run on.
///
/// Lifecycle operations consist of many short steps between waits; on one thread of their own each
/// step costs one wake-up, and none of them ends up in the caches of libdispatch's workers.
final class ControlThread: SerialExecutor, TaskExecutor {
    private let worker = WorkerThreads("control", countMax: 1)

    /// - Throws: `no_thread` when the kernel gives none.
    init() throws(HostError) {
        guard worker.begin() else {
            throw HostError(
                "no_thread", what: "the host has no thread to work on", subject: "",
                why: "the kernel gave none",
                fix: "raise the limit of threads (ulimit -u, TasksMax=, pids.max)")
        }
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        worker.run { [self] in
            unsafe job.runSynchronously(
                isolatedTo: asUnownedSerialExecutor(), taskExecutor: asUnownedTaskExecutor())
        }
    }

    func asUnownedSerialExecutor() -> UnownedSerialExecutor {
        unsafe UnownedSerialExecutor(ordinary: self)
    }
}
