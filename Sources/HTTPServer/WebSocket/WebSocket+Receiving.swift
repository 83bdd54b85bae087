import Glibc
import HTTPWire
import Synchronization

// Only called on the reactor's thread.
extension WebSocket {
    /// The handshake's answer is on its way and the connection is this socket's.
    private func open() {
        stage = .open
        noteInput()
        unsafe observer.onOpen?(observer.context)
    }

    /// Takes from the connection's input what has come, until something has to wait.
    ///
    /// Wherever the observer is called, all that is still to be done is in the state, so that
    /// another thread can go on with the loop.
    func advance(_ connection: Connection) {
        if stage == .opening { open() }
        while wantsInput, !connection.state.isBroken {
            if connection.pendingOutput > loop.state.limits.outputHighWaterBytes {
                connection.state.isStalledByOutput = true
                return
            }
            guard connection.availableInput > 0, let input = unsafe connection.state.input else {
                return endIfPeerHas(connection)
            }
            let (event, consumed) = unsafe receiver.next(
                UnsafeMutableRawBufferPointer(
                    start: input + connection.state.inputStart,
                    count: connection.availableInput))
            inputBytes = consumed
            switch event {
            case .needMore:
                connection.consume(consumed)
                return endIfPeerHas(connection)
            case .data(let bytes, let isLast):
                if stage == .open { unsafe take(bytes, isLast: isLast) }
            case .ping(let bytes):
                _ = unsafe emit(.pong, isFinal: true, bytes)
            case .pong: break
            case .close(let code, let reason): unsafe closed(by: connection, code, reason)
            case .invalid(let fault): fail(fault)
            }
            if stage != .closed { connection.consume(consumed) }
        }
    }

    private func endIfPeerHas(_ connection: Connection) {
        if connection.state.peerHasFinished { connection.state.isBroken = true }
    }

    private func take(_ bytes: UnsafeRawBufferPointer, isLast: Bool) {
        if receiver.isCompressed { return unsafe takeDeflated(bytes, isLast: isLast) }
        guard unsafe check(bytes, isLast: isLast) else { return }
        if options.deliversPieces || (isLast && messageCount == 0) {
            isInInput = true
            return unsafe tell(bytes, isLast: isLast)
        }
        unsafe keep(bytes)
        if isLast { tellMessage() }
    }

    private func takeDeflated(_ bytes: UnsafeRawBufferPointer, isLast: Bool) {
        guard let inflater = inflater ?? loop.state.compression.takeInflater() else {
            return unsafe fail(
                WebSocketCloseCode.internalError, ByteSlice("there is no memory").buffer)
        }
        self.inflater = inflater
        let (base, capacity) = unsafe loop.state.buffers.lend(Inflater.chunkBytes)
        let room = unsafe UnsafeMutableRawBufferPointer(start: base, count: capacity)
        let outcome = unsafe inflater.inflate(bytes, isLast: isLast, room: room) { piece, isLast in
            guard unsafe check(piece, isLast: isLast) else { return false }
            unsafe keep(piece)
            return true
        }
        unsafe loop.state.buffers.giveBack(base, capacity: capacity)
        if outcome == .damaged { return fail(.compressionInvalid) }
        guard isLast, stage == .open else { return }
        if compression?.clientKeepsContext != true {
            self.inflater = nil
            loop.state.compression.giveBack(inflater)
        }
        tellMessage()
    }

    /// Judges a run of a message by its length and, if it is text, its bytes.
    private func check(_ bytes: UnsafeRawBufferPointer, isLast: Bool) -> Bool {
        if receiver.kind == .text {
            guard unsafe text.accept(bytes), !isLast || text.isComplete else {
                fail(.textNotUTF8)
                return false
            }
        }
        if !options.deliversPieces, messageCount + bytes.count > options.messageBytesMax {
            fail(.messageTooLong)
            return false
        }
        return true
    }

    /// Hands over the message that has been put together.
    private func tellMessage() {
        isInInput = false
        unsafe tell(UnsafeRawBufferPointer(start: message, count: messageCount), isLast: true)
        dropMessage()
    }

    private func keep(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress else { return }
        let needed = messageCount + bytes.count
        if needed > messageCapacity {
            let (base, capacity) = unsafe loop.state.buffers.lend(
                max(needed, messageCapacity * 2))
            if let old = unsafe message {
                unsafe memcpy(base, old, messageCount)
                unsafe loop.state.buffers.giveBack(old, capacity: messageCapacity)
            }
            unsafe message = base
            messageCapacity = capacity
        }
        guard let message = unsafe message else { return }
        unsafe memcpy(message + messageCount, source, bytes.count)
        messageCount = needed
    }

    func dropMessage() {
        if let message = unsafe message {
            unsafe loop.state.buffers.giveBack(message, capacity: messageCapacity)
        }
        unsafe message = nil
        messageCapacity = 0
        messageCount = 0
    }

    private func tell(_ bytes: UnsafeRawBufferPointer, isLast: Bool) {
        guard let onMessage = unsafe observer.onMessage else { return }
        let goesOn = unsafe onMessage(
            observer.context, receiver.kind.rawValue, bytes.baseAddress, bytes.count, isLast)
        if !goesOn, stage == .open { isPaused = true }
    }
}
