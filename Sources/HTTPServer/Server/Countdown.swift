import Synchronization

/// Tells which of several threads is the last to come.
final class Countdown: Sendable {
    private let left: Atomic<Int>

    /// - Parameter count: how many steps there will be, at least one.
    init(from count: Int) {
        precondition(count > 0, "nobody would be the last")
        left = Atomic(count)
    }

    /// Takes one step; true for the last one, which sees all that was done before the others.
    func isLastStep() -> Bool {
        left.subtract(1, ordering: .acquiringAndReleasing).newValue == 0
    }
}
