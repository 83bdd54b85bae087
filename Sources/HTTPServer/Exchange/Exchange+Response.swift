import Glibc
public import HTTPWire

extension Exchange {
    /// Gives the whole response at once.
    ///
    /// The server writes Date, Server, Content-Length and Connection; a response to HEAD, and one
    /// with status 204, 205 or 304, goes without its body. The bytes are copied before the call
    /// returns.
    ///
    /// - Returns: `accepted`, `closed`, or a refusal, after which the response is still owed.
    public func respond(
        status: UInt16, fields: UnsafeBufferPointer<HeaderField>, body: UnsafeRawBufferPointer
    ) -> ResponseResult {
        guard state.response == .none else { return .outOfOrder }
        guard let connection = state.connection else {
            complete()
            return .closed
        }
        let hasBody = ResponseRules.allowsBody(status) && state.head.method != .head
        let inlined = hasBody && body.count < Connection.largeBytes ? body.count : 0
        guard
            unsafe connection.appendHead(
                self, status: status, fields: fields, length: UInt64(body.count), spare: inlined)
        else { return .fieldRefused }
        if hasBody, body.count > 0 {
            if inlined > 0 {
                unsafe connection.append(body)
            } else {
                if body.count > LargeShares.worthwhileBytes { connection.wantLargeShare() }
                unsafe connection.appendLarge(body)
            }
        }
        complete()
        return .accepted
    }

    /// Gives status and fields; the body follows with `write` and ends with `finish`.
    ///
    /// - Parameters:
    ///   - contentLength: the number of bytes that will follow; `nil` sends chunks, or to an
    ///     HTTP/1.0 client everything up to the end of the connection.
    public func begin(
        status: UInt16, fields: UnsafeBufferPointer<HeaderField>, contentLength: UInt64?
    ) -> ResponseResult {
        guard state.response == .none else { return .outOfOrder }
        guard let connection = state.connection else {
            state.response = .begun
            return .closed
        }
        guard
            unsafe connection.appendHead(
                self, status: status, fields: fields, length: contentLength, spare: 0)
        else { return .fieldRefused }
        state.response = .begun
        state.bodyBytes = 0
        schedule()
        return .accepted
    }

    /// Sends a piece of the body; the bytes are copied before the call returns.
    public func write(_ bytes: UnsafeRawBufferPointer) -> ResponseResult {
        guard state.response == .begun, state.reserved == 0 else { return .outOfOrder }
        guard let connection = state.connection, !connection.state.isBroken else { return .closed }
        if state.framing == .length, UInt64(bytes.count) > state.responseRemaining {
            return .tooLong
        }
        if state.framing == .none || bytes.count == 0 { return .accepted }
        guard connection.pendingOutput <= connection.loop.state.limits.outputBytesMax else {
            return .tooLong
        }
        state.bodyBytes &+= UInt64(bytes.count)
        if state.framing == .chunked {
            connection.appendChunkSize(bytes.count)
        } else if state.framing == .length {
            state.responseRemaining -= UInt64(bytes.count)
        }
        if bytes.count < Connection.largeBytes {
            unsafe connection.append(bytes)
        } else {
            unsafe connection.appendLarge(bytes)
        }
        if state.framing == .chunked { connection.append("\r\n") }
        schedule()
        return answer(of: connection)
    }

    /// Lends room for `count` bytes of the body, to be filled in place and given with `commit`;
    /// `nil` where `write` would refuse.
    public func reserve(_ count: Int) -> UnsafeMutableRawPointer? {
        guard state.response == .begun, state.reserved == 0, count > 0,
            let connection = state.connection, !connection.state.isBroken,
            state.framing != .length || UInt64(count) <= state.responseRemaining,
            connection.pendingOutput <= connection.loop.state.limits.outputBytesMax
        else { return nil }
        state.reserved = count
        let margin = state.framing == .chunked ? Connection.chunkLineBytes : 0
        return unsafe UnsafeMutableRawPointer(connection.room(count + margin + 2) + margin)
    }

    /// Sends the first `count` bytes of what `reserve` lent; 0 gives the room back.
    public func commit(_ count: Int) -> ResponseResult {
        guard count >= 0, count <= state.reserved, let connection = state.connection else {
            return .outOfOrder
        }
        state.reserved = 0
        guard count > 0, state.framing != .none else { return .accepted }
        state.bodyBytes &+= UInt64(count)
        let start = unsafe connection.room(0)
        var total = count
        if state.framing == .chunked {
            unsafe Connection.putChunkLine(count, to: start)
            let end = unsafe start + Connection.chunkLineBytes + count
            unsafe end[0] = 0x0D
            unsafe end[1] = 0x0A
            total += Connection.chunkLineBytes + 2
        } else if state.framing == .length {
            state.responseRemaining -= UInt64(count)
        }
        connection.state.outputEnd += total
        schedule()
        return answer(of: connection)
    }

    /// Ends the body. A body that is shorter than declared is cut like `abort()` does.
    public func finish() {
        guard state.response == .begun else { return }
        if let connection = state.connection {
            switch state.framing {
            case .chunked: connection.append("0\r\n\r\n")
            case .length: state.isCut = state.responseRemaining > 0
            case .none, .close: break
            }
        }
        complete()
    }

    /// Completes the response by cutting the connection, so that the client cannot take what it has
    /// for the whole.
    public func abort() {
        guard state.response != .complete else { return }
        state.isCut = true
        complete()
    }

    @inline(__always)
    func complete() {
        state.response = .complete
        schedule()
    }

    /// Whether the writer may go on; if not, it is woken later.
    private func answer(of connection: Connection) -> ResponseResult {
        switch connection.makeWay() {
        case .free: return .accepted
        case .full:
            state.waitsForWritable = true
            return .full
        case .broken:
            schedule()
            return .closed
        }
    }
}
