import Glibc
import HTTPWire

/// What HTTP says about responses in general.
enum ResponseRules {
    /// Whether a response of this status has a body.
    ///
    /// - Source: RFC 9110, sections 15.3.5 (204), 15.3.6 (205) and 15.4.5 (304).
    @inline(__always)
    static func allowsBody(_ status: UInt16) -> Bool {
        status &- 204 > 1 && status != 304
    }

    /// Whether the server writes this field itself, so that nobody can contradict the framing.
    @inline(__always)
    static func isReserved(_ name: ByteSlice) -> Bool {
        switch name.count {
        case 4: name.equalsIgnoringCase("date")
        case 10: name.equalsIgnoringCase("connection")
        case 14: name.equalsIgnoringCase("content-length")
        case 17: name.equalsIgnoringCase("transfer-encoding")
        default: false
        }
    }
}

extension Connection {
    /// Writes status line and fields, and decides how the body will be framed; false when something
    /// is refused, and then nothing has been written.
    ///
    /// - Parameters:
    ///   - length: the length of the body, or `nil` when it is not known.
    ///   - spare: room for the first bytes of the body that are wanted with the head.
    @inline(__always)
    func appendHead(
        _ exchange: Exchange, status: UInt16, fields: UnsafeBufferPointer<HeaderField>,
        length: UInt64?, spare: Int
    ) -> Bool {
        guard status >= 200, status <= 999 else { return false }
        if loop.state.isLeaving { exchange.state.keepsAlive = false }
        if hasBodyLeft { settleBodyLeft(exchange, isWhole: length != nil) }
        var needed =
            ResponseWriter.frameLengthMax + Connection.ownFieldBytesMax
            + loop.state.preambleCount + spare
        for index in 0..<fields.count {
            needed &+= unsafe fields[index].name.count &+ fields[index].value.count &+ 4
        }
        var writer = unsafe ResponseWriter(
            UnsafeMutableRawBufferPointer(start: room(needed), count: needed))
        if status == 200 {
            _ = unsafe writer.ready(loop.state.preamble, count: loop.state.preambleCount)
        } else {
            guard writer.statusLine(status) else { return false }
            _ = writer.verbatim(loop.commonLines)
        }
        for index in 0..<fields.count {
            let field = unsafe fields[index]
            guard !ResponseRules.isReserved(field.name), writer.field(field.name, field.value)
            else { return false }
        }
        let framing = exchange.frame(status: status, length: length)
        if let length, ResponseRules.allowsBody(status) {
            _ = writer.contentLength(length)
        } else if framing == .chunked {
            _ = writer.field("Transfer-Encoding", ByteSlice("chunked"))
        } else if status == 205 {
            _ = writer.contentLength(0)
        }
        if !exchange.state.keepsAlive {
            _ = writer.field("Connection", ByteSlice("close"))
        } else if exchange.state.head.minorVersion == 0 {
            _ = writer.field("Connection", ByteSlice("keep-alive"))
        }
        exchange.state.status = status
        if exchange.state.isAccounted {
            unsafe exchange.noteHead(framing, length, fields, &writer)
        }
        _ = writer.endOfHead()
        state.outputEnd &+= writer.count
        return true
    }

    /// The most bytes of the fields that only some responses have: `Connection`,
    /// `Transfer-Encoding` and `X-Request-ID`.
    private static let ownFieldBytesMax = 64 + 16 + RequestIdentifier.bytesMax

    /// Decides whether the connection can go on after a response that comes before the end of the
    /// request's body.
    @inline(never)
    private func settleBodyLeft(_ exchange: Exchange, isWhole: Bool) {
        let isRead = unsafe !isWhole && exchange.state.observer.onBody != nil
        if state.owesContinue {
            state.owesContinue = false
            if isRead {
                append("HTTP/1.1 100 Continue\r\n\r\n")
            } else {
                exchange.state.keepsAlive = false
            }
        }
        if !isRead, state.bodyRemaining > UInt64(loop.state.limits.discardedBytesMax) {
            exchange.state.keepsAlive = false
        }
    }
}

extension Exchange {
    /// Sets how the end of the response's body will be marked.
    @inline(__always)
    fileprivate func frame(status: UInt16, length: UInt64?) -> ResponseFraming {
        let framing: ResponseFraming
        if state.head.method == .head || !ResponseRules.allowsBody(status) {
            framing = .none
        } else if let length {
            framing = .length
            state.responseRemaining = length
        } else if state.head.minorVersion > 0 {
            framing = .chunked
        } else {
            framing = .close
            state.keepsAlive = false
        }
        state.framing = framing
        return framing
    }
}
