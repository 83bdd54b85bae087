import Synchronization

/// Opens once every reactor has finished with an image.
final class DrainLatch: Sendable {
    private struct Waiter {
        var continuation: CheckedContinuation<Bool, Never>
        var deadline: Deadline?
    }

    private struct State {
        var missing: Int
        var waiters: [Int: Waiter] = [:]
        var nextWaiter = 0
    }

    private let state: Mutex<State>

    /// - Parameter parties: how many arrivals open the latch; with none it is open from the start.
    init(parties: Int) {
        state = Mutex(State(missing: parties))
    }

    var isOpen: Bool { state.withLock { $0.missing == 0 } }

    /// One reactor is done; from any thread.
    func arrive() {
        let waiters = state.withLock { state in
            state.missing -= 1
            precondition(state.missing >= 0, "more arrivals than reactors")
            guard state.missing == 0 else { return [Waiter]() }
            defer { state.waiters = [:] }
            return Array(state.waiters.values)
        }
        for waiter in waiters { waiter.continuation.resume(returning: true) }
    }

    /// Waits until the latch opens.
    ///
    /// - Parameter deadline: nil waits as long as it takes.
    /// - Returns: false when the deadline passed first.
    nonisolated(nonsending) func wait(deadline: Duration?) async -> Bool {
        await withCheckedContinuation { continuation in
            let isOpen = state.withLock { state in
                guard state.missing > 0 else { return true }
                let number = state.nextWaiter
                state.nextWaiter += 1
                state.waiters[number] = Waiter(
                    continuation: continuation,
                    deadline: deadline.map { deadline in
                        Deadline(after: deadline) { [weak self] in self?.giveUp(number) }
                    })
                return false
            }
            if isOpen { continuation.resume(returning: true) }
        }
    }

    private func giveUp(_ number: Int) {
        let waiter = state.withLock { $0.waiters.removeValue(forKey: number) }
        waiter?.continuation.resume(returning: false)
    }
}
