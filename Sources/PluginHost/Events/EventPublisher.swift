import HostModel
import Synchronization

/// Somebody who publishes: a plugin, over all its generations, the host, or everybody outside.
///
/// Its events are numbered and put into the queues under one lock, so that every subscriber gets
/// them in the same order. It is held for as long as that takes and never while anybody is called.
final class EventPublisher: Sendable {
    /// The first token of its topics.
    let name: String

    private struct State: Sendable {
        var sequence: UInt64 = 0
        var routes = TopicTree<EventRoute>()
        var version: UInt64 = 0
        /// What has been looked up in `routes`.
        var known: [String: Matches] = [:]
    }

    /// The subscriptions that a topic goes to.
    private struct Matches: Sendable {
        let routes: [EventRoute]
        /// Those among them that may hold up their publishers.
        let brakes: [EventRoute]
    }

    private let state = Mutex(State())

    init(name: String) {
        self.name = name
    }

    /// Puts an event into the queue of each subscription that matches.
    ///
    /// - Parameter yields: whether it is dropped where its publisher would be held up.
    func publish(_ draft: EventDraft, on bus: EventBus, yields: Bool = false) -> EventOutcome {
        state.withLock { state in
            var matches = Self.matches(draft.topic, &state, bus)
            if !yields, matches.brakes.contains(where: { $0.queue.isFull }) { return .heldUp }
            let event = Event(draft, sequence: state.sequence + 1)
            if draft.isRetained {
                // Whoever subscribes in this moment gets it once, here or as a retained value.
                guard let (routes, version) = bus.retain(event) else { return .retainsTooMuch }
                Self.learn(routes, version, &state)
                matches = Self.matches(draft.topic, in: &state)
            }
            state.sequence += 1
            var outcome = EventOutcome.accepted
            for route in matches.routes {
                switch route.queue.offer(event, yields: yields) {
                case .taken, .dropped: break
                case .takenAsLast: if route.mayHoldUp { outcome = .full }
                case .overflowed: bus.disconnect(route)
                }
            }
            return outcome
        }
    }

    private static func matches(
        _ topic: String, _ state: inout State, _ bus: EventBus
    ) -> Matches {
        if state.version != bus.version {
            let (routes, version) = bus.routes
            learn(routes, version, &state)
        }
        return matches(topic, in: &state)
    }

    private static func learn(
        _ routes: TopicTree<EventRoute>, _ version: UInt64, _ state: inout State
    ) {
        guard state.version != version else { return }
        state.routes = routes
        state.version = version
        state.known.removeAll(keepingCapacity: true)
    }

    private static func matches(_ topic: String, in state: inout State) -> Matches {
        if let known = state.known[topic] { return known }
        let routes = state.routes.elements(for: topic)
        let matches = Matches(routes: routes, brakes: routes.filter(\.mayHoldUp))
        if state.known.count >= EventLimits.knownTopicsMax { state.known = [:] }
        state.known[topic] = matches
        return matches
    }
}

/// A subscription as publishers know it.
struct EventRoute: Identifiable, Sendable {
    let id: UInt64
    let queue: EventQueue
    let mayHoldUp: Bool
}
