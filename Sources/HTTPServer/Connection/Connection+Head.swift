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
    static func isReserved(_ name: ByteSlice) -> Bool { ReservedField.holds(name) }
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
            ResponseWriter.frameLengthMax &+ Connection.ownFieldBytesMax
            &+ loop.state.preambleCount &+ spare
        for index in 0..<fields.count {
            needed &+= unsafe fields[index].name.count &+ fields[index].value.count &+ 4
        }
        var writer = unsafe ResponseWriter(
            UnsafeMutableRawBufferPointer(start: room(needed), count: needed))
        // The lines behind the status line are the same for every status.
        var skipped = 0
        if status != 200 {
            guard writer.statusLine(status) else { return false }
            skipped = Loop.okLineBytes
        }
        let statedLength = ResponseRules.allowsBody(status) ? length : status == 205 ? 0 : nil
        guard
            unsafe writer.head(
                ready: loop.state.preamble + skipped, count: loop.state.preambleCount &- skipped,
                fields, length: statedLength)
        else { return false }
        let framing = exchange.frame(status: status, length: length)
        if framing == .chunked {
            _ = writer.field("Transfer-Encoding", ByteSlice("chunked"))
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
