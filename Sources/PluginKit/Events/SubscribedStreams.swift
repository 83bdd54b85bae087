#if !hasFeature(Embedded)
    import CPluginABI

    /// The streams of events that a plugin has asked for, until they end or the plugin stops.
    final class SubscribedStreams: Sendable {
        typealias Continuation = AsyncStream<Event>.Continuation

        private struct State {
            var isOpen = true
            var last: UInt = 0
            /// By the number that the host is given as the context.
            var streams: [UInt: Continuation] = [:]
        }

        private let state = Monitor(State())

        /// - Returns: nil when the plugin is stopping.
        func add(_ stream: Continuation) -> UInt? {
            state.withLock { state in
                guard state.isOpen else { return nil }
                state.last += 1
                state.streams[state.last] = stream
                return state.last
            }
        }

        func find(_ number: UInt) -> Continuation? { state.withLock { $0.streams[number] } }

        func end(_ number: UInt) {
            let stream = state.withLock { $0.streams.removeValue(forKey: number) }
            stream?.finish()
        }

        /// Ends all streams, because the plugin stops.
        func close() {
            let streams = state.withLock { state in
                state.isOpen = false
                defer { state.streams = [:] }
                return state.streams
            }
            for stream in streams.values { stream.finish() }
        }
    }
#endif
