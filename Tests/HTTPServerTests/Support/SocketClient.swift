import HTTPWire

/// A client that writes and reads WebSocket frames one by one, right or wrong.
final class SocketClient {
    struct Frame: Equatable {
        /// The final bit, the reserved bits and the opcode.
        var first: UInt8
        var payload: [UInt8]

        var opcode: WebSocketOpcode? { WebSocketOpcode(rawValue: first & 0x0F) }
        var isFinal: Bool { first & 0x80 != 0 }
        var isCompressed: Bool { first & 0x40 != 0 }
        var text: String { String(decoding: payload, as: UTF8.self) }
        /// The code of a Close frame.
        var code: UInt16? {
            payload.count < 2 ? nil : UInt16(payload[0]) << 8 | UInt16(payload[1])
        }
        var reason: String { String(decoding: payload.dropFirst(2), as: UTF8.self) }
    }

    let client: TestClient
    let answer: TestResponse

    /// Connects and shakes hands.
    init(_ server: TestServer, _ path: String = "/", fields: String = "") throws {
        client = try server.client()
        answer = try Self.shakeHands(client, path, fields)
    }

    init(over client: TestClient, _ path: String = "/", fields: String = "") throws {
        self.client = client
        answer = try Self.shakeHands(client, path, fields)
    }

    static func request(_ path: String, fields: String = "") -> String {
        "GET \(path) HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            + fields + "\r\n"
    }

    private static func shakeHands(
        _ client: TestClient, _ path: String, _ fields: String
    ) throws -> TestResponse {
        let answer = try client.ask(request(path, fields: fields))
        guard answer.status == 101 else {
            throw TestClient.Failure(description: "no handshake: \(answer.head)")
        }
        return answer
    }

    /// The bytes of a frame with a mask.
    static func frame(_ first: UInt8, _ payload: [UInt8]) -> [UInt8] {
        var room = [UInt8](repeating: 0, count: 10)
        let count = WebSocketServerFrame.writeHeader(
            opcode: .binary, payloadLength: payload.count, to: &room)
        room[0] = first
        room[1] |= 0x80
        let key: [UInt8] = [0x11, 0x22, 0x33, 0x44]
        var masked = payload
        masked.withUnsafeMutableBytes { bytes in
            var mask = WebSocketMask(0x4433_2211)
            mask.remove(from: bytes)
        }
        return Array(room[..<count]) + key + masked
    }

    func send(_ first: UInt8, _ payload: [UInt8] = []) throws {
        try client.send(Self.frame(first, payload))
    }

    func send(_ text: String) throws { try send(0x81, Array(text.utf8)) }

    func sendClose(_ code: UInt16, _ reason: String = "") throws {
        try send(0x88, [UInt8(code >> 8), UInt8(code & 0xFF)] + Array(reason.utf8))
    }

    /// Reads one frame.
    func frame() throws -> Frame {
        let head = try client.read(count: 2)
        var length = Int(head[1])
        if length > 125 {
            length = try client.read(count: length == 126 ? 2 : 8).reduce(0) { $0 << 8 | Int($1) }
        }
        return Frame(first: head[0], payload: try client.read(count: length))
    }

    /// Whether the server ends the connection without another byte.
    func isClosed() -> Bool { client.isClosedByPeer() }
}
