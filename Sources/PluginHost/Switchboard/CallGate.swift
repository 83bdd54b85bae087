import Synchronization

/// Counts what is inside one generation's code besides requests, and refuses newcomers once it is
/// closed.
///
/// Whoever calls into a generation enters first and leaves afterwards; whoever is inside already,
/// such as a request that makes a call and waits for its completion, pins, which is never refused.
/// Reactors count their requests themselves, without sharing a line of cache.
final class CallGate: Sendable {
    /// Set in `word` while the gate is closed; the rest is the number inside.
    private static let closed: UInt64 = 1 << 63

    private let word = Atomic<UInt64>(0)
    private let waiting = Mutex<DrainLatch?>(nil)

    /// How many are inside.
    var inFlight: Int { Int(word.load(ordering: .relaxed) & ~Self.closed) }

    /// Counts the caller in; false, and nothing to leave, when the gate is closed.
    @inline(__always)
    func enter() -> Bool {
        if word.add(1, ordering: .acquiring).oldValue & Self.closed == 0 { return true }
        leave()
        return false
    }

    /// Counts in somebody who is inside already.
    @inline(__always)
    func pin() { word.add(1, ordering: .acquiring) }

    /// Counts out; the generation may be gone when this returns.
    @inline(__always)
    func leave() {
        if word.subtract(1, ordering: .acquiringAndReleasing).newValue == Self.closed {
            tellEmpty()
        }
    }

    /// Refuses newcomers from now on.
    func close() { word.bitwiseOr(Self.closed, ordering: .acquiringAndReleasing) }

    /// Lets newcomers in again.
    func open() { word.bitwiseAnd(~Self.closed, ordering: .acquiringAndReleasing) }

    /// Waits until nobody is inside a gate that has been closed; for one caller at a time.
    ///
    /// - Returns: false when the deadline passed first.
    nonisolated(nonsending) func waitUntilEmpty(deadline: Duration?) async -> Bool {
        let latch = DrainLatch(parties: 1)
        waiting.withLock { $0 = latch }
        if word.load(ordering: .acquiring) == Self.closed { tellEmpty() }
        if await latch.wait(deadline: deadline) { return true }
        waiting.withLock { $0 = nil }
        return latch.isOpen
    }

    @inline(never)
    private func tellEmpty() {
        let latch = waiting.withLock { latch in
            defer { latch = nil }
            return latch
        }
        latch?.arrive()
    }
}
