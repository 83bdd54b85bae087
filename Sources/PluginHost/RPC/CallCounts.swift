import CPluginABI
import Synchronization

/// How the calls of one generation's methods have ended.
final class CallCounts: Sendable {
    private let endedCount = Atomic<Int>(0)
    private let failedCount = Atomic<Int>(0)

    /// Calls on its pool that have ended, in whatever way.
    var ended: Int { endedCount.load(ordering: .relaxed) }
    /// Calls that were not replied to, on its pool and in place.
    var failed: Int { failedCount.load(ordering: .relaxed) }

    func noteEnd(_ status: ph_status) {
        endedCount.add(1, ordering: .relaxed)
        if status < 0 { noteFailure() }
    }

    func noteFailure() { failedCount.add(1, ordering: .relaxed) }
}
