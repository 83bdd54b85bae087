import HostModel
import Synchronization

/// A subscription of an isolated plugin, as the bus has it.
///
/// One with a name is one for all processes of the plugin: each event goes to one of them, and it
/// outlives any of them. One without is the process's own.
final class RemoteSubscription: Sendable {
    private struct State {
        /// Who takes events, and under which number.
        var takers: [(worker: IsolatedWorker, number: UInt64)] = []
        var turn = 0
    }

    let name: String
    let pattern: TopicPattern
    private let member: Member
    private let busNumber = Mutex<UInt64>(0)
    private let state = Mutex(State())

    init(name: String, pattern: TopicPattern, member: Member) {
        self.name = name
        self.pattern = pattern
        self.member = member
    }

    /// The number that the bus knows it by.
    var id: UInt64 {
        get { busNumber.withLock { $0 } }
        set { busNumber.withLock { $0 = newValue } }
    }

    /// Lets a process take events; false if it does already.
    func add(_ worker: IsolatedWorker, as number: UInt64) -> Bool {
        state.withLock { state in
            guard !state.takers.contains(where: { $0.worker === worker }) else { return false }
            state.takers.append((worker, number))
            return true
        }
    }

    /// Whether this is the subscription that a process knows by a number.
    func isKnown(to worker: IsolatedWorker, as number: UInt64) -> Bool {
        state.withLock { $0.takers.contains { $0.worker === worker && $0.number == number } }
    }

    /// Takes a process out; whether others are left.
    func remove(_ worker: IsolatedWorker) -> Bool {
        state.withLock { state in
            state.takers.removeAll { $0.worker === worker }
            return !state.takers.isEmpty
        }
    }

    /// Hands an event to a process and waits for what it makes of it; on the generation's pool.
    func take(_ event: Event, isOld: Bool) -> EventConsumer.Verdict {
        guard member.gate.enter() else { return .gone }
        defer { member.gate.leave() }
        guard let (worker, number) = next() else { return .failed }
        let answer = worker.channel.wait(
            RemoteTopic.event,
            [
                "number": .number64(number), "old": .bool(isOld), "about": .string(event.topic),
                "type": .string(event.type), "subject": .string(event.subject),
                "content_type": .string(event.contentType), "source": .string(event.source),
                "id": .string(event.id), "sequence": .number64(event.sequence),
                "time": .number(JSONNumber(event.time.milliseconds)),
            ], event.data)
        guard case .success(let content) = answer else { return .failed }
        return switch content.json["verdict"]?.string {
        case "taken": .taken
        case "gone": .gone
        default: .failed
        }
    }

    private func next() -> (IsolatedWorker, UInt64)? {
        state.withLock { state in
            guard !state.takers.isEmpty else { return nil }
            state.turn = (state.turn + 1) % state.takers.count
            let taker = state.takers[state.turn]
            return (taker.worker, taker.number)
        }
    }

    /// Keeps the generation until its processes have been told that it is over.
    func pin() { member.gate.pin() }

    /// Tells the processes that it is over.
    func end(_ ending: EventQueue.Ending) {
        let takers = state.withLock { state in
            defer { state.takers = [] }
            return state.takers
        }
        let member = member
        let latch = DrainLatch(parties: takers.count)
        if ending == .withdrawn {
            Task {
                _ = await latch.wait(deadline: nil)
                member.gate.leave()
            }
        }
        let name =
            switch ending {
            case .unsubscribed: "unsubscribed"
            case .overflowed: "overflowed"
            case .withdrawn: "withdrawn"
            }
        for (worker, number) in takers {
            worker.channel.request(
                RemoteTopic.eventsEnd, ["number": .number64(number), "ending": .string(name)]
            ) { _ in latch.arrive() }
        }
    }
}
