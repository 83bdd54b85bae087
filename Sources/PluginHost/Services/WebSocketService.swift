internal import CPluginABI
internal import HTTPServer
internal import HTTPWire
internal import Synchronization

/// `ph.websocket/1`: the functions by which plugins accept WebSockets and send.
enum WebSocketService {
    /// The table that plugins are handed; it lives as long as the process.
    // because it is written once, here
    nonisolated(unsafe) static let table: UnsafePointer<ph_websocket> = {
        let table = UnsafeMutablePointer<ph_websocket>.allocate(capacity: 1)
        unsafe table.initialize(
            to: ph_websocket(
                size: UInt32(MemoryLayout<ph_websocket>.size),
                accept: { unsafe accept($0, $1, $2, $3) },
                send: { unsafe send($0, $1, $2) },
                send_piece: { unsafe sendPiece($0, $1, $2, $3) },
                broadcast: { unsafe broadcast($0, $1, $2, $3, $4) },
                ping: { unsafe ping($0, $1) },
                resume: { unsafe resume($0) },
                close: { unsafe close($0, $1, $2) },
                release: { unsafe release($0) }))
        return unsafe UnsafePointer(table)
    }()

    // MARK: - Accepting

    private static func accept(
        _ response: OpaquePointer?, _ options: UnsafePointer<ph_socket_options>?,
        _ observer: UnsafePointer<ph_socket_observer>?,
        _ result: UnsafeMutablePointer<OpaquePointer?>?
    ) -> ph_status {
        guard let result = unsafe result, let observer = unsafe observer, unsafe response != nil,
            unsafe Int(observer.pointee.size) >= MemoryLayout<ph_socket_observer>.size,
            unsafe observer.pointee.on_closed != nil,
            let wishes = unsafe SocketWishes(options)
        else { return code(PH_INVALID) }
        guard let (pointer, word) = unsafe RecordPointer.of(response),
            unsafe RecordPointer.phase(word) == .owed,
            unsafe !PluginApplication.isWithHook(pointer)
        else { return code(PH_WRONG_STATE) }
        unsafe result.pointee = nil
        let exchange = unsafe pointer.record.pointee.exchange
        let handshake: WebSocketHandshake
        do throws(WebSocketHandshake.Refusal) {
            handshake = try exchange.webSocketHandshake()
            if !wishes.allowsForeignOrigins, handshake.isForeign(exchange.head) {
                throw .originForeign
            }
        } catch {
            return unsafe PluginHTTP.complete(pointer, word) { exchange.refuseWebSocket(error) }
        }
        let subprotocol = wishes.choose(handshake)
        return unsafe PluginHTTP.complete(pointer, word) {
            let record = unsafe SocketPointer.take()
            unsafe record.fill(observer, pointer, subprotocol)
            let socket = unsafe exchange.webSocket(
                for: handshake, subprotocol: subprotocol, options: wishes.options,
                observer: PluginSocketObserver.observer(record))
            unsafe record.address.pointee.socket = .passRetained(socket)
            unsafe result.pointee = record.handle
            unsafe pointer.record.pointee.serving.pointee.socketBegan(exchange.reactorIndex)
            exchange.accept(socket)
            return .accepted
        }
    }

    // MARK: - Using

    private static func send(
        _ handle: OpaquePointer?, _ kind: UInt32, _ message: ph_bytes
    ) -> ph_status {
        unsafe use(handle) { socket in
            guard let kind = kind.messageKind, let bytes = unsafe message.buffer else {
                return .invalid
            }
            return unsafe socket.send(kind, bytes)
        }
    }

    private static func sendPiece(
        _ handle: OpaquePointer?, _ kind: UInt32, _ piece: ph_bytes, _ last: UInt32
    ) -> ph_status {
        unsafe use(handle) { socket in
            guard let kind = kind.messageKind, let bytes = unsafe piece.buffer else {
                return .invalid
            }
            return unsafe socket.sendPiece(kind, bytes, isLast: last != 0)
        }
    }

    private static func broadcast(
        _ handles: UnsafePointer<OpaquePointer?>?, _ count: Int, _ kind: UInt32,
        _ message: ph_bytes, _ results: UnsafeMutablePointer<ph_status>?
    ) -> ph_status {
        guard count >= 0, unsafe handles != nil || count == 0, let kind = kind.messageKind,
            let bytes = unsafe message.buffer,
            let shared = unsafe WebSocketMessage(kind, bytes)
        else { return code(PH_INVALID) }
        for index in 0..<count {
            var status = code(PH_OK)
            if let handle = unsafe handles?[index] {
                status = unsafe use(handle) { $0.send(shared) }
            }
            unsafe results?[index] = status
        }
        return code(PH_OK)
    }

    private static func ping(_ handle: OpaquePointer?, _ payload: ph_bytes) -> ph_status {
        unsafe use(handle) { socket in
            guard let bytes = unsafe payload.buffer else { return .invalid }
            return unsafe socket.ping(bytes)
        }
    }

    private static func resume(_ handle: OpaquePointer?) -> ph_status {
        unsafe use(handle) { socket in
            socket.resume()
            return .accepted
        }
    }

    private static func close(
        _ handle: OpaquePointer?, _ number: UInt32, _ reason: ph_text
    ) -> ph_status {
        unsafe use(handle) { socket in
            guard let number = UInt16(exactly: number), unsafe reason.length <= 123,
                unsafe reason.data != nil || reason.length == 0,
                number != WebSocketCloseCode.none
            else { return .invalid }
            let text = unsafe UnsafeRawBufferPointer(start: reason.data, count: reason.length)
            return unsafe socket.close(code: number, reason: text)
        }
    }

    private static func release(_ handle: OpaquePointer?) -> ph_status {
        guard unsafe handle != nil else { return code(PH_INVALID) }
        guard let record = unsafe SocketPointer.of(handle),
            unsafe record.move(.closed, to: .released)
        else { return code(PH_WRONG_STATE) }
        unsafe record.letGo()
        return code(PH_OK)
    }

    private static func use(
        _ handle: OpaquePointer?, _ body: (WebSocket) -> WebSocketResult
    ) -> ph_status {
        guard unsafe handle != nil else { return code(PH_INVALID) }
        guard let record = unsafe SocketPointer.of(handle),
            let socket = unsafe record.address.pointee.socket
        else { return code(PH_WRONG_STATE) }
        return unsafe code(socket._withUnsafeGuaranteedRef(body))
    }

    // MARK: - Results

    private static func code(_ status: Int) -> ph_status { ph_status(truncatingIfNeeded: status) }

    private static func code(_ result: WebSocketResult) -> ph_status {
        switch result {
        case .accepted: code(PH_OK)
        case .full: code(PH_FULL)
        case .closed: code(PH_CLOSED)
        case .invalid: code(PH_INVALID)
        case .outOfOrder: code(PH_WRONG_STATE)
        case .tooLong: code(PH_LIMIT)
        }
    }
}

extension UInt32 {
    /// What the plugin header calls the kind of a message.
    fileprivate var messageKind: WebSocketMessageKind? {
        UInt8(exactly: self).flatMap { WebSocketMessageKind(rawValue: $0) }
    }
}

extension ph_bytes {
    /// The octets; nil when there are some and no address.
    fileprivate var buffer: UnsafeRawBufferPointer? {
        guard unsafe length >= 0, unsafe data != nil || length == 0 else { return nil }
        return unsafe UnsafeRawBufferPointer(start: data, count: length)
    }
}
