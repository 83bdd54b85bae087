import CLinux

/// How fast a client has to be.
///
/// A client has an allowance of time in which it may pause. Bytes win it back, at the least rate,
/// and never beyond the whole allowance; so whoever keeps that rate may pause for all of it at any
/// time, and whoever drips runs out of it.
extension Connection {
    /// Gives the client its whole allowance, because the server has just begun to wait for a body.
    func startBodyClock() {
        state.bodyDeadline = loop.state.tick &+ loop.state.limits.bodyTicks
        state.bodyBytesUncounted = 0
    }

    /// Counts bytes of a body that have come.
    func noteBodyProgress(_ count: Int) {
        if state.phase == .lingering {
            let idle = loop.state.tick &+ loop.state.limits.lingerIdleTicks
            state.bodyDeadline = min(idle, state.headDeadline)
            return
        }
        if let socket = state.socket { return socket.noteInput() }
        let rate = loop.state.limits.bodyBytesPerSecondMin
        guard rate > 0 else { return startBodyClock() }
        let bytes = count &* TimerWheel.ticksPerSecond &+ Int(state.bodyBytesUncounted)
        state.bodyDeadline = min(
            state.bodyDeadline &+ UInt64(bytes / rate),
            loop.state.tick &+ loop.state.limits.bodyTicks)
        state.bodyBytesUncounted = Int32(clamping: bytes % rate)
    }

    /// Begins to watch how fast the client takes the response, unless that is being done.
    func startWriteClock() {
        if state.writeDeadline != 0 { return }
        state.writeDeadline = loop.state.tick &+ loop.state.limits.writeTicks
        state.takenBytesMark = takenBytes
    }

    /// Whether the client has taken enough of the response since the clock was started; if so, the
    /// clock is started again.
    ///
    /// What counts is what the client's system has acknowledged. What a socket accepts says little:
    /// its buffer may be large, and becomes writable again only when a third of it is free.
    func isTakingResponse() -> Bool {
        guard hasTakenEnough() else { return false }
        state.writeDeadline = 0
        startWriteClock()
        return true
    }

    /// Whether the client still takes what only the kernel has of its last response: enough of it
    /// since this was asked before.
    func isStillReading() -> Bool { unsentBytes > 0 && hasTakenEnough() }

    /// Whether the client has taken what it must within `writeTimeoutSeconds` since the mark, which
    /// is moved if so.
    private func hasTakenEnough() -> Bool {
        let limits = loop.state.limits
        let wanted = limits.responseBytesPerSecondMin * Int(limits.writeTicks)
        let least = max(1, wanted / TimerWheel.ticksPerSecond)
        let taken = takenBytes
        guard taken &- state.takenBytesMark >= least else { return false }
        state.takenBytesMark = taken
        return true
    }

    /// The bytes that have been sent and acknowledged, counted from an arbitrary start.
    private var takenBytes: Int { state.sentBytes &- max(0, Int(unsentBytes)) }

    /// The bytes that the kernel holds because the client has not taken them.
    var unsentBytes: Int32 { linux_unsent_bytes(state.descriptor) }
}
