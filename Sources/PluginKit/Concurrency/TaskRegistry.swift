#if !hasFeature(Embedded)
    import CPluginABI

    /// The tasks that PluginKit has begun for the plugin: one for each request that is being
    /// answered, and those of `HostContext.background`.
    ///
    /// The host knows an exchange by its number here, not by its address: a call that comes when
    /// the exchange has just ended finds nothing, instead of freed memory.
    final class TaskRegistry: Sendable {
        private struct State {
            var isOpen = true
            var next: UInt = 1
            var exchanges: [UInt: Exchange] = [:]
            var sockets: [UInt: WebSocket] = [:]
            var background: [UInt: Task<Void, Never>] = [:]
            var count: Int { exchanges.count + sockets.count + background.count }
        }

        private let state = Monitor(State())

        /// Lets no more tasks begin, and cancels those that have.
        func close() {
            let tasks = state.withLock { state in
                state.isOpen = false
                return (
                    Array(state.exchanges.values), Array(state.sockets.values),
                    Array(state.background.values)
                )
            }
            for exchange in tasks.0 { exchange.cancel() }
            for socket in tasks.1 { socket.cancel() }
            for task in tasks.2 { task.cancel() }
        }

        /// Waits for every task to end.
        ///
        /// - Returns: how many had not at the deadline.
        func waitForAll(before deadline: Deadline) -> Int {
            _ = state.wait(until: deadline) { $0.count == 0 }
            return state.withLock(\.count)
        }

        /// Completes what is still owed for tasks that do not end.
        func abandon() {
            let exchanges = state.withLock { Array($0.exchanges.values) }
            for exchange in exchanges { exchange.abort() }
        }

        /// Books an exchange under a number of its own.
        ///
        /// - Returns: nil when the plugin is stopping.
        func add(_ make: (UInt) -> Exchange) -> Exchange? {
            state.withLock { state in
                guard state.isOpen else { return nil }
                let exchange = make(state.next)
                state.exchanges[state.next] = exchange
                state.next += 1
                return exchange
            }
        }

        func find(_ number: UInt) -> Exchange? {
            state.withLock { $0.exchanges[number] }
        }

        func remove(_ number: UInt) {
            let removed = state.withLock { $0.exchanges.removeValue(forKey: number) }
            _ = removed
        }

        /// Books a WebSocket under a number of its own.
        ///
        /// - Returns: nil when the plugin is stopping.
        func addSocket(_ make: (UInt) -> WebSocket) -> WebSocket? {
            state.withLock { state in
                guard state.isOpen else { return nil }
                let socket = make(state.next)
                state.sockets[state.next] = socket
                state.next += 1
                return socket
            }
        }

        func findSocket(_ number: UInt) -> WebSocket? {
            state.withLock { $0.sockets[number] }
        }

        func removeSocket(_ number: UInt) {
            let removed = state.withLock { $0.sockets.removeValue(forKey: number) }
            _ = removed
        }

        /// Begins a task that is cancelled when the plugin stops, and waited for.
        func background(_ work: @escaping @Sendable () async -> Void) {
            state.withLock { state in
                guard state.isOpen else { return }
                let number = state.next
                state.next += 1
                state.background[number] = Task.detached { [self] in
                    await work()
                    self.state.withLock { $0.background[number] = nil }
                }
            }
        }
    }
#endif
