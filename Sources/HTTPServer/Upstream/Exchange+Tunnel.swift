import Glibc
import HTTPWire

extension Exchange {
    /// Answers 101 and turns the connection into a tunnel: what the client sends goes to the
    /// observer's `onBody` as it is, `isLast` with the end of it; `write` sends bytes as they are
    /// and `finish` ends the connection.
    ///
    /// The exchange goes on until then, so it counts as being under way. False when a field is
    /// refused or the client is gone; then nothing has been sent.
    func openTunnel(_ fields: UnsafeBufferPointer<HeaderField>) -> Bool {
        guard state.response == .none, let connection = state.connection,
            !connection.state.isBroken, connection.state.phase == .waiting
        else { return false }
        var needed = ResponseWriter.frameLengthMax + connection.loop.state.preambleCount + 256
        for index in 0..<fields.count {
            needed += unsafe fields[index].name.count + fields[index].value.count + 4
        }
        var writer = unsafe ResponseWriter(
            UnsafeMutableRawBufferPointer(start: connection.room(needed), count: needed))
        _ = writer.statusLine(101)
        _ = writer.verbatim(connection.loop.commonLines)
        _ = writer.verbatim(ByteSlice("Connection: Upgrade\r\nUpgrade: websocket\r\n"))
        for index in 0..<fields.count {
            let field = unsafe fields[index]
            guard !ResponseRules.isReserved(field.name), writer.field(field.name, field.value)
            else { return false }
        }
        state.status = 101
        if state.isAccounted { unsafe noteHead(.close, nil, fields, &writer) }
        _ = writer.endOfHead()
        connection.state.outputEnd += writer.count
        state.response = .begun
        state.framing = .close
        state.keepsAlive = false
        state.bodyBytes = 0
        state.isPaused = false
        connection.state.phase = .tunnel
        schedule()
        return true
    }
}

extension Connection {
    /// Hands what the client has sent through a tunnel to the observer; false when more has to
    /// come, or the observer has to go on, first.
    func carry() -> Bool {
        guard let exchange = state.exchange else { return false }
        if exchange.isComplete {
            finish(exchange)
            return true
        }
        let observer = exchange.state.observer
        guard !exchange.state.isPaused, let onBody = unsafe observer.onBody else { return false }
        if availableInput > 0 {
            let bytes = unsafe input
            exchange.state.isResumed = false
            let goesOn = unsafe onBody(observer.context, bytes.baseAddress, bytes.count, false)
            if !goesOn { exchange.state.isPaused = !exchange.state.isResumed }
            consume(bytes.count)
        } else if state.peerHasFinished, !state.hasToldEnd {
            state.hasToldEnd = true
            _ = unsafe onBody(observer.context, nil, 0, true)
        } else {
            return false
        }
        return true
    }
}
