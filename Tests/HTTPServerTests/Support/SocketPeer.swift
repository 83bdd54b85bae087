import HTTPServer
import HTTPWire
import Synchronization

/// The server's side of a WebSocket, made of closures that run on the reactor's thread.
///
/// `@unchecked Sendable` because the socket is set before anything can be heard of it.
final class SocketPeer: @unchecked Sendable {
    struct Message: Equatable, Sendable {
        var kind: WebSocketMessageKind
        var bytes: [UInt8]
        var isLast = true

        var text: String { String(decoding: bytes, as: UTF8.self) }
    }

    struct End: Equatable, Sendable {
        var code: UInt16
        var reason: String
    }

    private(set) var socket: WebSocket?
    /// Called last, when the end has been noted.
    var onClosed: (SocketPeer) -> Void = { _ in }
    let opened = Signal()
    let writable = Signal()
    let closed = Signal()
    private let end = Mutex<End?>(nil)
    private let onMessage: @Sendable (SocketPeer, Message) -> Bool

    init(_ onMessage: @escaping @Sendable (SocketPeer, Message) -> Bool) {
        self.onMessage = onMessage
    }

    /// How it was closed.
    func waitForEnd() async -> End? {
        await closed.wait()
        return end.withLock { $0 }
    }

    /// Answers a handshake with this peer, or refuses it; on any thread.
    func accept(
        _ exchange: Exchange, _ options: WebSocketOptions = WebSocketOptions(),
        subprotocol: StaticString = ""
    ) {
        do throws(WebSocketHandshake.Refusal) {
            let handshake = try exchange.webSocketHandshake()
            var observer = WebSocketObserver()
            observer.context = Unmanaged.passRetained(self).toOpaque()
            observer.onOpen = { SocketPeer.of($0).opened.set() }
            observer.onMessage = { context, kind, bytes, count, isLast in
                let peer = SocketPeer.of(context)
                let message = Message(
                    kind: WebSocketMessageKind(rawValue: kind) ?? .binary,
                    bytes: Array(UnsafeRawBufferPointer(start: bytes, count: count)),
                    isLast: isLast)
                return peer.onMessage(peer, message)
            }
            observer.onWritable = { SocketPeer.of($0).writable.set() }
            observer.onClosed = { context, code, reason, count in
                let peer = SocketPeer.of(context)
                let text = String(
                    decoding: UnsafeRawBufferPointer(start: reason, count: count), as: UTF8.self)
                peer.end.withLock { $0 = End(code: code, reason: text) }
                peer.closed.set()
                peer.onClosed(peer)
                Unmanaged.passUnretained(peer).release()
            }
            let socket = exchange.webSocket(
                for: handshake, subprotocol: ByteSlice(subprotocol), options: options,
                observer: observer)
            self.socket = socket
            exchange.accept(socket)
        } catch {
            _ = exchange.refuseWebSocket(error)
        }
    }

    private static func of(_ context: UnsafeMutableRawPointer?) -> SocketPeer {
        guard let context else { preconditionFailure("a socket without its peer") }
        return Unmanaged<SocketPeer>.fromOpaque(context).takeUnretainedValue()
    }

    @discardableResult
    func send(_ text: String) -> WebSocketResult { send(.text, Array(text.utf8)) }

    @discardableResult
    func send(_ kind: WebSocketMessageKind, _ bytes: [UInt8]) -> WebSocketResult {
        bytes.withUnsafeBytes { socket?.send(kind, $0) ?? .closed }
    }

    @discardableResult
    func sendPiece(
        _ kind: WebSocketMessageKind, _ bytes: [UInt8], isLast: Bool
    ) -> WebSocketResult {
        bytes.withUnsafeBytes { socket?.sendPiece(kind, $0, isLast: isLast) ?? .closed }
    }

    @discardableResult
    func close(_ code: UInt16, _ reason: String = "") -> WebSocketResult {
        Array(reason.utf8).withUnsafeBytes { socket?.close(code: code, reason: $0) ?? .closed }
    }

    /// Runs code that may not return soon, as the bridge to plugins does.
    func call(_ kind: SocketCallKind, _ code: () -> Void) {
        guard let socket else { return }
        let call = socket.beginCall(kind)
        code()
        if !socket.endCall(call) { socket.surrender(kind, result: 0) }
    }

    /// A peer that sends everything back.
    static func echo() -> SocketPeer {
        SocketPeer { peer, message in
            peer.send(message.kind, message.bytes)
            return true
        }
    }
}

extension TestApplication.Route {
    /// A route whose WebSockets send everything back.
    static func echoSocket(
        _ change: @escaping @Sendable (inout WebSocketOptions) -> Void = { _ in }
    ) -> Self {
        socket(change) { SocketPeer.echo() }
    }

    static func socket(
        _ change: @escaping @Sendable (inout WebSocketOptions) -> Void = { _ in },
        _ peer: @escaping @Sendable () -> SocketPeer
    ) -> Self {
        buffered { exchange in
            var options = WebSocketOptions()
            change(&options)
            peer().accept(exchange, options)
        }
    }
}
