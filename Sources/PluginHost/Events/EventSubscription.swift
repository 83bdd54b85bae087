import HostModel
import Synchronization

/// What somebody has subscribed to. Only the bus changes it, under its lock.
struct EventSubscription: Sendable {
    let id: UInt64
    let pattern: TopicPattern
    /// Under which the next generation goes on with it; empty: it does not.
    let name: String
    let shape: EventQueue.Shape
    let consumer: EventConsumer
    var queue: EventQueue

    var route: EventRoute {
        EventRoute(id: id, queue: queue, mayHoldUp: shape.policy == .holdUp)
    }
}

/// What one generation of a plugin is to the event bus.
final class EventMembership: Sendable {
    struct State: Sendable {
        /// Before it serves, subscriptions are only kept.
        var stage = Stage.coming
        var subscriptions: [UInt64: EventSubscription] = [:]
        var lane: EventLane?
        var publisher: EventPublisher?
        var source: String?
    }

    enum Stage: Sendable {
        case coming, serving, ended
    }

    /// Taken after the bus's own lock, where both are needed.
    let state = Mutex(State())
}
