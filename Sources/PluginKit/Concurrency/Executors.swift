#if !hasFeature(Embedded)
    @_spi(ExperimentalCustomExecutors) @_spi(ExperimentalScheduling) import _Concurrency

    /// Where tasks run that belong to no actor in particular.
    final class PoolExecutor: TaskExecutor, SchedulingExecutor {
        func enqueue(_ job: consuming ExecutorJob) {
            unsafe Runtime.current?.scheduler.enqueue(UnownedJob(job), on: .pool)
        }

        func enqueue<C: Clock>(
            _ job: consuming ExecutorJob, after delay: C.Duration, tolerance: C.Duration?, clock: C
        ) {
            unsafe Runtime.current?.scheduler.enqueue(
                UnownedJob(job), on: .pool, after: delay, clock: clock)
        }

        func enqueue<C: Clock>(
            _ job: consuming ExecutorJob, at instant: C.Instant, tolerance: C.Duration?, clock: C
        ) {
            let delay = clock.now.duration(to: instant)
            unsafe Runtime.current?.scheduler.enqueue(
                UnownedJob(job), on: .pool, after: delay, clock: clock)
        }

        func run(_ job: UnownedJob) {
            unsafe job.runSynchronously(on: asUnownedTaskExecutor())
        }
    }

    /// Where the main actor runs: one thread of the plugin, not the process's first one.
    final class MainThreadExecutor: MainExecutor, SchedulingExecutor {
        func enqueue(_ job: consuming ExecutorJob) {
            unsafe Runtime.current?.scheduler.enqueue(UnownedJob(job), on: .main)
        }

        func enqueue<C: Clock>(
            _ job: consuming ExecutorJob, after delay: C.Duration, tolerance: C.Duration?, clock: C
        ) {
            unsafe Runtime.current?.scheduler.enqueue(
                UnownedJob(job), on: .main, after: delay, clock: clock)
        }

        func enqueue<C: Clock>(
            _ job: consuming ExecutorJob, at instant: C.Instant, tolerance: C.Duration?, clock: C
        ) {
            let delay = clock.now.duration(to: instant)
            unsafe Runtime.current?.scheduler.enqueue(
                UnownedJob(job), on: .main, after: delay, clock: clock)
        }

        func run(_ job: UnownedJob) {
            unsafe job.runSynchronously(on: asUnownedSerialExecutor())
        }

        /// A plugin has no first thread to give away; its main thread runs by itself.
        func run() throws {}

        func stop() {}
    }

    extension Scheduler {
        /// Clocks of the author's own wait by themselves; those that come here measure time in
        /// seconds, and all but one of them go on while the machine sleeps.
        func enqueue<C: Clock>(
            _ job: UnownedJob, on target: Target, after delay: C.Duration, clock: C
        ) {
            let nanoseconds = (delay as? Duration).map(nanoseconds) ?? 0
            let timeline: Timeline = clock is SuspendingClock ? .suspending : .continuous
            enqueue(job, on: target, after: nanoseconds, timeline: timeline)
        }

        private func nanoseconds(_ duration: Duration) -> UInt64 {
            let (seconds, attoseconds) = duration.components
            guard seconds >= 0, attoseconds >= 0 else { return 0 }
            let (whole, overflow) = UInt64(seconds).multipliedReportingOverflow(by: 1_000_000_000)
            return overflow ? UInt64.max / 2 : whole + UInt64(attoseconds / 1_000_000_000)
        }
    }

    /// What Swift's runtime in this image is given before its first task.
    ///
    /// The executors are empty shells, which that runtime keeps for ever; what is behind them ends
    /// with the plugin.
    struct Executors: ExecutorFactory {
        static let pool = PoolExecutor()
        static let main = MainThreadExecutor()

        static var mainExecutor: any MainExecutor { main }
        static var defaultExecutor: any TaskExecutor { pool }

        /// Hands the executors to the runtime, once.
        static let installed: Void = _createExecutors(factory: Executors.self)
    }
#endif
