import Glibc
import HTTPWire
import Synchronization

// Only called on the reactor's thread.
extension WebSocket {
    /// The handshake's answer is on its way and the connection is this socket's.
    func open() {
        guard stage == .opening else { return }
        stage = .open
        noteInput()
        unsafe observer.onOpen.map { unsafe $0(observer.context) }
    }

    /// Takes from the connection's input what has come, until something has to wait.
    func advance(_ connection: Connection) {
        while stage != .closed, !isPaused, !connection.state.isBroken {
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
        guard receiver.isCompressed else { return unsafe deliver(bytes, isLast: isLast) }
        guard let inflater = inflater ?? loop.state.compression.takeInflater() else {
            return unsafe fail(
                WebSocketCloseCode.internalError, ByteSlice("there is no memory").buffer)
        }
        self.inflater = inflater
        let (base, capacity) = unsafe loop.state.buffers.lend(Inflater.chunkBytes)
        let room = unsafe UnsafeMutableRawBufferPointer(start: base, count: capacity)
        let outcome = unsafe inflater.inflate(bytes, isLast: isLast, room: room) { piece, isLast in
            unsafe deliver(piece, isLast: isLast)
            return stage == .open
        }
        unsafe loop.state.buffers.giveBack(base, capacity: capacity)
        if outcome == .damaged { return fail(.compressionInvalid) }
        if isLast, compression?.clientKeepsContext != true, let inflater = self.inflater {
            self.inflater = nil
            loop.state.compression.giveBack(inflater)
        }
    }

    /// Hands on a run of a message, at once or when all of it is there.
    private func deliver(_ bytes: UnsafeRawBufferPointer, isLast: Bool) {
        if receiver.kind == .text {
            guard unsafe text.accept(bytes), !isLast || text.isComplete else {
                return fail(.textNotUTF8)
            }
        }
        if options.deliversPieces || (isLast && messageCount == 0) {
            guard bytes.count <= options.messageBytesMax || options.deliversPieces else {
                return fail(.messageTooLong)
            }
            return unsafe tell(bytes, isLast: isLast)
        }
        guard messageCount + bytes.count <= options.messageBytesMax else {
            return fail(.messageTooLong)
        }
        unsafe keep(bytes)
        guard isLast else { return }
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
