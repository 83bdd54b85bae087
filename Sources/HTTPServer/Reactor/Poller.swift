import CLinux
import Glibc

/// The kernel's readiness interface, and the only place that knows it is epoll.
///
/// Listeners and wake-ups are reported as long as they are ready, connections only when something
/// changes: a level-triggered registration is polled a second time, in vain, at the wait after each
/// event. A bare loop in C spends 2 to 5 % less CPU time a request edge-triggered.
@safe
struct Poller: ~Copyable {
    private let descriptor: Int32
    private let events: UnsafeMutablePointer<epoll_event>
    private let capacity: Int32

    /// What an event says besides its token.
    struct Readiness: OptionSet {
        let rawValue: UInt32
        static let readable = Readiness(rawValue: linux_readable)
        static let writable = Readiness(rawValue: linux_writable)
        static let peerFinished = Readiness(rawValue: linux_peer_finished)
        static let failed = Readiness(rawValue: linux_failed)
        static let hungUp = Readiness(rawValue: linux_hung_up)
        static let exclusive = Readiness(rawValue: linux_exclusive)
        static let onChange = Readiness(rawValue: linux_on_change)
    }

    init(capacity: Int32) throws(ServerError) {
        let result = linux_poller_create()
        guard result >= 0 else { throw .kernel(Int(result), doing: "create a poller") }
        descriptor = result
        self.capacity = capacity
        unsafe events = .allocate(capacity: Int(capacity))
    }

    deinit {
        unsafe events.deallocate()
        linux_close(descriptor)
    }

    func add(_ fd: Int32, _ interest: Readiness, token: UInt64) -> Int32 {
        linux_poller_add(descriptor, fd, interest.rawValue, token)
    }

    func change(_ fd: Int32, _ interest: Readiness, token: UInt64) {
        _ = linux_poller_change(descriptor, fd, interest.rawValue, token)
    }

    func remove(_ fd: Int32) {
        _ = linux_poller_remove(descriptor, fd)
    }

    /// Waits and returns the number of events; an interrupted wait has none.
    func wait(timeoutMilliseconds: Int32) -> Int {
        let count = unsafe linux_poller_wait(
            descriptor, events, capacity, timeoutMilliseconds)
        // Without it nothing would ever come again, and nobody would know.
        precondition(count != -EBADF, "somebody has closed the poller's descriptor")
        return max(0, Int(count))
    }

    @inline(__always)
    func token(_ index: Int) -> UInt64 { unsafe linux_event_token(events + index) }

    @inline(__always)
    func readiness(_ index: Int) -> Readiness {
        Readiness(rawValue: unsafe linux_event_flags(events + index))
    }
}
