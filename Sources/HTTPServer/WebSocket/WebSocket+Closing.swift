import HTTPWire
import Synchronization

// Only called on the reactor's thread.
extension WebSocket {
    /// Closes for the server's own reasons.
    func close(_ code: UInt16, _ reason: StaticString) {
        outgoing.withLock { $0.isOpen = false }
        unsafe beginClosing(code, ByteSlice(reason).buffer)
    }

    /// Sends a Close frame and waits for the client's; nobody can send any more.
    func beginClosing(_ code: UInt16, _ reason: UnsafeRawBufferPointer) {
        guard stage == .open || stage == .opening, let connection else { return }
        unsafe appendClose(code, reason, to: connection)
        stage = .closing
        closesAt = loop.state.tick + max(1, ticks(options.closeSeconds))
        isPaused = false
        waitsForWritable = false
        schedule()
    }

    /// The client has sent a Close frame: answers it, unless it is itself the answer.
    ///
    /// - Source: RFC 6455, section 5.5.1.
    func closed(by connection: Connection, _ code: UInt16, _ reason: UnsafeRawBufferPointer) {
        if stage == .open {
            let nothing = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
            unsafe appendClose(code, nothing, to: connection)
        }
        unsafe leave(connection, code, reason)
    }

    /// The client has broken a rule: says so and hears no more.
    ///
    /// - Source: RFC 6455, section 7.1.7.
    func fail(_ fault: WebSocketFault) {
        unsafe fail(fault.closeCode, ByteSlice(fault.reason).buffer)
    }

    func fail(_ code: UInt16, _ reason: UnsafeRawBufferPointer) {
        guard stage != .closed, let connection else { return }
        if stage == .open { unsafe appendClose(code, reason, to: connection) }
        unsafe leave(connection, code, reason)
    }

    /// The connection is gone, with or without a word.
    func lost() {
        if let end = unheardEnd, !isHeld {
            unheardEnd = nil
            return unsafe end.reason.withUnsafeBytes { reason in
                unsafe observer.onClosed?(
                    observer.context, end.code, reason.baseAddress, reason.count)
            }
        }
        let nothing = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
        unsafe conclude(WebSocketCloseCode.abnormal, nothing)
    }

    /// Lets the connection send what it has, and end.
    private func leave(
        _ connection: Connection, _ code: UInt16, _ reason: UnsafeRawBufferPointer
    ) {
        let copy = unsafe Array(reason)
        connection.state.socket = nil
        connection.state.phase = .finishing
        connection.state.lingers = true
        connection.state.inputStart = 0
        connection.state.inputEnd = 0
        unsafe copy.withUnsafeBytes { unsafe conclude(code, $0) }
    }

    private func conclude(_ code: UInt16, _ reason: UnsafeRawBufferPointer) {
        guard stage != .closed else { return }
        outgoing.withLock { $0.isOpen = false }
        stage = .closed
        connection = nil
        if let inflater, compression?.clientKeepsContext != true {
            loop.state.compression.giveBack(inflater)
        }
        inflater = nil
        deflater = nil
        dropMessage()
        if isHeld {
            unheardEnd = (code, unsafe Array(reason))
        } else {
            unsafe observer.onClosed?(observer.context, code, reason.baseAddress, reason.count)
        }
    }

    private func appendClose(
        _ code: UInt16, _ reason: UnsafeRawBufferPointer, to connection: Connection
    ) {
        unsafe withUnsafeTemporaryAllocation(byteCount: 125, alignment: 1) { payload in
            var count = 0
            if code != WebSocketCloseCode.none, let base = payload.baseAddress {
                unsafe payload[0] = UInt8(truncatingIfNeeded: code >> 8)
                unsafe payload[1] = UInt8(truncatingIfNeeded: code)
                count = 2 + min(reason.count, 123)
                if let from = reason.baseAddress {
                    unsafe (base + 2).copyMemory(from: from, byteCount: count - 2)
                }
            }
            unsafe append(
                .close, isFinal: true, isCompressed: false,
                UnsafeRawBufferPointer(rebasing: payload[..<count]), to: connection)
        }
    }
}
