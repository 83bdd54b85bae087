import CLinux
import Synchronization

/// The calls into a plugin that run on threads of which no reactor has need: who is inside, where,
/// and since when.
final class CallBook: Sendable {
    /// One call that has not returned.
    struct Entry: Sendable {
        /// The kernel's id of the thread.
        var thread: Int32
        var threadName: String
        /// The route's index; nil for a hook.
        var route: Int?
        var since: ContinuousClock.Instant
        /// Whether it lost a reactor its thread.
        var hasOverrun: Bool
        /// The processor time that the thread had used when it was entered, if it has overrun.
        var cpuNanoseconds: Int64 = 0
    }

    private let entries = Mutex<[UInt: Entry]>([:])

    /// Enters the call for an exchange, which is known by its address.
    func begin(_ exchange: UInt, _ entry: Entry) { entries.withLock { $0[exchange] = entry } }

    /// Strikes the call out, and returns what was known of it.
    @discardableResult
    func end(_ exchange: UInt) -> Entry? {
        entries.withLock { $0.removeValue(forKey: exchange) }
    }

    /// The threads that calls have taken from reactors, each with the processor time that it had
    /// used by then.
    var late: [Int32: Int64] {
        entries.withLock { entries in
            var late: [Int32: Int64] = [:]
            for entry in entries.values where entry.hasOverrun {
                late[entry.thread] = entry.cpuNanoseconds
            }
            return late
        }
    }

    /// Whether no call is running.
    var isEmpty: Bool { entries.withLock { $0.isEmpty } }

    /// The calls that have been running for longer than that, oldest first.
    func running(longerThan duration: Duration) -> [Entry] {
        let now = ContinuousClock.now
        return entries.withLock { Array($0.values) }
            .filter { $0.since.duration(to: now) >= duration }
            .sorted { $0.since < $1.since }
    }
}

/// What happened to a generation's calls, besides being answered.
struct CallFigures: ~Copyable {
    /// Calls that lost a reactor its thread.
    let overruns = Atomic<Int>(0)
    /// Requests whose response had not begun in time.
    let timeouts = Atomic<Int>(0)
    /// Requests that were refused because there were too many.
    let rejected = Atomic<Int>(0)
    /// Requests that the plugin has and has not completed; kept only where they are bounded.
    let concurrent = Atomic<Int>(0)
}
