import HostModel

/// Who takes the events of a subscription: one generation of a plugin, or the host itself.
final class EventConsumer: Sendable {
    /// What became of an event that was handed over.
    enum Verdict: Sendable {
        case taken
        case failed
        /// The generation takes no more calls.
        case gone
    }

    typealias Take = @Sendable (_ event: Event, _ isOld: Bool) -> Verdict

    /// Where it is called.
    let lane: EventLane
    /// Hands over an event; `isOld` says that it is a retained value.
    let take: Take
    /// Says that the subscription is over; nil if nobody wants to know.
    let end: (@Sendable (EventQueue.Ending) -> Void)?
    /// Keeps the generation from being stopped before it has been told so.
    let pin: @Sendable () -> Void
    /// Hears what an operator should know.
    let tell: @Sendable (HostLog.Level, String) -> Void

    init(
        lane: EventLane, tell: @escaping @Sendable (HostLog.Level, String) -> Void = { _, _ in },
        end: (@Sendable (EventQueue.Ending) -> Void)? = nil,
        pin: @escaping @Sendable () -> Void = {}, take: @escaping Take
    ) {
        self.lane = lane
        self.tell = tell
        self.end = end
        self.pin = pin
        self.take = take
    }
}
