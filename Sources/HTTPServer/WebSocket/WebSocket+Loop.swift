import HTTPWire
import Synchronization

// Only called on the reactor's thread.
extension WebSocket {
    /// Does what another thread asked for.
    func obey(_ act: SocketAct, bytes: Int) {
        waitingBytes.subtract(bytes, ordering: .relaxed)
        switch act {
        case .frame(let opcode, let isFinal, let parcel, let mayDeflate):
            _ = unsafe emit(
                opcode, isFinal: isFinal, parcel.bytes, mayDeflate: mayDeflate, wasAccepted: true)
        case .message(let message): _ = emit(message, wasAccepted: true)
        case .close(let code, let parcel): unsafe beginClosing(code, parcel.bytes)
        case .resume: goOn()
        }
        waitingActs.subtract(1, ordering: .acquiringAndReleasing)
    }

    /// Sees to it that the connection has its turn soon: now if this happens within a callback.
    func schedule() {
        guard let connection, !connection.state.isInService else { return }
        loop.enqueue(connection)
    }

    func goOn() {
        guard isPaused else { return }
        isPaused = false
        heardAt = loop.state.tick
        schedule()
    }

    /// Whether bytes from the client have a place to go.
    var wantsInput: Bool { !isPaused && !isHeld && stage != .closed }

    // MARK: - Frames out

    /// Writes a frame into the connection's output.
    func emit(
        _ opcode: WebSocketOpcode, isFinal: Bool, _ bytes: UnsafeRawBufferPointer,
        mayDeflate: Bool = false, wasAccepted: Bool = false
    ) -> WebSocketResult {
        guard let connection = writableConnection else { return .closed }
        // What another thread was told is accepted is not refused any more.
        guard wasAccepted || connection.pendingOutput <= options.queueBytesMax else {
            return .tooLong
        }
        if mayDeflate, unsafe emitDeflated(opcode, bytes, connection) {
            return answer(of: connection)
        }
        unsafe append(opcode, isFinal: isFinal, isCompressed: false, bytes, to: connection)
        return answer(of: connection)
    }

    /// Writes a message that other sockets have as well.
    func emit(_ message: WebSocketMessage, wasAccepted: Bool = false) -> WebSocketResult {
        guard let connection = writableConnection else { return .closed }
        guard wasAccepted || connection.pendingOutput <= options.queueBytesMax else {
            return .tooLong
        }
        let count = unsafe message.bytes.count
        if let compression, WebSocket.deflatedBytes.contains(count),
            // No reference leads further back than the message is long.
            compression.serverWindowBits == 15 || count <= 1 << compression.serverWindowBits,
            let shared = loop.state.compression.deflater(windowBits: 15)
        {
            var isSent = false
            let isDeflated = unsafe message.withDeflated(by: shared) { deflated in
                guard deflated.count < count else { return }
                unsafe append(
                    message.kind.opcode, isFinal: true, isCompressed: true, deflated,
                    to: connection)
                isSent = true
            }
            if isDeflated, isSent {
                // What the client has in its window is not what this socket's deflater has.
                deflater?.reset()
                return answer(of: connection)
            }
        }
        unsafe append(
            message.kind.opcode, isFinal: true, isCompressed: false, message.bytes,
            to: connection)
        return answer(of: connection)
    }

    private var writableConnection: Connection? {
        guard stage == .open || stage == .opening, let connection,
            !connection.state.isBroken
        else { return nil }
        return connection
    }

    /// Deflates and writes a message; false when it goes as it is.
    private func emitDeflated(
        _ opcode: WebSocketOpcode, _ bytes: UnsafeRawBufferPointer, _ connection: Connection
    ) -> Bool {
        guard let compression, WebSocket.deflatedBytes.contains(bytes.count) else { return false }
        let bits = compression.serverWindowBits
        let tool: Deflater
        if compression.serverKeepsContext {
            usesDeflater = true
            guard let own = deflater ?? Deflater(windowBits: min(bits, WebSocket.ownWindowBits))
            else { return false }
            deflater = own
            tool = own
        } else {
            guard let shared = loop.state.compression.deflater(windowBits: bits) else {
                return false
            }
            tool = shared
        }
        let (base, capacity) = unsafe loop.state.buffers.lend(bytes.count)
        defer { unsafe loop.state.buffers.giveBack(base, capacity: capacity) }
        var count = 0
        var fits = true
        let isDone = unsafe tool.deflate(bytes) { piece in
            fits = fits && count + piece.count < bytes.count
            guard fits, let from = piece.baseAddress else { return }
            unsafe (base + count).copyMemory(from: from, byteCount: piece.count)
            count += piece.count
        }
        if !compression.serverKeepsContext || !isDone || !fits { tool.reset() }
        guard isDone, fits else { return false }
        unsafe append(
            opcode, isFinal: true, isCompressed: true,
            UnsafeRawBufferPointer(start: base, count: count), to: connection)
        return true
    }

    /// The window of a deflater that a socket has for itself.
    private static let ownWindowBits = 13

    func append(
        _ opcode: WebSocketOpcode, isFinal: Bool, isCompressed: Bool,
        _ bytes: UnsafeRawBufferPointer, to connection: Connection
    ) {
        let isLarge = bytes.count >= Connection.largeBytes
        let room = unsafe connection.room(
            WebSocketServerFrame.headerLengthMax + (isLarge ? 0 : bytes.count))
        connection.state.outputEnd += unsafe WebSocketServerFrame.writeHeader(
            opcode: opcode, isFinal: isFinal, isCompressed: isCompressed,
            payloadLength: bytes.count, to: room)
        if isLarge {
            unsafe connection.appendLarge(bytes)
        } else {
            unsafe connection.append(bytes)
        }
        schedule()
    }

    /// Whether the sender may go on; if not, it is woken later.
    private func answer(of connection: Connection) -> WebSocketResult {
        switch connection.makeWay() {
        case .free: return .accepted
        case .full:
            waitsForWritable = true
            return .full
        case .broken:
            schedule()
            return .closed
        }
    }

    // MARK: - Time

    /// When the socket wants to be visited, in ticks.
    func deadline(_ now: UInt64) -> UInt64 {
        switch stage {
        case .closing: return closesAt
        case .opening, .closed: return TimerWheel.never
        case .open:
            let ping = ticks(options.pingSeconds)
            guard ping > 0, !isPaused, !isHeld else { return TimerWheel.never }
            return pingedAt == 0 ? heardAt + ping : pingedAt + max(1, ticks(options.pongSeconds))
        }
    }

    /// A deadline is over; false when the client has to be given up.
    func expire(_ now: UInt64) -> Bool {
        guard deadline(now) <= now else { return true }
        guard stage == .open, pingedAt == 0 else { return false }
        if !usesDeflater { deflater = nil }
        usesDeflater = false
        pingedAt = now
        let nothing = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
        _ = unsafe emit(.ping, isFinal: true, nothing)
        return true
    }

    func noteInput() {
        heardAt = loop.state.tick
        pingedAt = 0
    }

    func ticks(_ seconds: Double) -> UInt64 {
        seconds <= 0 ? 0 : max(1, UInt64(seconds * 1000) / TimerWheel.tickMilliseconds)
    }
}
