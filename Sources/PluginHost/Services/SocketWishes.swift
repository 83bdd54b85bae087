internal import CPluginABI
internal import HTTPServer
internal import HTTPWire

/// A plugin's options for a WebSocket, read and checked.
@safe
struct SocketWishes {
    var options = WebSocketOptions()
    var allowsForeignOrigins = false
    /// Borrowed from the plugin for the length of the call.
    private var protocols = unsafe UnsafeBufferPointer<ph_text>(start: nil, count: 0)

    private static let protocolsMax = 64
    private static let bytesMax: UInt64 = 1 << 40

    /// - Returns: nil when a size, a flag or a subprotocol is not of the form asked for.
    init?(_ wanted: UnsafePointer<ph_socket_options>?) {
        guard let wanted = unsafe wanted else { return }
        let wishes = unsafe wanted.pointee
        let known =
            PH_SOCKET_PIECES | PH_SOCKET_COMPRESS | PH_SOCKET_KEEP_CONTEXT
            | PH_SOCKET_ANY_ORIGIN
        guard unsafe Int(wishes.size) >= MemoryLayout<ph_socket_options>.size,
            unsafe wishes.flags & ~UInt32(known) == 0,
            unsafe wishes.protocol_count <= Self.protocolsMax,
            unsafe wishes.protocols != nil || wishes.protocol_count == 0,
            unsafe wishes.message_bytes_max <= Self.bytesMax,
            unsafe wishes.queue_bytes_max <= Self.bytesMax
        else { return nil }
        unsafe protocols = unsafe UnsafeBufferPointer(
            start: wishes.protocols, count: wishes.protocol_count)
        for index in unsafe protocols.indices {
            guard unsafe Self.isToken(protocols[index]) else { return nil }
        }
        func has(_ flag: Int) -> Bool { unsafe wishes.flags & UInt32(flag) != 0 }
        options.deliversPieces = has(PH_SOCKET_PIECES)
        options.compresses = has(PH_SOCKET_COMPRESS)
        options.keepsContext = has(PH_SOCKET_KEEP_CONTEXT)
        allowsForeignOrigins = has(PH_SOCKET_ANY_ORIGIN)
        if unsafe wishes.message_bytes_max > 0 {
            options.messageBytesMax = unsafe Int(wishes.message_bytes_max)
        }
        if unsafe wishes.queue_bytes_max > 0 {
            options.queueBytesMax = unsafe Int(wishes.queue_bytes_max)
        }
        if unsafe wishes.ping_seconds > 0 {
            options.pingSeconds = unsafe Double(wishes.ping_seconds)
        }
        if unsafe wishes.pong_seconds > 0 {
            options.pongSeconds = unsafe Double(wishes.pong_seconds)
        }
    }

    /// The first of the plugin's subprotocols that the client offers; empty if there is none.
    func choose(_ handshake: WebSocketHandshake) -> ByteSlice {
        for index in unsafe protocols.indices {
            let name = unsafe Self.slice(protocols[index])
            if handshake.offers(subprotocol: name) { return name }
        }
        return ByteSlice()
    }

    private static func isToken(_ text: ph_text) -> Bool {
        guard unsafe text.data != nil, unsafe text.length > 0, unsafe text.length <= 256 else {
            return false
        }
        return unsafe slice(text).isToken
    }

    private static func slice(_ text: ph_text) -> ByteSlice {
        unsafe ByteSlice(UnsafeRawBufferPointer(start: text.data, count: text.length))
    }
}
