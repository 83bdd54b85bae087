import CLinux
import HTTPWire
import Synchronization

/// What application code is called for, of a WebSocket.
public enum SocketCallKind: UInt8, Sendable {
    /// `WebSocketObserver.onOpen`.
    case open
    /// `WebSocketObserver.onMessage`.
    case message
    /// `WebSocketObserver.onWritable`.
    case writable
    /// `WebSocketObserver.onClosed`.
    case closed
}

/// Calls of code that may not return soon; see the same of `Exchange`.
extension WebSocket {
    /// Announces that code begins to run that may not return soon; on the reactor's thread, within
    /// a function of the observer.
    public func beginCall(_ kind: SocketCallKind) -> LoopCall {
        let called = unsafe Unmanaged.passUnretained(self)
        unsafe loop.state.callingSocket = called
        loop.state.socketCallKind = kind
        unsafe linux_set_call_subject(called.toOpaque())
        let (call, isWatched) = unsafe loop.state.crossing.pointee.begin(at: linux_ticks())
        if !isWatched { loop.wakeWatchdog() }
        return call
    }

    /// Announces that the code has returned; false when the thread has lost its loop meanwhile:
    /// then it touches nothing more and ends with `surrender`.
    public func endCall(_ call: LoopCall) -> Bool {
        linux_set_call_subject(nil)
        guard unsafe loop.state.crossing.pointee.end(call) else { return false }
        unsafe loop.state.callingSocket = nil
        return true
    }

    /// Ends a thread that has lost its loop, after its call has returned with `result`.
    public func surrender(_ kind: SocketCallKind, result: Int32) -> Never {
        _ = reactor.mailbox.put(.socketReturned(self, kind, result: result))
        linux_leave_thread()
    }

    /// Keeps the socket as it is while another thread runs code for it, with the bytes that the
    /// code reads.
    func hold(_ kind: SocketCallKind) {
        isHeld = true
        guard kind == .message else { return }
        isPaused = true
        guard let connection else { return }
        if isInInput {
            unsafe connection.partWithInput(behind: inputBytes) { buffer, capacity, _ in
                unsafe heldBuffer = buffer
                heldCapacity = capacity
            }
        } else {
            connection.consume(inputBytes)
            unsafe heldBuffer = message
            heldCapacity = messageCapacity
            unsafe message = nil
            messageCapacity = 0
            messageCount = 0
        }
    }

    /// Goes on with a socket that was held.
    func comeBack(_ kind: SocketCallKind, result: Int32) {
        isHeld = false
        if let buffer = unsafe heldBuffer {
            unsafe loop.state.buffers.giveBack(buffer, capacity: heldCapacity)
            unsafe heldBuffer = nil
        }
        loop.withApplication { $0.returned(self, kind, result: result) }
        if unheardEnd != nil { loop.state.orphans.append(self) }
        schedule()
    }
}
