#if !hasFeature(Embedded)
    import Glibc

    /// The plugin's own threads: a few that share one queue, and one for the main actor.
    ///
    /// Swift's usual executor is libdispatch, whose threads cannot be ended and would go on running
    /// in code that has been unmapped. These can: they are born when there is work, at most
    /// `workersMax` and one, and `shutDown` joins them.
    ///
    /// One idle worker, the leader, waits for the clocks; the others wait for jobs.
    ///
    /// It is Sendable because everything mutable in it is touched under its lock only.
    @safe
    final class Scheduler: @unchecked Sendable {
        /// Which threads a job may run on.
        enum Target: Sendable { case pool, main }

        /// Which clock a timer is on: one stands still while the machine sleeps.
        enum Timeline: Sendable { case suspending, continuous }

        /// Whether jobs are taken, and run, and whether idle threads end.
        enum Phase { case open, stopping, closed }

        struct Timer {
            let job: UnownedJob
            let target: Target
        }

        /// Asked for once: the C library reads it from a file each time, and jobs come often.
        static let workersMax = min(4, max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))))
        static var stackBytes: Int { 1 << 20 }

        let threadName: StaticString
        let mutex: UnsafeMutablePointer<pthread_mutex_t>
        let poolWork: UnsafeMutablePointer<pthread_cond_t>
        let mainWork: UnsafeMutablePointer<pthread_cond_t>
        let settled: UnsafeMutablePointer<pthread_cond_t>

        var pool = Ring<UnownedJob>()
        var main = Ring<UnownedJob>()
        var suspending = TimerHeap<Timer>()
        var continuous = TimerHeap<Timer>()
        /// Every thread that was born and not joined; whether it has left its loop.
        var threads: [pthread_t: Bool] = [:]
        var poolWorkers = 0
        var mainIsBorn = false
        var idle = 0
        var running = 0
        var leads = false
        var phase = Phase.open
        var doorbell: Doorbell?

        init(threadName: StaticString) {
            self.threadName = threadName
            unsafe mutex = .allocate(capacity: 1)
            unsafe mutex.initialize(to: pthread_mutex_t())
            unsafe pthread_mutex_init(mutex, nil)
            unsafe poolWork = makeCondition()
            unsafe mainWork = makeCondition()
            unsafe settled = makeCondition()
        }

        deinit {
            unsafe dropCondition(poolWork)
            unsafe dropCondition(mainWork)
            unsafe dropCondition(settled)
            unsafe pthread_mutex_destroy(mutex)
            unsafe mutex.deallocate()
        }

        /// Takes a job; it runs as soon as a thread is free.
        ///
        /// After the end nothing runs any more: the job is lost, and its memory with it.
        func enqueue(_ job: UnownedJob, on target: Target) {
            unsafe pthread_mutex_lock(mutex)
            defer { unsafe pthread_mutex_unlock(mutex) }
            push(job, target)
        }

        /// Takes a job that runs after a while.
        func enqueue(
            _ job: UnownedJob, on target: Target, after nanoseconds: UInt64, timeline: Timeline
        ) {
            unsafe pthread_mutex_lock(mutex)
            defer { unsafe pthread_mutex_unlock(mutex) }
            guard phase != .closed else { return }
            if doorbell == nil { doorbell = Doorbell() }
            guard doorbell != nil else { return push(job, target) }
            let timer = Timer(job: job, target: target)
            switch timeline {
            case .suspending:
                suspending.insert(timer, due: moment(nanoseconds, after: CLOCK_MONOTONIC))
            case .continuous:
                continuous.insert(timer, due: moment(nanoseconds, after: CLOCK_BOOTTIME))
            }
            if leads { doorbell?.ring() } else { callWorker() }
        }

        /// Lets every waiting timer run now.
        ///
        /// At the end of a plugin they belong to sleeps that have been cancelled: the sleeper has
        /// gone on already, and the job only frees what is left.
        func hurryTimers() {
            unsafe pthread_mutex_lock(mutex)
            defer { unsafe pthread_mutex_unlock(mutex) }
            pushDue(suspending: UInt64.max, continuous: UInt64.max)
        }

        /// Waits until no job runs or waits.
        ///
        /// - Returns: how many jobs still ran or waited at the deadline.
        func settle(before deadline: Deadline) -> Int {
            unsafe pthread_mutex_lock(mutex)
            defer { unsafe pthread_mutex_unlock(mutex) }
            while outstanding > 0, wait(until: deadline) {}
            return outstanding
        }

        /// Ends the threads and joins them.
        ///
        /// - Returns: how many threads still ran at the deadline. They keep running, and with them
        ///   the image stays in memory.
        func shutDown(before deadline: Deadline) -> Int {
            unsafe pthread_mutex_lock(mutex)
            phase = .stopping
            unsafe pthread_cond_broadcast(poolWork)
            unsafe pthread_cond_broadcast(mainWork)
            doorbell?.ring()
            while threads.values.contains(false), wait(until: deadline) {}
            let ended = threads.filter(\.value).keys
            for thread in ended { threads[thread] = nil }
            let stuck = threads.count
            if stuck == 0 { close() }
            unsafe pthread_mutex_unlock(mutex)
            for thread in ended { pthread_join(thread, nil) }
            return stuck
        }

        private var outstanding: Int {
            pool.count + main.count + running + suspending.count + continuous.count
        }

        private func moment(_ nanoseconds: UInt64, after clock: clockid_t) -> UInt64 {
            let (sum, overflow) = Deadline.read(clock).addingReportingOverflow(nanoseconds)
            return overflow ? UInt64.max : sum
        }

        /// - Returns: false once the deadline has passed.
        private func wait(until deadline: Deadline) -> Bool {
            var moment = deadline.timespec
            return unsafe pthread_cond_timedwait(settled, mutex, &moment) != ETIMEDOUT
        }

        private func close() {
            phase = .closed
            pool = Ring()
            main = Ring()
            suspending = TimerHeap()
            continuous = TimerHeap()
            doorbell?.close()
            doorbell = nil
        }
    }
#endif
