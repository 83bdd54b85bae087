/// The deadlines of a reactor's connections: a wheel of buckets, each a list that runs through its
/// connections.
///
/// Moving a deadline further away, which every request does, only stores it; the connection stays
/// in its bucket and is moved when the wheel comes by. So a request costs one store and one
/// comparison, and no system call.
@safe
struct TimerWheel {
    /// The length of a tick.
    static let tickMilliseconds: UInt64 = 50
    static let ticksPerSecond = 20
    private static let bucketCount: UInt64 = 2_048
    /// The deadline of what may wait for ever.
    static let never = UInt64.max
    /// The bucket of a connection that is in none.
    static let unlinked = UInt64.max

    private let buckets: UnsafeMutablePointer<Connection?>
    private let occupied: UnsafeMutablePointer<UInt64>
    private(set) var now: UInt64
    /// No bucket before this tick is occupied.
    private let firstOccupied: UnsafeMutablePointer<UInt64>

    init(now: UInt64) {
        unsafe buckets = .allocate(capacity: Int(TimerWheel.bucketCount))
        unsafe buckets.initialize(repeating: nil, count: Int(TimerWheel.bucketCount))
        let words = Int(TimerWheel.bucketCount / 64)
        unsafe occupied = .allocate(capacity: words)
        unsafe occupied.initialize(repeating: 0, count: words)
        self.now = now
        unsafe firstOccupied = .allocate(capacity: 1)
        unsafe firstOccupied.initialize(to: TimerWheel.never)
    }

    func destroy() {
        unsafe buckets.deallocate()
        unsafe occupied.deallocate()
        unsafe firstOccupied.deallocate()
    }

    /// Sets when the connection is to be visited, in ticks.
    @inline(__always)
    func schedule(_ connection: Connection, at deadline: UInt64) {
        connection.state.deadline = deadline
        if deadline < connection.state.linkedTick { link(connection, at: deadline) }
    }

    /// Puts the connection into the bucket of its deadline, or the furthest one there is.
    @inline(never)
    private func link(_ connection: Connection, at deadline: UInt64) {
        remove(connection)
        if deadline == TimerWheel.never { return }
        let tick = max(now &+ 1, min(deadline, now &+ TimerWheel.bucketCount &- 1))
        let index = Int(tick % TimerWheel.bucketCount)
        let first = unsafe buckets[index]
        connection.state.timerNext = first
        connection.state.timerPrevious = nil
        first?.state.timerPrevious = connection
        unsafe buckets[index] = connection
        unsafe occupied[index >> 6] |= 1 << UInt64(index & 63)
        connection.state.linkedTick = tick
        if unsafe tick < firstOccupied.pointee { unsafe firstOccupied.pointee = tick }
    }

    /// Forgets the connection.
    func remove(_ connection: Connection) {
        let tick = connection.state.linkedTick
        guard tick != TimerWheel.unlinked else { return }
        let index = Int(tick % TimerWheel.bucketCount)
        let next = connection.state.timerNext
        if let previous = connection.state.timerPrevious {
            previous.state.timerNext = next
        } else {
            unsafe buckets[index] = next
            if next == nil { unsafe occupied[index >> 6] &= ~(1 << UInt64(index & 63)) }
        }
        next?.state.timerPrevious = connection.state.timerPrevious
        connection.state.linkedTick = TimerWheel.unlinked
    }

    /// Moves on to `tick` and returns the ticks that have passed, each of which is to be visited.
    mutating func advance(to tick: UInt64) -> Range<UInt64> {
        guard tick > now else { return tick..<tick }
        let steps = min(tick - now, TimerWheel.bucketCount)
        now = tick
        return (tick - steps + 1)..<(tick + 1)
    }

    /// Calls `due` with each connection of the tick's bucket whose deadline is over, and moves the
    /// others on.
    func visit(_ tick: UInt64, due: (Connection) -> Void) {
        var current = unsafe buckets[Int(tick % TimerWheel.bucketCount)]
        while let connection = current {
            current = connection.state.timerNext
            guard connection.state.linkedTick <= now else { continue }
            remove(connection)
            if connection.state.deadline <= now {
                due(connection)
            } else {
                link(connection, at: connection.state.deadline)
            }
        }
    }

    /// The next tick that may have something due, or `never`.
    @inline(__always)
    var nextTick: UInt64 {
        unsafe firstOccupied.pointee > now ? firstOccupied.pointee : findNextTick()
    }

    @inline(never)
    private func findNextTick() -> UInt64 {
        unsafe firstOccupied.pointee = ticksToNext().map { now + $0 } ?? TimerWheel.never
        return unsafe firstOccupied.pointee
    }

    /// The ticks until the next occupied bucket, or `nil` when there is none.
    private func ticksToNext() -> UInt64? {
        let words = Int(TimerWheel.bucketCount / 64)
        let start = Int((now &+ 1) % TimerWheel.bucketCount)
        for step in 0...words {
            let word = ((start >> 6) + step) % words
            var bits = unsafe occupied[word]
            if step == 0 { bits &= ~0 << UInt64(start & 63) }
            if step == words { bits &= ~(~0 << UInt64(start & 63)) }
            guard bits != 0 else { continue }
            let index = UInt64(word * 64 + bits.trailingZeroBitCount)
            let distance =
                (index &+ TimerWheel.bucketCount &- UInt64(start)) % TimerWheel.bucketCount
            return distance + 1
        }
        return nil
    }
}
