import Foundation

/// A WebSocket of a test, frame by frame.
final class SocketClient {
    struct Frame: Equatable {
        /// The final bit, the reserved bits and the opcode.
        var first: UInt8
        var payload: Data

        var text: String { String(decoding: payload, as: UTF8.self) }
        /// The code of a Close frame; nil for any other.
        var code: Int? {
            first == 0x88 && payload.count >= 2 ? Int(payload[0]) << 8 | Int(payload[1]) : nil
        }
    }

    struct Refused: Error { let response: HTTPResponse }

    let client: HTTPClient
    let answer: HTTPResponse

    /// Connects to a path and shakes hands.
    init(_ host: HostProcess, _ path: String, headers: [String: String] = [:]) throws {
        client = try host.client()
        var fields = [
            "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        ]
        fields.merge(headers) { $1 }
        try client.send("GET", path, headers: fields)
        answer = try client.readHead()
        guard answer.status == 101 else { throw Refused(response: answer) }
    }

    func send(_ text: String) throws { try send(0x81, Data(text.utf8)) }

    /// Sends a frame; its mask is zero.
    func send(_ first: UInt8, _ payload: Data = Data()) throws {
        var bytes = [first]
        switch payload.count {
        case ..<126: bytes.append(0x80 | UInt8(payload.count))
        case ..<65_536: bytes += [0xFE, UInt8(payload.count >> 8), UInt8(payload.count & 0xFF)]
        default:
            bytes.append(0xFF)
            bytes += stride(from: 56, through: 0, by: -8).map {
                UInt8(truncatingIfNeeded: payload.count >> $0)
            }
        }
        try client.send(raw: bytes + [0, 0, 0, 0] + payload)
    }

    func close(_ code: Int = 1000) throws {
        try send(0x88, Data([UInt8(code >> 8), UInt8(code & 0xFF)]))
    }

    /// Reads one frame.
    func frame() throws -> Frame {
        let head = [UInt8](try client.read(exactly: 2))
        var length = Int(head[1])
        if length > 125 {
            let bytes = try client.read(exactly: length == 126 ? 2 : 8)
            length = bytes.reduce(0) { $0 << 8 | Int($1) }
        }
        return Frame(first: head[0], payload: Data(try client.read(exactly: length)))
    }
}
