#if !hasFeature(Embedded)
    import CPluginABI
    import Glibc

    /// The concurrent half of a plugin: its threads and its tasks, from `init` to `deinit`.
    final class Runtime: Sendable {
        /// The runtime of this image, for calls that bring no state. It needs no lock because it is
        /// set before the first task begins and cleared after the last thread has ended.
        nonisolated(unsafe) private(set) static var current: Runtime?

        let tasks = TaskRegistry()
        let streams = SubscribedStreams()
        let scheduler: Scheduler

        private init(threadName: StaticString) {
            scheduler = Scheduler(threadName: threadName)
        }

        /// Makes the runtime, and installs the executors before anything can begin a task.
        static func begin(threadName: StaticString) -> Runtime {
            let runtime = Runtime(threadName: threadName)
            unsafe current = runtime
            Executors.installed
            return runtime
        }

        /// Lets go of the runtime, whose threads have ended.
        static func forget() {
            unsafe current = nil
        }

        /// Runs a function of the plugin to its end.
        ///
        /// - Returns: nil when it has not ended before the deadline.
        func run<Value: Sendable>(
            before deadline: Deadline?, _ work: @escaping @Sendable () async -> Value
        ) -> Value? {
            let result = Monitor<Value?>(nil)
            Task.detached {
                let value = await work()
                result.withLock { $0 = value }
            }
            _ = result.wait(until: deadline) { $0 != nil }
            return result.withLock(\.self)
        }

        /// Cancels what still runs, waits for it, and ends the threads.
        ///
        /// - Parameters:
        ///   - deadline: until when to wait.
        ///   - stop: the plugin's own end, called when its handlers have ended.
        ///   - drop: drops the plugin while there still are threads for what its parts leave to do.
        /// - Returns: what is left, as reasons for the operator; empty when all has ended.
        func end(
            before deadline: Deadline, stop: (@Sendable () async -> Void)? = nil,
            drop: () -> Void = {}
        ) -> [String] {
            var reasons: [String] = []
            tasks.close()
            streams.close()
            let tasksLeft = tasks.waitForAll(before: deadline)
            if let stop, run(before: deadline, { await stop() }) == nil {
                reasons.append("its stop() has not returned")
            }
            if tasksLeft > 0 {
                tasks.abandon()
                reasons.append(count(tasksLeft, "task") + " did not end after being cancelled")
            }
            drop()
            scheduler.hurryTimers()
            let jobsLeft = scheduler.settle(before: deadline)
            if jobsLeft > 0, reasons.isEmpty {
                reasons.append(count(jobsLeft, "task") + " begun by the plugin did not end")
            }
            let threadsLeft = scheduler.shutDown(before: Deadline(seconds: 1))
            if threadsLeft > 0 {
                reasons.append(count(threadsLeft, "thread") + " cannot be joined")
            }
            return reasons
        }

        private func count(_ number: Int, _ noun: String) -> String {
            "\(number) \(noun)\(number == 1 ? "" : "s")"
        }
    }
#endif
