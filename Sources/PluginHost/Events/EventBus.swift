import HostModel
import Synchronization

/// Brings events from those who publish to those who have subscribed.
///
/// Publishers read an immutable tree of the subscriptions, and fetch a new one when its version has
/// changed; they share no lock but those of the queues that they put events into.
final class EventBus: SwitchboardPart {
    /// Whose topics no plugin may use, whatever it is called.
    static let reservedNames: Set<String> = [hostName, outsideName]
    static let hostName = "host"
    /// The publisher of what comes in over HTTP without another name.
    static let outsideName = "external"

    private struct State: Sendable {
        var routes = TopicTree<EventRoute>()
        var retained = RetainedEvents()
        var publishers: [String: EventPublisher] = [:]
        /// Who serves, by name.
        var serving: [PluginName: Member] = [:]
        var lastID: UInt64 = 0
    }

    let limits: EventLimits
    /// The host's own events.
    let host = EventPublisher(name: EventBus.hostName)
    private let state = Mutex(State())
    private let count = Atomic<UInt64>(1)
    private let place = Atomic<Int64>(0)

    init(limits: EventLimits = EventLimits()) {
        self.limits = limits
    }

    /// The last event of the journal, which has been published or is being so.
    var journaled: Int64 {
        get { place.load(ordering: .acquiring) }
        set { place.store(newValue, ordering: .releasing) }
    }

    // MARK: - For publishers

    /// Counts the changes of the subscriptions.
    var version: UInt64 { count.load(ordering: .acquiring) }

    /// The subscriptions, and their version.
    var routes: (TopicTree<EventRoute>, version: UInt64) {
        state.withLock { ($0.routes, version) }
    }

    /// Keeps the last value of a topic.
    ///
    /// - Returns: the subscriptions in that moment; nil if there is no room for it.
    func retain(_ event: Event) -> (TopicTree<EventRoute>, version: UInt64)? {
        state.withLock { $0.retained.keep(event) ? ($0.routes, version) : nil }
    }

    /// The publisher of that name, which counts on whoever speaks for it.
    func publisher(_ name: String) -> EventPublisher {
        if name == Self.hostName { return host }
        return state.withLock { state in
            if let publisher = state.publishers[name] { return publisher }
            let publisher = EventPublisher(name: name)
            state.publishers[name] = publisher
            return publisher
        }
    }

    /// Publishes an event of the host; nobody holds it up.
    func publish(
        _ topic: String, type: String = "", subject: String = "", _ json: JSONValue,
        journalSequence: Int64? = nil, time: Timestamp = .now
    ) {
        var draft = EventDraft(topic: topic, source: Self.hostName)
        draft.type = type
        draft.subject = subject
        draft.data = Array(json.text().utf8)
        if let journalSequence { journaled = journalSequence }
        draft.journalSequence = journalSequence
        draft.time = time
        _ = host.publish(draft, on: self, yields: true)
    }

    // MARK: - For subscribers

    enum Refusal: Error {
        case nameTaken
        case tooMany
        case ended
    }

    /// Subscribes a generation; it takes effect when that serves.
    ///
    /// - Returns: the subscription's number.
    func subscribe(
        _ member: Member, to pattern: TopicPattern, name: String = "", _ shape: EventQueue.Shape,
        consumer: EventConsumer
    ) throws(Refusal) -> UInt64 {
        let result = state.withLock { state -> Result<UInt64, Refusal> in
            member.events.state.withLock { membership in
                if membership.stage == .ended { return .failure(.ended) }
                let subscriptions = membership.subscriptions
                if subscriptions.count >= EventLimits.subscriptionsMax { return .failure(.tooMany) }
                if !name.isEmpty, subscriptions.values.contains(where: { $0.name == name }) {
                    return .failure(.nameTaken)
                }
                state.lastID += 1
                var shape = shape
                shape.isNamed = !name.isEmpty
                let subscription = EventSubscription(
                    id: state.lastID, pattern: pattern, name: name, shape: shape,
                    consumer: consumer, queue: EventQueue(shape, limits: limits))
                membership.subscriptions[subscription.id] = subscription
                if membership.stage == .serving { open(subscription, isNew: true, &state) }
                return .success(subscription.id)
            }
        }
        return try result.get()
    }

    /// Subscribes the host itself, for good.
    func subscribe(
        _ shape: EventQueue.Shape, to pattern: TopicPattern, consumer: EventConsumer
    ) {
        state.withLock { state in
            state.lastID += 1
            let subscription = EventSubscription(
                id: state.lastID, pattern: pattern, name: "", shape: shape, consumer: consumer,
                queue: EventQueue(shape, limits: limits))
            open(subscription, isNew: true, &state)
        }
    }

    /// Ends a subscription of a generation; false if it has none of that number.
    func unsubscribe(_ member: Member, _ id: UInt64) -> Bool {
        state.withLock { state in
            member.events.state.withLock { membership in
                guard let subscription = membership.subscriptions.removeValue(forKey: id) else {
                    return false
                }
                close(subscription, .unsubscribed, &state)
                return true
            }
        }
    }

    /// Ends a subscription whose queue is full and which wants it so.
    func disconnect(_ route: EventRoute) {
        state.withLock { state in
            for member in state.serving.values {
                member.events.state.withLock { membership in
                    guard let subscription = membership.subscriptions[route.id],
                        subscription.queue === route.queue
                    else { return }
                    membership.subscriptions[route.id] = nil
                    subscription.consumer.tell(.warning, "was disconnected: its queue was full")
                    close(subscription, .overflowed, &state)
                }
            }
        }
    }

    private func open(_ subscription: EventSubscription, isNew: Bool, _ state: inout State) {
        subscription.queue.open(subscription.shape, for: subscription.consumer)
        if isNew {
            for event in state.retained.values(for: subscription.pattern) {
                _ = subscription.queue.offer(event, isOld: true, yields: true)
            }
        }
        state.routes.insert(subscription.route, at: subscription.pattern)
        count.add(1, ordering: .releasing)
    }

    private func close(
        _ subscription: EventSubscription, _ ending: EventQueue.Ending?, _ state: inout State
    ) {
        state.routes.remove(subscription.id, at: subscription.pattern)
        count.add(1, ordering: .releasing)
        subscription.queue.close(ending)
    }

    // MARK: - Generations

    func replace(_ former: Member?, with member: Member) {
        state.withLock { state in
            let left = former.map { end($0, &state) } ?? [:]
            member.events.state.withLock { membership in
                membership.stage = .serving
                var heirs: Set<String> = []
                for id in membership.subscriptions.keys.sorted() {
                    guard var subscription = membership.subscriptions[id] else { continue }
                    let inherited = subscription.name.isEmpty ? nil : left[subscription.name]
                    if let inherited { subscription.queue = inherited.queue }
                    heirs.insert(subscription.name)
                    membership.subscriptions[id] = subscription
                    open(subscription, isNew: inherited == nil, &state)
                }
                for (name, subscription) in left where !heirs.contains(name) {
                    subscription.queue.close(.withdrawn)
                }
            }
            state.serving[member.name] = member
        }
    }

    func withdraw(_ member: Member) {
        state.withLock { state in
            for subscription in end(member, &state).values {
                subscription.queue.close(.withdrawn)
            }
            guard state.serving[member.name] === member else { return }
            state.serving[member.name] = nil
            state.retained.forget(below: member.name.text)
        }
    }

    /// Takes a generation's subscriptions away from the publishers.
    ///
    /// - Returns: those whose queues may be taken over, by name; they have not been closed.
    private func end(_ member: Member, _ state: inout State) -> [String: EventSubscription] {
        member.events.state.withLock { membership in
            let wasServing = membership.stage == .serving
            membership.stage = .ended
            var named: [String: EventSubscription] = [:]
            guard wasServing else { return named }
            for (id, subscription) in membership.subscriptions {
                state.routes.remove(id, at: subscription.pattern)
                if subscription.consumer.end != nil {
                    // It is told that it is over, and so it is.
                    subscription.consumer.pin()
                    membership.subscriptions[id] = nil
                }
                if subscription.name.isEmpty {
                    subscription.queue.close(.withdrawn)
                } else {
                    named[subscription.name] = subscription
                }
                // In case that it comes back after its successor has failed.
                membership.subscriptions[id]?.queue = EventQueue(
                    subscription.shape, limits: limits)
            }
            count.add(1, ordering: .releasing)
            return named
        }
    }

    // MARK: - Telling

    /// How a subscription is.
    struct Account: Sendable {
        let plugin: PluginName
        let generation: UInt64
        let subscription: EventSubscription
        let figures: EventQueue.Figures
    }

    /// How the subscriptions of all plugins that serve are, in the order of their names.
    var accounts: [Account] {
        let members = state.withLock { Array($0.serving.values) }.sorted { $0.name < $1.name }
        return members.flatMap { member in
            member.events.state.withLock { Array($0.subscriptions.values) }
                .sorted { $0.id < $1.id }
                .map {
                    Account(
                        plugin: member.name, generation: member.number, subscription: $0,
                        figures: $0.queue.figures)
                }
        }
    }
}
