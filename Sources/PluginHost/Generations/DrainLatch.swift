import Synchronization

/// Opens once every reactor has finished with an image.
final class DrainLatch: Sendable {
    private struct State {
        var missing: Int
        var waiters: [Int: CheckedContinuation<Bool, Never>] = [:]
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
            guard state.missing == 0 else { return [CheckedContinuation<Bool, Never>]() }
            defer { state.waiters = [:] }
            return Array(state.waiters.values)
        }
        for waiter in waiters { waiter.resume(returning: true) }
    }

    /// Waits until the latch opens.
    ///
    /// - Parameter deadline: nil waits as long as it takes.
    /// - Returns: false when the deadline passed first.
    func wait(deadline: Duration?) async -> Bool {
        let (number, opened) = state.withLock { state in
            state.nextWaiter += 1
            return (state.nextWaiter, state.missing == 0)
        }
        if opened { return true }
        let timer = deadline.map { deadline in
            Task {
                do { try await Task.sleep(for: deadline) } catch { return }
                self.give(up: number)
            }
        }
        defer { timer?.cancel() }
        return await withCheckedContinuation { continuation in
            let opened = state.withLock { state in
                if state.missing > 0 { state.waiters[number] = continuation }
                return state.missing == 0
            }
            if opened { continuation.resume(returning: true) }
        }
    }

    private func give(up number: Int) {
        state.withLock { $0.waiters.removeValue(forKey: number) }?.resume(returning: false)
    }
}
