import HostModel

/// The last value of each topic of which one is kept.
struct RetainedEvents: Sendable {
    private var events: [String: Event] = [:]
    private(set) var bytes = 0

    var count: Int { events.count }

    /// Keeps an event in place of the one before; one without data takes that away.
    ///
    /// - Returns: false, and nothing has changed, when there are too many or too large ones.
    mutating func keep(_ event: Event) -> Bool {
        let former = events[event.topic]
        let bytesLeft = bytes - (former?.data.count ?? 0)
        if event.data.isEmpty {
            events[event.topic] = nil
            bytes = bytesLeft
            return true
        }
        guard former != nil || events.count < EventLimits.retainedCountMax,
            bytesLeft + event.data.count <= EventLimits.retainedBytesMax
        else { return false }
        events[event.topic] = event
        bytes = bytesLeft + event.data.count
        return true
    }

    /// The values of the topics that match, in the order in which they were published.
    func values(for pattern: TopicPattern) -> [Event] {
        events.values.filter { pattern.matches($0.topic) }.sorted {
            ($0.time, $0.source, $0.sequence) < ($1.time, $1.source, $1.sequence)
        }
    }

    /// Forgets the values below a plugin's name.
    mutating func forget(below name: String) {
        for (topic, event) in events where topic.hasPrefix(name + ".") {
            events[topic] = nil
            bytes -= event.data.count
        }
    }
}
