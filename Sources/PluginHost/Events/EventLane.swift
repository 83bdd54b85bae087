import Synchronization

/// Calls the subscribers of one plugin on the threads of its pool.
///
/// A subscription for which events wait stands in line here; a few jobs take one after the other
/// and hand over some of its events. As long as they get on, two jobs do; when those are held up by
/// subscribers that take their time, more are begun, so that the others do not wait for them: three
/// quarters of the threads that a plugin has unless somebody says otherwise. The rest is for calls.
final class EventLane: Sendable {
    private static let eagerJobsMax = 2
    private static let jobsMax = 48
    /// After how long without progress another job is begun.
    private static let patience = Duration.milliseconds(20)

    private struct Turn: Sendable {
        let queue: EventQueue
        let consumer: EventConsumer
    }

    private struct State {
        var line = EventRing<Turn>()
        var jobs = 0
        /// Counts the turns that have begun.
        var progress: UInt64 = 0
        var watched: UInt64 = 0
        var watch: Deadline?
    }

    private let state = Mutex(State())
    private let submit: @Sendable (@escaping @Sendable () -> Void) -> Bool

    /// - Parameter submit: has a job done on another thread; false when there is no room for it.
    init(submit: @escaping @Sendable (@escaping @Sendable () -> Void) -> Bool) {
        self.submit = submit
    }

    /// Lets a subscription stand in line.
    func add(_ queue: EventQueue, for consumer: EventConsumer) {
        let needsJob = state.withLock { state in
            state.line.append(Turn(queue: queue, consumer: consumer))
            if state.jobs < Self.eagerJobsMax {
                state.jobs += 1
                return true
            }
            watch(&state)
            return false
        }
        if needsJob { startJob() }
    }

    private func startJob() {
        if submit({ self.work() }) { return }
        // Without room, or without a pool that still takes work: then nobody waits here in vain.
        var line = state.withLock { state in
            defer { state.line = EventRing() }
            return state.line
        }
        line.keep { $0.queue.concerns($0.consumer) }
        state.withLock { state in
            state.jobs -= 1
            while let turn = line.popLast() { state.line.prepend(turn) }
            if !state.line.isEmpty { watch(&state) }
        }
    }

    private func work() {
        while let turn = nextTurn() {
            guard turn.queue.work(for: turn.consumer) else { continue }
            state.withLock { $0.line.append(turn) }
        }
    }

    private func nextTurn() -> Turn? {
        state.withLock { state in
            state.progress &+= 1
            if let turn = state.line.popFirst() { return turn }
            state.jobs -= 1
            return nil
        }
    }

    private func watch(_ state: inout State) {
        guard state.watch == nil else { return }
        state.watched = state.progress
        state.watch = Deadline(after: Self.patience) { [weak self] in self?.look() }
    }

    /// Begins another job if subscriptions stand in line and nothing has moved for a while.
    private func look() {
        let needsJob = state.withLock { state in
            state.watch = nil
            guard !state.line.isEmpty else { return false }
            let isHeldUp = state.progress == state.watched && state.jobs < Self.jobsMax
            if isHeldUp { state.jobs += 1 }
            watch(&state)
            return isHeldUp
        }
        if needsJob { startJob() }
    }
}
