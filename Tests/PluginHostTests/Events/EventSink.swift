import HostModel
import Synchronization

@testable import PluginHost

/// A subscriber that keeps what it is handed, and lets a test wait for it.
final class EventSink: Sendable {
    struct Received: Sendable {
        let event: Event
        let isOld: Bool
    }

    private struct Waiter {
        let isMet: @Sendable (Snapshot) -> Bool
        let continuation: CheckedContinuation<Void, Never>
    }

    private struct State {
        var received: [Received] = []
        var ending: EventQueue.Ending?
        var messages: [String] = []
        var waiters: [Waiter] = []
    }

    struct Snapshot: Sendable {
        let count: Int
        let ending: EventQueue.Ending?
        let messages: [String]
    }

    private let state = Mutex(State())
    private let judge: @Sendable (Event) -> EventConsumer.Verdict

    /// - Parameter judge: called before an event is kept, on the subscriber's thread.
    init(judge: @escaping @Sendable (Event) -> EventConsumer.Verdict = { _ in .taken }) {
        self.judge = judge
    }

    var received: [Received] { state.withLock { $0.received } }
    var topics: [String] { received.map(\.event.topic) }
    var texts: [String] { received.map { String(decoding: $0.event.data, as: UTF8.self) } }
    var messages: [String] { state.withLock { $0.messages } }

    /// - Parameter member: whose gate is pinned until the end has been told; nil: it is not told.
    func consumer(on lane: EventLane, _ member: Member?) -> EventConsumer {
        let end: @Sendable (EventQueue.Ending) -> Void = { [self] ending in
            change { $0.ending = ending }
            if ending == .withdrawn { member?.gate.leave() }
        }
        return EventConsumer(
            lane: lane,
            tell: { [self] _, message in change { $0.messages.append(message) } },
            end: member == nil ? nil : end, pin: { member?.gate.pin() },
            take: { [self] event, isOld in
                let verdict = judge(event)
                change { $0.received.append(Received(event: event, isOld: isOld)) }
                return verdict
            })
    }

    /// Waits until so many events have been handed over; the suite's time limit bounds it.
    func reach(_ count: Int) async { await wait { $0.count >= count } }

    func wait(until isMet: @escaping @Sendable (Snapshot) -> Bool) async {
        await withCheckedContinuation { continuation in
            let isNow = state.withLock { state in
                if isMet(Self.snapshot(state)) { return true }
                state.waiters.append(Waiter(isMet: isMet, continuation: continuation))
                return false
            }
            if isNow { continuation.resume() }
        }
    }

    private static func snapshot(_ state: State) -> Snapshot {
        Snapshot(count: state.received.count, ending: state.ending, messages: state.messages)
    }

    private func change(_ body: (inout State) -> Void) {
        let met = state.withLock { state in
            body(&state)
            let snapshot = Self.snapshot(state)
            let met = state.waiters.filter { $0.isMet(snapshot) }
            state.waiters.removeAll { $0.isMet(snapshot) }
            return met
        }
        for waiter in met { waiter.continuation.resume() }
    }
}

/// One generation of a plugin as the bus knows it, with threads of its own.
final class EventPeer: Sendable {
    let member: Member
    let lane: EventLane
    private let bus: EventBus

    init(_ name: String, number: UInt64 = 1, on bus: EventBus, threads: Int = 4) throws {
        let manifest = Manifest(
            name: try PluginName(checking: name), version: SemanticVersion(1, 0, 0),
            abi: ABIVersion(rawValue: HostVersion.abi), library: Manifest.Library(file: "x.so"))
        let pool = BlockingPool(
            name: name, threadsMax: threads, queueMax: 64, onThreadEnd: {})
        member = Member(manifest: manifest, number: number)
        member.pool = pool
        lane = EventLane { pool.submit($0) }
        self.bus = bus
    }

    /// Begins to serve, in the place of another generation.
    func serve(after former: EventPeer? = nil) { bus.replace(former?.member, with: member) }

    @discardableResult
    func subscribe(
        _ sink: EventSink, to pattern: String, name: String = "",
        _ policy: EventQueue.Policy = .dropOldest, queue: Int = EventLimits.queueCount,
        hearsOfEnd: Bool = false
    ) throws -> UInt64 {
        var shape = EventQueue.Shape()
        shape.policy = policy
        shape.countMax = queue
        return try bus.subscribe(
            member, to: try TopicPattern(checking: pattern), name: name, shape,
            consumer: sink.consumer(on: lane, hearsOfEnd ? member : nil))
    }

    @discardableResult
    func publish(_ topic: String, _ text: String = "1", retain: Bool = false) -> EventOutcome {
        var draft = EventDraft(topic: topic, source: member.name.text)
        draft.data = Array(text.utf8)
        draft.isRetained = retain
        return bus.publisher(member.name.text).publish(draft, on: bus)
    }

    /// How its only subscription is.
    var figures: EventQueue.Figures? {
        bus.accounts.first { $0.plugin == member.name }?.figures
    }
}
