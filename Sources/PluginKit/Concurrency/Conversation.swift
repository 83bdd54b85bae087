#if !hasFeature(Embedded)
    import Synchronization

    /// What is known of an exchange or a WebSocket that a task works for: the task, whether it has
    /// been cancelled, which may come first, and who waits for the other end.
    protocol Conversation {
        var task: Task<Void, Never>? { get set }
        var isCancelled: Bool { get set }

        /// Takes out those who need not wait any more when the task is cancelled.
        mutating func takeWaiters() -> [CheckedContinuation<Void, Never>]
    }

    extension Mutex where Value: Conversation {
        /// Books the task, which may have ended already.
        func adopt(_ task: Task<Void, Never>) {
            let isCancelled = withLock { state in
                state.task = task
                return state.isCancelled
            }
            if isCancelled { task.cancel() }
        }

        /// Cancels the task and wakes it where it waits for the other end.
        func cancel() {
            let (waiters, task) = withLock { state in
                state.isCancelled = true
                return (state.takeWaiters(), state.task)
            }
            task?.cancel()
            for waiter in waiters { waiter.resume() }
        }

        /// Waits until whoever has taken the waiter out of the state resumes it.
        ///
        /// - Parameter enlist: puts the waiter into the state; false when there is nothing to wait
        ///   for.
        func wait(
            _ enlist: (inout Value, CheckedContinuation<Void, Never>) -> Bool
        ) async {
            await withCheckedContinuation { waiter in
                if !withLock({ enlist(&$0, waiter) }) { waiter.resume() }
            }
        }
    }
#endif
