public import CLinux
import Glibc
import Synchronization

/// Calls of code that may not return soon.
///
/// 1. `beginCall`, the code, `endCall`: on the reactor's thread.
/// 2. What the code calls in turn uses the exchange between `enterLoop` and `leaveLoop`, or else
///    through `remote`.
/// 3. If the code overruns its time, the reactor goes on with a fresh thread, which is told by
///    `Application.overran`; the exchange is held.
/// 4. `endCall` returns false then, and the thread ends with `surrender`.
/// 5. The loop hears of it by `Application.returned` and lets the exchange go on.
extension Exchange {
    /// Announces that code begins to run that may not return soon; on the reactor's thread.
    ///
    /// - Parameter ticks: when it begins, by the processor's counter.
    @inlinable @inline(__always)
    public func beginCall(_ kind: CallKind, at ticks: UInt64 = linux_ticks()) -> LoopCall {
        let crossing = unsafe state.crossing
        unsafe crossing.pointee.calling = UnsafeMutableRawPointer(address)
        unsafe crossing.pointee.kind = kind
        unsafe linux_set_call_subject(address)
        let (call, isWatched) = unsafe crossing.pointee.begin(at: ticks)
        if !isWatched { wakeWatchdog() }
        return call
    }

    @usableFromInline
    func wakeWatchdog() { state.loop.wakeWatchdog() }

    /// Announces that the code has returned; false when the thread has lost its loop meanwhile:
    /// then it touches nothing more and ends with `surrender`.
    @inlinable @inline(__always)
    public func endCall(_ call: LoopCall) -> Bool {
        linux_set_call_subject(nil)
        return unsafe state.crossing.pointee.end(call)
    }

    /// Asks for the use of the loop from within a call, or on any other thread, where it is
    /// refused.
    ///
    /// While it is granted, the watchdog leaves the loop alone: be quick, and call `leaveLoop`.
    @inlinable @inline(__always)
    public func enterLoop() -> LoopEntry { unsafe state.crossing.pointee.enter() }

    /// Ends the use of the loop that `enterLoop` granted.
    @inlinable @inline(__always)
    public func leaveLoop(_ entry: LoopEntry) { unsafe state.crossing.pointee.leave(entry) }

    /// Announces on another thread that code begins to run for this exchange, which is held.
    public func beginRemoteCall() { unsafe linux_set_call_subject(address) }

    /// Announces that the code has returned, and with which result `Application.returned` is to be
    /// called; the exchange is the loop's again.
    public func endRemoteCall(_ kind: CallKind = .handle, result: Int32) {
        linux_set_call_subject(nil)
        giveBack(kind, result: result)
    }

    /// Whether the client is known to be gone; on every thread, as long as the response is owed.
    public var isKnownClosed: Bool {
        unsafe state.remote.pointee.isClosed.load(ordering: .acquiring)
    }

    /// Whether the calling thread runs code for this exchange.
    public var isCalledHere: Bool { unsafe linux_get_call_subject() == UnsafeRawPointer(address) }

    /// Ends a thread that has lost its loop, after its call has returned with `result`.
    ///
    /// The frames above are the loop's and of no use any more: they are left as they are. They hold
    /// nothing but addresses, since whatever the loop knows is in its state.
    public func surrender(_ kind: CallKind, result: Int32) -> Never {
        giveBack(kind, result: result)
        linux_leave_thread()
    }

    private func giveBack(_ kind: CallKind, result: Int32) {
        state.loop.withReactor { _ = $0.mailbox.put(.returned(self, kind, result: result)) }
    }
}

extension Exchange {
    /// Keeps the exchange as it is while another thread runs code for it: no observer is called and
    /// the exchange does not end before that code has returned.
    public func hold() { state.isHeld = true }

    /// Holds an exchange that is over, within `Application.over`; its connection goes on.
    public func holdAtEnd() {
        hold()
        guard let connection = state.connection else { return }
        if unsafe state.heldInput == nil {
            unsafe connection.partWithInput(behind: 0) { buffer, capacity, _ in
                unsafe state.heldInput = buffer
                state.heldInputCapacity = capacity
            }
        }
        state.peer = connection.state.peer
        state.connection = nil
    }

    /// Has `Application.resumed` called soon, where code may run that does not return soon; within
    /// `Application.returned`. It is held until then.
    public func resume() {
        state.isHeld = true
        state.isResuming = true
        state.loop.enqueueReady(self)
    }

    /// Whether another thread runs code for this exchange.
    public var isHeld: Bool { state.isHeld }

    /// Undoes `hold` because the code has not been called after all.
    public func release() {
        state.isHeld = false
        schedule()
    }

    /// Goes on with an exchange that was held.
    func comeBack(_ kind: CallKind, result: Int32) {
        state.isHeld = false
        giveBackLentInput()
        // The client could send nothing of the body meanwhile.
        if let connection = state.connection, connection.state.phase == .streaming {
            connection.startBodyClock()
        }
        state.loop.withApplication { $0.returned(self, kind, result: result) }
        schedule()
    }

    /// Gives the buffer away that a call reads a piece of the body from; the connection goes on
    /// with what follows the piece, in a buffer of its own.
    func keepPiece(_ count: Int) {
        state.isPaused = true
        guard let connection = state.connection else { return }
        unsafe connection.partWithInput(behind: count) { buffer, capacity, hasHead in
            if hasHead {
                unsafe state.heldInput = buffer
                state.heldInputCapacity = capacity
            } else {
                unsafe state.lentInput = buffer
                state.lentInputCapacity = capacity
            }
        }
    }

    private func giveBackLentInput() {
        guard let buffer = unsafe state.lentInput else { return }
        unsafe state.loop.state.buffers.giveBack(buffer, capacity: state.lentInputCapacity)
        unsafe state.lentInput = nil
    }
}

extension Connection {
    /// Gives up the input buffer and takes another one for what stands behind the next `count`
    /// bytes.
    ///
    /// - Parameter keep: is handed the buffer, its capacity, and whether the current exchange's
    ///   head is in it.
    func partWithInput(
        behind count: Int,
        _ keep: (_ buffer: UnsafeMutableRawPointer, _ capacity: Int, _ hasHead: Bool) -> Void
    ) {
        guard let old = unsafe state.input else { return }
        let capacity = state.inputCapacity
        let hasHead = state.pinnedEnd > 0
        let rest = availableInput - count
        let start = state.inputStart + count
        unsafe state.input = nil
        state.inputCapacity = 0
        state.inputStart = 0
        state.inputEnd = 0
        state.pinnedEnd = 0
        if rest > 0 {
            let (base, size) = unsafe loop.state.buffers.lend(rest)
            unsafe memcpy(base, old + start, rest)
            unsafe state.input = base.assumingMemoryBound(to: UInt8.self)
            state.inputCapacity = size
            state.inputEnd = rest
        }
        unsafe keep(UnsafeMutableRawPointer(old), capacity, hasHead)
    }
}
