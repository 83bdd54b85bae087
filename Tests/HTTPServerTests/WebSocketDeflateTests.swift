import HTTPWire
import Synchronization
import Testing

@testable import HTTPServer

/// permessage-deflate, both ways.
@Suite(.timeLimit(.minutes(10))) struct WebSocketDeflateTests {
    /// A client that deflates and inflates.
    private final class Client {
        let socket: SocketClient
        private let deflater: Deflater
        private let inflater: Inflater
        private let keepsOwnContext: Bool
        private let serverKeepsContext: Bool

        init(_ server: TestServer, _ offer: String) throws {
            socket = try SocketClient(
                server, fields: "Sec-WebSocket-Extensions: \(offer)\r\n")
            let answer = socket.answer["sec-websocket-extensions"] ?? ""
            try #require(answer.hasPrefix("permessage-deflate"))
            keepsOwnContext = !answer.contains("client_no_context_takeover")
            serverKeepsContext = !answer.contains("server_no_context_takeover")
            deflater = try #require(Deflater(windowBits: 15))
            inflater = try #require(Inflater())
        }

        func deflated(_ bytes: [UInt8]) -> [UInt8] {
            var result: [UInt8] = []
            if !keepsOwnContext { deflater.reset() }
            _ = bytes.withUnsafeBytes { deflater.deflate($0) { result += $0 } }
            return result
        }

        /// Reads a message, inflated if need be.
        func message() throws -> [UInt8] {
            let frame = try socket.frame()
            guard frame.isCompressed else { return frame.payload }
            if !serverKeepsContext { inflater.reset() }
            let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 1)
            defer { room.deallocate() }
            var result: [UInt8] = []
            let outcome = frame.payload.withUnsafeBytes {
                inflater.inflate($0, isLast: true, room: room) { piece, _ in
                    result += piece
                    return true
                }
            }
            try #require(outcome == .consumed)
            return result
        }
    }

    private static let texts = (0..<40).map { number in
        Array(String(repeating: "message \(number % 7), ", count: number * number).utf8)
    }

    @Test(
        arguments: [true, false],
        [
            "permessage-deflate", "permessage-deflate; client_no_context_takeover",
            "permessage-deflate; server_no_context_takeover",
            "permessage-deflate; server_max_window_bits=9; client_max_window_bits",
        ])
    func messages_comeBack_whateverIsAgreedOn(_ keepsContext: Bool, _ offer: String) async throws {
        let route = TestApplication.Route.echoSocket {
            $0.compresses = true
            $0.keepsContext = keepsContext
        }
        try await withServer(["/": route]) { server in
            let client = try Client(server, offer)
            for text in Self.texts {
                try client.socket.send(0xC1, client.deflated(text))
                #expect(try client.message() == text)
                // What is not deflated is no part of the context.
                try client.socket.send(0x81, text)
                #expect(try client.message() == text)
            }
        }
    }

    @Test func deflatedFragments_arePutTogether() async throws {
        try await withServer(["/": .echoSocket { $0.compresses = true }]) { server in
            let client = try Client(server, "permessage-deflate")
            let text = Self.texts[30]
            let deflated = client.deflated(text)
            for (index, byte) in deflated.enumerated() {
                try client.socket.send(index == 0 ? 0x41 : 0x00, [byte])
            }
            try client.socket.send(0x80)
            #expect(try client.message() == text)
        }
    }

    @Test func messageToMany_andOwnMessages_areReadInTheirOrder() async throws {
        let peers = Mutex<[SocketPeer]>([])
        let route = TestApplication.Route.socket(
            {
                $0.compresses = true
                $0.keepsContext = true
            },
            {
                let peer = SocketPeer { peer, message in
                    peer.send(message.kind, message.bytes)
                    let shared = message.bytes.withUnsafeBytes {
                        WebSocketMessage(message.kind, $0)
                    }
                    guard let shared else { return true }
                    for other in peers.withLock({ $0 }) { _ = other.socket?.send(shared) }
                    return true
                }
                peers.withLock { $0.append(peer) }
                return peer
            })
        try await withServer(["/": route]) { server in
            let plain = try SocketClient(server)
            let narrow = try Client(server, "permessage-deflate; server_max_window_bits=10")
            let client = try Client(server, "permessage-deflate")
            for text in Self.texts {
                try client.socket.send(0xC1, client.deflated(text))
                #expect(try client.message() == text)
                #expect(try client.message() == text)
                #expect(try narrow.message() == text)
                #expect(try plain.frame() == .init(first: 0x81, payload: text))
            }
        }
    }

    @Test func messageThatInflatesBeyondTheLimit_isRefused_beforeItIsInflated() async throws {
        let route = TestApplication.Route.echoSocket {
            $0.compresses = true
            $0.messageBytesMax = 100_000
        }
        try await withServer(["/": route]) { server in
            let client = try Client(server, "permessage-deflate")
            let fits = [UInt8](repeating: 0x61, count: 100_000)
            try client.socket.send(0xC1, client.deflated(fits))
            #expect(try client.message() == fits)
            try client.socket.send(
                0xC1, client.deflated([UInt8](repeating: 0x61, count: 50_000_000)))
            #expect(try client.socket.frame().code == 1009)
            #expect(await server.peakBufferBytes() < 4 << 20)
        }
    }

    @Test(
        arguments: [
            ([0xFF, 0xFF, 0xFF], 1002), ([0x00, 0x05, 0x00, 0x00, 0x00], 1002),
            ([0xC2, 0xF7, 0x00], 1007),
        ] as [([UInt8], UInt16)])
    func damage_isRefused(_ payload: [UInt8], _ code: UInt16) async throws {
        try await withServer(["/": .echoSocket { $0.compresses = true }]) { server in
            let client = try Client(server, "permessage-deflate")
            let bytes = code == 1007 ? client.deflated([0x61, 0xFF, 0x61]) : payload
            try client.socket.send(0xC1, bytes)
            #expect(try client.socket.frame().code == code)
        }
    }

    @Test func blockThatCallsItselfTheLast_endsNothing() async throws {
        try await withServer(["/": .echoSocket { $0.compresses = true }]) { server in
            let client = try Client(server, "permessage-deflate")
            // RFC 7692, 7.2.3.5: "Hello" with BFINAL set, and the octet that follows.
            try client.socket.send(
                0xC1, [0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00])
            #expect(try client.message() == Array("Hello".utf8))
        }
    }
}
