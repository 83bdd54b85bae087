import Glibc
public import HTTPWire
import Synchronization

/// What is agreed on with a handshake.
struct WebSocketAgreement: Sendable {
    let compression: PerMessageDeflate?
    /// The answer's lines after `Date` and `Server`.
    let lines: String

    init(_ handshake: WebSocketHandshake, _ options: WebSocketOptions, subprotocol: ByteSlice) {
        compression =
            options.compresses && !options.deliversPieces
            ? handshake.compression(.init(keepsContext: options.keepsContext)) : nil
        var lines = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
        lines += WebSocketKey.accept(handshake.key) + "\r\n"
        if !subprotocol.isEmpty {
            lines += "Sec-WebSocket-Protocol: " + String(decoding: subprotocol) + "\r\n"
        }
        if let compression {
            lines += "Sec-WebSocket-Extensions: " + compression.answer + "\r\n"
        }
        self.lines = lines + "\r\n"
    }
}

extension Exchange {
    /// Judges whether the request asks for a WebSocket; on any thread, while the response is owed.
    public func webSocketHandshake() throws(WebSocketHandshake.Refusal) -> WebSocketHandshake {
        try unsafe WebSocketHandshake(head: head, fields: fields)
    }

    /// Makes the WebSocket that the client asks for; nothing is sent before it is accepted.
    ///
    /// - Parameter subprotocol: one that the client offers, a token; empty for none.
    public func webSocket(
        for handshake: WebSocketHandshake, subprotocol: ByteSlice, options: WebSocketOptions,
        observer: WebSocketObserver
    ) -> WebSocket {
        WebSocket(
            reactor: reactor, options: options,
            agreement: WebSocketAgreement(handshake, options, subprotocol: subprotocol),
            observer: observer)
    }

    /// Completes the response with 101 and turns the connection into the WebSocket; on any thread.
    ///
    /// Whatever has become of the client, `onClosed` is called in the end.
    public func accept(_ socket: WebSocket) {
        let entry = enterLoop()
        if entry.isOpen {
            upgrade(to: socket)
            leaveLoop(entry)
        } else {
            socket.waitingActs.add(1, ordering: .acquiringAndReleasing)
            if !remote.putHandshake(.upgrade(socket)) { socket.lost() }
        }
    }

    /// Completes the response to a request that is no handshake; on any thread.
    public func refuseWebSocket(_ refusal: WebSocketHandshake.Refusal) -> ResponseResult {
        let entry = enterLoop()
        guard entry.isOpen else {
            return remote.putHandshake(.refuse(refusal)) ? .accepted : .closed
        }
        defer { leaveLoop(entry) }
        return refuse(refusal)
    }

    /// Writes a response that tells how to ask for a WebSocket.
    ///
    /// - Source: RFC 9110, section 15.5.22; RFC 6455, section 4.4.
    func refuse(_ refusal: WebSocketHandshake.Refusal) -> ResponseResult {
        guard state.response == .none else { return .outOfOrder }
        guard let connection = state.connection else {
            complete()
            return .closed
        }
        if connection.hasBodyLeft || connection.loop.state.isDraining {
            state.keepsAlive = false
        }
        let hasBody = state.head.method != .head
        let body = ProblemDocument.json(
            status: refusal.status, detail: refusal.reason, about: self)
        connection.appendPreamble(refusal.status, about: self)
        connection.append("Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n")
        connection.append(
            state.keepsAlive ? "Connection: Upgrade\r\n" : "Connection: close, Upgrade\r\n")
        connection.append("Content-Type: application/problem+json\r\nContent-Length: ")
        connection.append(text: "\(body.utf8.count)\r\n\r\n")
        if hasBody { connection.append(text: body) }
        state.bodyBytes = hasBody ? UInt64(body.utf8.count) : 0
        complete()
        return .accepted
    }

    /// Writes the answer to the handshake and hands the connection over.
    func upgrade(to socket: WebSocket) {
        guard state.response == .none, let connection = state.connection,
            !connection.state.isBroken
        else {
            if state.response == .none { complete() }
            state.loop.state.orphans.append(socket)
            return
        }
        connection.appendPreamble(101, about: self)
        connection.append(text: socket.agreement.lines)
        state.keepsAlive = false
        socket.connection = connection
        connection.state.socket = socket
        complete()
    }
}

extension Connection {
    /// Appends the status line and the lines that every response has.
    fileprivate func appendPreamble(_ status: UInt16, about exchange: Exchange) {
        exchange.state.status = status
        append(text: "HTTP/1.1 \(status) \(ProblemDocument.title(of: status))\r\n")
        unsafe append(loop.commonLines.buffer)
        append(text: "X-Request-ID: \(String(decoding: exchange.requestID))\r\n")
    }

    fileprivate func append(text: String) {
        var text = text
        text.withUTF8 { unsafe append(UnsafeRawBufferPointer($0)) }
    }

    /// The exchange that asked for a WebSocket has ended: from now on its frames are read.
    func become(_ socket: WebSocket) {
        state.phase = .socket
        if loop.state.isDraining {
            socket.close(WebSocketCloseCode.goingAway, "the server stops")
        }
    }

    /// Wakes a sender that was told to wait; false when there is none, or when it has to wait on.
    func wakeSender() -> Bool {
        guard let socket = state.socket else { return false }
        if socket.wantsRoom.exchange(false, ordering: .acquiringAndReleasing) {
            socket.waitsForWritable = true
        }
        guard socket.waitsForWritable, socket.stage == .open, !socket.isHeld,
            turnBytes < loop.state.limits.turnBytesMax
        else { return false }
        socket.waitsForWritable = false
        unsafe socket.observer.onWritable?(socket.observer.context)
        return true
    }
}

extension Reactor {
    /// Closes the sockets that `isMeant` picks by their context; on the loop's thread.
    ///
    /// Their `onClosed` comes when their clients have answered, or have not in time.
    public func closeWebSockets(
        code: UInt16, reason: StaticString, where isMeant: (UnsafeMutableRawPointer?) -> Bool
    ) {
        loop.forEachConnection { connection in
            guard let socket = connection.state.socket, unsafe isMeant(socket.context) else {
                return
            }
            socket.close(code, reason)
        }
    }
}
