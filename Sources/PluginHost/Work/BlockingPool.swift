import CLinux
import Glibc

/// Threads of one plugin for calls that may take their time: made when they are needed, kept for a
/// while, and bounded like the queue before them.
///
/// `@unchecked Sendable` because the lock guards all that changes.
@safe
final class BlockingPool: @unchecked Sendable {
    typealias Job = @Sendable () -> Void

    /// How long a thread waits for another job before it ends.
    static let keptSeconds = 10

    let name: String
    private let threadsMax: Int
    private let queueMax: Int
    private let onThreadEnd: @Sendable () -> Void
    private let lock: UnsafeMutablePointer<pthread_mutex_t>
    /// Signalled when there is a job, or when the pool ends.
    private let change: UnsafeMutablePointer<pthread_cond_t>
    private let hasEnded = DrainLatch(parties: 1)

    /// The jobs that wait, from `first` on.
    private var jobs: [Job?] = []
    private var first = 0
    private var threads = 0
    private var idle = 0
    private var isEnding = false
    /// The kernel's ids of the threads.
    private var tids: Set<Int32> = []
    /// The processor time of those that have ended.
    private var endedNanoseconds: Int64 = 0

    /// - Parameters:
    ///   - name: whose pool it is; its threads are called `pool-NAME`.
    ///   - onThreadEnd: runs on each thread when it has done its last job.
    init(
        name: String, threadsMax: Int, queueMax: Int, onThreadEnd: @escaping @Sendable () -> Void
    ) {
        self.name = String("pool-\(name)".utf8.prefix(15)) ?? "pool"
        self.threadsMax = max(1, threadsMax)
        self.queueMax = queueMax
        self.onThreadEnd = onThreadEnd
        unsafe lock = .allocate(capacity: 1)
        unsafe change = .allocate(capacity: 1)
        unsafe pthread_mutex_init(lock, nil)
        let attributes = UnsafeMutablePointer<pthread_condattr_t>.allocate(capacity: 1)
        defer { unsafe attributes.deallocate() }
        unsafe pthread_condattr_init(attributes)
        unsafe pthread_condattr_setclock(attributes, CLOCK_MONOTONIC)
        unsafe pthread_cond_init(change, attributes)
        unsafe pthread_condattr_destroy(attributes)
    }

    deinit {
        unsafe pthread_cond_destroy(change)
        unsafe pthread_mutex_destroy(lock)
        unsafe change.deallocate()
        unsafe lock.deallocate()
    }

    /// The threads that there are, and the jobs that wait for one.
    var figures: (threads: Int, waiting: Int) { locked { (threads, jobs.count - first) } }

    /// The processor time that its threads have used, those that have ended included.
    var cpuSeconds: Double {
        locked {
            let living = tids.reduce(Int64(0)) { $0 + max(0, linux_thread_nanoseconds($1)) }
            return Double(endedNanoseconds + living) / 1e9
        }
    }

    /// Has the job done; false when the queue is full, or there is no thread to be had.
    ///
    /// - Parameters:
    ///   - beyondQueue: whether it may wait in a queue that is full.
    ///   - mayWait: whether it may wait until another one has been done.
    func submit(
        beyondQueue: Bool = false, mayWait: Bool = true, _ job: @escaping Job
    ) -> Bool {
        enum Way { case taken, refused, needsThread }
        let way: Way = locked {
            let waiting = jobs.count - first
            if isEnding { return .refused }
            if idle > waiting || threads == threadsMax {
                let room = mayWait ? queueMax + idle : idle
                guard beyondQueue || waiting < room else { return .refused }
                jobs.append(job)
                unsafe pthread_cond_signal(change)
                return .taken
            }
            threads += 1
            jobs.append(job)
            return .needsThread
        }
        guard way == .needsThread else { return way == .taken }
        if startThread() { return true }
        return locked {
            threads -= 1
            // Whoever is there takes it.
            if threads > 0 { return true }
            jobs.removeLast()
            return false
        }
    }

    /// Takes no more jobs and lets the threads end when they have done theirs.
    ///
    /// - Returns: whether all of them have ended in time.
    func end(within deadline: Duration) async -> Bool {
        let isEmpty = locked {
            isEnding = true
            unsafe pthread_cond_broadcast(change)
            return threads == 0
        }
        return isEmpty ? true : await hasEnded.wait(deadline: deadline)
    }

    private func locked<R>(_ body: () -> R) -> R {
        unsafe pthread_mutex_lock(lock)
        defer { unsafe pthread_mutex_unlock(lock) }
        return body()
    }

    private func startThread() -> Bool {
        let me = unsafe Unmanaged.passRetained(self)
        var handle = pthread_t()
        let failure = unsafe pthread_create(
            &handle, nil,
            { argument in
                guard let argument = unsafe argument else { return nil }
                unsafe Unmanaged<BlockingPool>.fromOpaque(argument).takeRetainedValue().work()
                return nil
            }, me.toOpaque())
        if failure == 0 {
            _ = pthread_detach(handle)
        } else {
            unsafe me.release()
        }
        return failure == 0
    }

    private func work() {
        unsafe linux_name_thread(name)
        let tid = linux_thread_id()
        locked { _ = tids.insert(tid) }
        repeat {
            while let job = takeJob() { job() }
            onThreadEnd()
        } while !leave(tid)
    }

    /// The next job; nil when none has come for a while, or the pool ends.
    private func takeJob() -> Job? {
        locked {
            var deadline = timespec()
            unsafe clock_gettime(CLOCK_MONOTONIC, &deadline)
            deadline.tv_sec += Self.keptSeconds
            while first == jobs.count {
                if isEnding { return nil }
                idle += 1
                let result = unsafe pthread_cond_timedwait(change, lock, &deadline)
                idle -= 1
                if result == ETIMEDOUT, first == jobs.count { return nil }
            }
            let job = jobs[first]
            jobs[first] = nil
            first += 1
            if first == jobs.count || first > 256 {
                jobs.removeFirst(first)
                first = 0
            }
            return job
        }
    }

    /// Counts the calling thread out; false when a job has come meanwhile.
    private func leave(_ tid: Int32) -> Bool {
        let (leaves, isLast) = locked {
            if first < jobs.count { return (false, false) }
            tids.remove(tid)
            endedNanoseconds += max(0, linux_thread_nanoseconds(tid))
            threads -= 1
            return (true, isEnding && threads == 0)
        }
        if isLast { hasEnded.arrive() }
        return leaves
    }
}
