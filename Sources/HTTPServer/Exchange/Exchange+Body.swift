import Glibc
import HTTPWire

extension Exchange {
    /// Sets who hears of the body, of room in the output, and of the client's leave; only for
    /// streamed exchanges.
    public func observe(_ observer: ExchangeObserver) {
        state.observer = observer
        schedule()
    }

    /// Lets the body go on after `onBody` has returned false, or is about to.
    public func resumeBody() {
        state.isResumed = true
        guard state.isPaused else { return }
        state.isPaused = false
        state.connection?.startBodyClock()
        schedule()
    }

    /// Sees to it that what has changed is acted upon soon: now if this happens within a callback,
    /// else at the end of the loop's turn.
    @inline(__always)
    func schedule() {
        if let connection = state.connection {
            if !connection.state.isInService { connection.loop.enqueue(connection) }
        } else if state.isInUse {
            state.loop.enqueueReady(self)
        }
    }

    /// Makes room for more of a body that is collected: doubles, so that a client pays for memory
    /// with bytes.
    func growBody(atLeast count: Int) {
        let needed = state.bodyCount + count
        guard needed > state.bodyCapacity else { return }
        let (base, capacity) = unsafe state.loop.state.buffers.lend(
            max(needed, state.bodyCapacity * 2))
        if let old = unsafe state.bodyBuffer {
            unsafe memcpy(base, old, state.bodyCount)
            unsafe state.loop.state.buffers.giveBack(old, capacity: state.bodyCapacity)
        }
        unsafe state.bodyBuffer = base
        state.bodyCapacity = capacity
    }

    /// Whether there is memory for more of a body that is collected.
    func mayGrowBody(by count: Int) -> Bool {
        let needed = state.bodyCount + count
        guard needed > state.bodyCapacity else { return true }
        let more = BufferPool.capacity(for: max(needed, state.bodyCapacity * 2))
        return state.loop.state.buffers.bytes + more <= state.loop.state.limits.bufferBytesMax
    }

    func appendBody(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress else { return }
        growBody(atLeast: bytes.count)
        guard let buffer = unsafe state.bodyBuffer else { return }
        unsafe memcpy(buffer + state.bodyCount, source, bytes.count)
        state.bodyCount += bytes.count
    }

    /// Gives back what the exchange has lent, and starts a new generation.
    @inline(__always)
    func reset() {
        state.generation &+= 1
        state.isInUse = false
        state.status = 0
        state.connection = nil
        if state.owesEnded || state.response != .none { resetUsed() }
        if unsafe state.heldInput != nil || state.pathBuffer != nil || state.bodyBuffer != nil {
            giveBackBuffers()
        }
        if let block = unsafe state.trailers { unsafe forgetTrailers(block) }
    }

    @inline(__always)
    private func resetUsed() {
        state.isHandled = false
        state.owesEnded = false
        state.isReady = false
        state.response = .none
        state.framing = .none
        state.isCut = false
        state.isPaused = false
        state.waitsForWritable = false
        state.unheardReason = nil
        state.reserved = 0
        unsafe state.body = UnsafeRawBufferPointer(start: nil, count: 0)
        unsafe state.observer = ExchangeObserver()
    }

    @inline(never)
    private func forgetTrailers(_ block: UnsafeMutableRawPointer) {
        unsafe block.deallocate()
        unsafe state.trailers = nil
    }

    @inline(never)
    private func giveBackBuffers() {
        if let buffer = unsafe state.heldInput {
            unsafe state.loop.state.buffers.giveBack(buffer, capacity: state.heldInputCapacity)
            unsafe state.heldInput = nil
        }
        if let buffer = unsafe state.pathBuffer {
            unsafe state.loop.state.buffers.giveBack(buffer, capacity: state.pathBufferCapacity)
            unsafe state.pathBuffer = nil
        }
        if let buffer = unsafe state.bodyBuffer {
            unsafe state.loop.state.buffers.giveBack(buffer, capacity: state.bodyCapacity)
            unsafe state.bodyBuffer = nil
        }
        state.bodyCapacity = 0
        state.bodyCount = 0
    }
}
