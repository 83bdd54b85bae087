#if hasFeature(Embedded)
    /// Everybody who listens to the same events.
    public final class EventAudience: Sendable {
        private let streams = SharedList<EventStream>()

        /// Makes an audience of nobody.
        public init() {}

        /// Lets one more listen.
        public func add(_ stream: EventStream) { streams.add(stream) }

        /// Sends an event to everyone who keeps up, and lets go of those who have left.
        ///
        /// - Returns: how many it is on its way to.
        @discardableResult
        public func send(_ event: ServerEvent) -> Int {
            var count = 0
            for stream in streams.elements where stream.send(event) == .sent { count += 1 }
            streams.remove { !$0.isOpen }
            return count
        }
    }
#endif
