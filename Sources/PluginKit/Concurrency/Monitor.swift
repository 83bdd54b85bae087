#if !hasFeature(Embedded)
    import Glibc

    /// State behind a lock, with a way to wait until it has changed.
    ///
    /// - Source: pthread_cond_timedwait(3p); deadlines are on the monotonic clock.
    ///
    /// It is Sendable because the state is touched under the lock only.
    @safe
    final class Monitor<State>: @unchecked Sendable {
        private let mutex: UnsafeMutablePointer<pthread_mutex_t>
        private let condition: UnsafeMutablePointer<pthread_cond_t>
        private var state: State

        init(_ state: State) {
            self.state = state
            unsafe mutex = .allocate(capacity: 1)
            unsafe mutex.initialize(to: pthread_mutex_t())
            unsafe pthread_mutex_init(mutex, nil)
            unsafe condition = makeCondition()
        }

        deinit {
            unsafe dropCondition(condition)
            unsafe pthread_mutex_destroy(mutex)
            unsafe mutex.deallocate()
        }

        /// Reads or changes the state. Whoever waits looks at it again afterwards.
        func withLock<Result>(_ body: (inout State) -> Result) -> Result {
            unsafe pthread_mutex_lock(mutex)
            defer { unsafe pthread_mutex_unlock(mutex) }
            let result = body(&state)
            unsafe pthread_cond_broadcast(condition)
            return result
        }

        /// Waits until the state is as wanted or the deadline has passed.
        ///
        /// - Returns: whether the state is as wanted.
        func wait(until deadline: Deadline?, _ wanted: (inout State) -> Bool) -> Bool {
            unsafe pthread_mutex_lock(mutex)
            defer { unsafe pthread_mutex_unlock(mutex) }
            while !wanted(&state) {
                guard let deadline else {
                    unsafe pthread_cond_wait(condition, mutex)
                    continue
                }
                var moment = deadline.timespec
                if unsafe pthread_cond_timedwait(condition, mutex, &moment) == ETIMEDOUT {
                    return wanted(&state)
                }
            }
            return true
        }
    }

    /// A condition variable whose deadlines are on the monotonic clock.
    func makeCondition() -> UnsafeMutablePointer<pthread_cond_t> {
        let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
        unsafe condition.initialize(to: pthread_cond_t())
        var attributes = pthread_condattr_t()
        unsafe pthread_condattr_init(&attributes)
        unsafe pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        unsafe pthread_cond_init(condition, &attributes)
        unsafe pthread_condattr_destroy(&attributes)
        return unsafe condition
    }

    func dropCondition(_ condition: UnsafeMutablePointer<pthread_cond_t>) {
        unsafe pthread_cond_destroy(condition)
        unsafe condition.deallocate()
    }
#endif
