import HostModel
import Synchronization

/// The events that wait for one subscription, and whose turn it is to take them.
///
/// It outlives a generation where the next one has a subscription of the same name: then it changes
/// hands, and the former owner may end the call that it is in.
final class EventQueue: Sendable {
    /// What becomes of an event that finds no room.
    enum Policy: UInt32, Sendable, CaseIterable {
        case dropOldest = 0
        case dropNewest = 1
        case disconnect = 2
        case holdUp = 3
    }

    /// Why a subscription is over.
    enum Ending: Sendable {
        case unsubscribed
        case overflowed
        /// Its generation has ceased to serve; its gate is pinned until it has been told.
        case withdrawn
    }

    /// What became of an event that was offered.
    enum Offer: Sendable {
        case taken
        /// It was taken, and there is no room for another.
        case takenAsLast
        case dropped
        /// The subscription ends because of it.
        case overflowed
    }

    struct Shape: Sendable {
        var policy = Policy.dropOldest
        var countMax = EventLimits.queueCount
        /// Whether events are kept that the subscriber has failed to take.
        var isNamed = false
    }

    /// What `host events --subscribers` tells.
    struct Figures: Sendable {
        var waiting = 0
        var delivered: UInt64 = 0
        var dropped: UInt64 = 0
        var failed: UInt64 = 0
        var isSuspended = false
    }

    private struct Item: Sendable {
        let event: Event
        let isOld: Bool
        var attempts = 0
    }

    /// A turn in which a consumer takes events.
    private struct Hand: Sendable {
        let number: UInt64
        let consumer: EventConsumer
    }

    /// What a consumer is told when it is over.
    private struct Farewell: Sendable {
        let consumer: EventConsumer
        let ending: Ending
        /// The turn that has to end before.
        var hand: UInt64?
    }

    private struct State: Sendable {
        var shape: Shape
        /// nil: nobody takes events, and none are kept.
        var consumer: EventConsumer?
        var items = EventRing<Item>()
        var bytes = 0
        /// Whether it stands in its consumer's line.
        var isInLine = false
        /// Who has an event in hand, perhaps a former consumer.
        var hand: Hand?
        var lastHand: UInt64 = 0
        /// Until when a former consumer is awaited.
        var patience: Deadline?
        /// What consumers that are no more are to be told.
        var farewells: [Farewell] = []
        var failuresInRow = 0
        /// Set while it rests after a failure.
        var rest: Deadline?
        var figures = Figures()

        var isFull: Bool {
            items.count >= shape.countMax || bytes >= EventLimits.queueBytesMax
        }

        mutating func takeFirst() -> Item? {
            guard let item = items.popFirst() else { return nil }
            bytes -= item.event.data.count
            return item
        }

        mutating func putBack(_ item: Item) {
            items.prepend(item)
            bytes += item.event.data.count
        }

        /// Lets it stand in line if there is something to do; returns whom to tell.
        mutating func callForTurn() -> EventConsumer? {
            guard !isInLine, hand == nil, rest == nil, !items.isEmpty, let consumer else {
                return nil
            }
            isInLine = true
            return consumer
        }

        /// Lets the consumer go.
        ///
        /// - Returns: the consumer, if it is to be told so, and nothing is in its hand.
        mutating func dismiss(_ ending: Ending?) -> EventConsumer? {
            guard let former = consumer else { return nil }
            consumer = nil
            isInLine = false
            guard let ending, former.end != nil else { return nil }
            let inHand = hand.flatMap { $0.consumer === former ? $0.number : nil }
            farewells.append(Farewell(consumer: former, ending: ending, hand: inHand))
            return inHand == nil ? former : nil
        }

        /// The next event of the turn, or the end of it.
        mutating func goOn(isLast: Bool) -> Step {
            if !isLast, let item = takeFirst() { return .hand(item) }
            hand = nil
            isInLine = !items.isEmpty
            return isInLine ? .again : .stop
        }
    }

    private enum Step {
        case hand(Item)
        /// Others have their turn first.
        case again
        case stop
    }

    /// How many events are handed over before others have their turn.
    private static let turnCount = 64

    private let state: Mutex<State>
    private let limits: EventLimits

    init(_ shape: Shape, limits: EventLimits) {
        state = Mutex(State(shape: shape))
        self.limits = limits
    }

    var figures: Figures {
        state.withLock { state in
            var figures = state.figures
            figures.waiting = state.items.count
            figures.isSuspended = state.rest != nil && state.failuresInRow >= limits.failuresMax
            return figures
        }
    }

    var isFull: Bool { state.withLock { $0.consumer != nil && $0.isFull } }

    /// Whether there is something to be said to a consumer, or may be.
    func concerns(_ consumer: EventConsumer) -> Bool {
        state.withLock { state in
            state.consumer === consumer || state.farewells.contains { $0.consumer === consumer }
        }
    }

    // MARK: - Events

    /// Offers an event, from any thread.
    ///
    /// - Parameters:
    ///   - isOld: whether it is a retained value.
    ///   - yields: whether an event is dropped where its publisher would be held up.
    func offer(_ event: Event, isOld: Bool = false, yields: Bool = false) -> Offer {
        let (offer, caller) = state.withLock { state -> (Offer, EventConsumer?) in
            guard state.consumer != nil else { return (.dropped, nil) }
            if state.isFull {
                switch state.shape.policy {
                case .disconnect: return (.overflowed, nil)
                case .holdUp where !yields: break
                case .dropNewest:
                    state.figures.dropped += 1
                    return (.dropped, nil)
                case .dropOldest, .holdUp:
                    if state.takeFirst() != nil { state.figures.dropped += 1 }
                }
            }
            state.items.append(Item(event: event, isOld: isOld))
            state.bytes += event.data.count
            return (state.isFull ? .takenAsLast : .taken, state.callForTurn())
        }
        if let caller { caller.lane.add(self, for: caller) }
        return offer
    }

    // MARK: - Owners

    /// Lets a consumer take what waits and what comes; an event that a former one has in hand is
    /// awaited first.
    func open(_ shape: Shape, for consumer: EventConsumer) {
        let (former, caller) = state.withLock { state -> (EventConsumer?, EventConsumer?) in
            let former = state.consumer === consumer ? nil : state.dismiss(.withdrawn)
            if let hand = state.hand, hand.consumer !== consumer {
                state.patience = Deadline(after: limits.handOver) { [weak self] in
                    self?.giveUp(on: hand.number)
                }
            }
            state.shape = shape
            state.consumer = consumer
            state.failuresInRow = 0
            state.rest = nil
            while state.items.count > shape.countMax, state.takeFirst() != nil {
                state.figures.dropped += 1
            }
            // Where it stands in a line, that is the line of a former consumer.
            state.isInLine = false
            return (former, state.callForTurn())
        }
        if let former { former.lane.add(self, for: former) }
        if let caller { caller.lane.add(self, for: caller) }
    }

    /// Drops what waits, and takes nothing any more.
    ///
    /// - Parameter ending: what the consumer is told once it has nothing in hand; nil: nothing.
    func close(_ ending: Ending? = nil) {
        let caller = state.withLock { state -> EventConsumer? in
            state.figures.dropped += UInt64(state.items.count)
            state.items = EventRing()
            state.bytes = 0
            state.rest = nil
            return state.dismiss(ending)
        }
        if let caller { caller.lane.add(self, for: caller) }
    }

    private func giveUp(on hand: UInt64) {
        let caller = state.withLock { state -> EventConsumer? in
            guard state.hand?.number == hand else { return nil }
            state.hand = nil
            return state.callForTurn()
        }
        guard let caller else { return }
        caller.tell(.warning, "does not wait any longer for the generation before it")
        caller.lane.add(self, for: caller)
    }

    // MARK: - Turns

    /// Hands over some events, on a thread of the consumer's.
    ///
    /// - Returns: whether more are waiting: then it is to stand in line again.
    func work(for consumer: EventConsumer) -> Bool {
        guard let (first, hand) = begin(consumer) else {
            sayFarewell(to: consumer)
            return false
        }
        var item = first
        for count in 1...Self.turnCount {
            let verdict = consumer.take(item.event, item.isOld)
            let isLast = count == Self.turnCount
            switch settle(item, verdict, hand, consumer, isLast: isLast) {
            case .hand(let next): item = next
            case .again: return true
            case .stop: return false
            }
        }
        return false
    }

    private func begin(_ consumer: EventConsumer) -> (Item, hand: UInt64)? {
        state.withLock { state in
            guard state.consumer === consumer, state.isInLine, state.hand == nil else { return nil }
            state.isInLine = false
            guard let item = state.takeFirst() else { return nil }
            state.lastHand += 1
            state.hand = Hand(number: state.lastHand, consumer: consumer)
            return (item, state.lastHand)
        }
    }

    /// Takes account of what became of an event.
    private func settle(
        _ item: Item, _ verdict: EventConsumer.Verdict, _ hand: UInt64, _ consumer: EventConsumer,
        isLast: Bool
    ) -> Step {
        defer { sayFarewell(to: consumer, after: hand) }
        var message: (HostLog.Level, String)?
        var hasChangedHands = false
        let step = state.withLock { state -> Step in
            guard state.hand?.number == hand else { return .stop }
            guard state.consumer === consumer else {
                hasChangedHands = true
                return .stop
            }
            switch verdict {
            case .taken:
                state.figures.delivered += 1
                if state.failuresInRow >= limits.failuresMax {
                    message = (.info, "takes events again")
                }
                state.failuresInRow = 0
                return state.goOn(isLast: isLast)
            case .gone:
                state.putBack(item)
                state.hand = nil
                return .stop
            case .failed:
                message = fail(item, &state)
                guard state.rest != nil else { return state.goOn(isLast: isLast) }
                state.hand = nil
                return .stop
            }
        }
        if let message { consumer.tell(message.0, message.1) }
        if hasChangedHands { handOver(item, verdict, hand) }
        return step
    }

    private func fail(_ item: Item, _ state: inout State) -> (HostLog.Level, String)? {
        state.failuresInRow += 1
        var item = item
        item.attempts += 1
        if state.shape.isNamed, item.attempts < limits.attemptsMax {
            state.putBack(item)
        } else {
            state.figures.failed += 1
        }
        let count = state.failuresInRow
        guard let rest = limits.rest(afterFailures: count, isNamed: state.shape.isNamed) else {
            return nil
        }
        state.rest = Deadline(after: rest) { [weak self] in self?.resume() }
        guard count >= limits.failuresMax else { return nil }
        return (.warning, "is suspended for \(rest) after \(count) failures in a row")
    }

    private func resume() {
        let caller = state.withLock { state -> EventConsumer? in
            state.rest = nil
            return state.callForTurn()
        }
        if let caller { caller.lane.add(self, for: caller) }
    }

    /// Ends the turn of a consumer whose queue has changed hands, or was closed, meanwhile.
    private func handOver(_ item: Item, _ verdict: EventConsumer.Verdict, _ hand: UInt64) {
        let caller = state.withLock { state -> EventConsumer? in
            guard state.hand?.number == hand else { return nil }
            state.hand = nil
            state.patience = nil
            if verdict == .taken { state.figures.delivered += 1 }
            guard state.consumer != nil else { return nil }
            if verdict != .taken { state.putBack(item) }
            return state.callForTurn()
        }
        if let caller { caller.lane.add(self, for: caller) }
    }

    /// Tells a consumer that is no more, on a thread of its own, unless it has an event in hand.
    ///
    /// - Parameter hand: a turn that has ended.
    private func sayFarewell(to consumer: EventConsumer, after hand: UInt64? = nil) {
        let farewells = state.withLock { state -> [Farewell] in
            guard !state.farewells.isEmpty else { return [] }
            let due = state.farewells.filter {
                $0.consumer === consumer && ($0.hand == nil || $0.hand == hand)
            }
            state.farewells.removeAll {
                $0.consumer === consumer && ($0.hand == nil || $0.hand == hand)
            }
            return due
        }
        for farewell in farewells { consumer.end?(farewell.ending) }
    }
}
