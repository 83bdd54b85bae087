import CLinux
import HTTPWire
import Synchronization

/// One loop's connections to upstreams, and what they share.
@safe
final class UpstreamRoom {
    let loop: Loop
    /// Where the fields of a response's head lie while it is passed on.
    let fields: UnsafeMutableBufferPointer<HeaderField>
    var head = ResponseHead()
    private var pools: [ObjectIdentifier: UpstreamPool] = [:]
    /// The pool that was asked for last.
    private var latest: UpstreamPool?
    /// Every connection that there ever was: they are used again and never freed before the loop,
    /// so that the poller's tokens may be their addresses.
    private(set) var all: [UpstreamConnection] = []
    private var free: [UpstreamConnection] = []

    init(_ loop: Loop) {
        self.loop = loop
        unsafe fields = .allocate(capacity: UpstreamRoom.fieldCountMax)
        unsafe fields.initialize(repeating: HeaderField())
    }

    deinit { unsafe fields.deallocate() }

    /// The most fields of a response.
    static let fieldCountMax = 1_024

    func pool(of upstream: Upstream) -> UpstreamPool {
        if let latest, latest.upstream === upstream { return latest }
        let pool = pools[ObjectIdentifier(upstream)] ?? makePool(upstream)
        latest = pool
        return pool
    }

    /// Makes a pool, and forgets those of upstreams that are closed: a new one most often takes the
    /// place of an old one.
    private func makePool(_ upstream: Upstream) -> UpstreamPool {
        for former in pools.values where former.upstream.isClosed.load(ordering: .relaxed) {
            forget(former.upstream)
        }
        let pool = UpstreamPool(upstream)
        pools[ObjectIdentifier(upstream)] = pool
        return pool
    }

    /// Closes the connections to an upstream that nothing more will be forwarded to; what is under
    /// way there goes on.
    func forget(_ upstream: Upstream) {
        guard let pool = pools.removeValue(forKey: ObjectIdentifier(upstream)) else { return }
        if latest === pool { latest = nil }
        pool.end()
    }

    /// A connection without a socket.
    func take() -> UpstreamConnection {
        if let connection = free.popLast() { return connection }
        let connection = UpstreamConnection(self)
        all.append(connection)
        return connection
    }

    func giveBack(_ connection: UpstreamConnection) { free.append(connection) }

    /// Has the connection visited at that tick.
    @inline(__always)
    func schedule(_ connection: UpstreamConnection, at deadline: UInt64) {
        connection.deadline = deadline
        if deadline < loop.state.upstreamDeadline { loop.state.upstreamDeadline = deadline }
    }

    /// Visits the connections whose deadlines are over.
    ///
    /// Deadlines move away with each request and are not told of it, so this looks at all
    /// connections; but seldom, as the earliest one of them has passed then or has moved.
    func passTime(_ tick: UInt64) {
        loop.state.upstreamDeadline = TimerWheel.never
        for connection in all where connection.deadline <= tick { connection.expire() }
        var earliest = loop.state.upstreamDeadline
        for connection in all { earliest = min(earliest, connection.deadline) }
        loop.state.upstreamDeadline = earliest
    }

    /// Closes everything, because the loop ends.
    func closeAll() {
        for connection in all where connection.stage != .free { connection.abandon() }
        for pool in pools.values { pool.end() }
        pools = [:]
        latest = nil
    }
}

extension Loop {
    /// The connections to upstreams, made when the first request is forwarded.
    var upstreams: UpstreamRoom {
        if let room = state.upstreams { return room }
        let room = UpstreamRoom(self)
        state.upstreams = room
        return room
    }
}

extension Reactor {
    /// Closes this reactor's connections to an upstream that nothing more will be forwarded to;
    /// on the reactor's thread. What is under way there ends there.
    public func forget(_ upstream: Upstream) { loop.state.upstreams?.forget(upstream) }
}
