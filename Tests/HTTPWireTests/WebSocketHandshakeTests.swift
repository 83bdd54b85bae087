import HTTPWire
import Testing

@Suite struct WebSocketHandshakeTests {
    private static let sound = """
        Host: example.com\r
        Upgrade: websocket\r
        Connection: Upgrade\r
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r
        Sec-WebSocket-Version: 13\r

        """

    /// Parses a request and judges it.
    private func judge<Result>(
        _ fields: String, line: String = "GET / HTTP/1.1",
        _ body: (WebSocketHandshake, RequestHead) -> Result
    ) throws -> Result {
        var text = Array("\(line)\r\n\(fields)\r\n".utf8)
        let table = UnsafeMutableBufferPointer<HeaderField>.allocate(capacity: 32)
        table.initialize(repeating: HeaderField())
        defer { table.deallocate() }
        var head = RequestHead()
        return try text.withUnsafeMutableBytes { input in
            let outcome = RequestParser(limits: WireLimits()).parse(
                UnsafeRawBufferPointer(input), alreadySeen: 0, fields: table, head: &head)
            guard case .complete = outcome else { throw Unparsed(outcome: "\(outcome)") }
            let fields = UnsafeBufferPointer(rebasing: table[..<head.fieldCount])
            return body(try WebSocketHandshake(head: head, fields: fields), head)
        }
    }

    private struct Unparsed: Error { let outcome: String }

    private func refusal(_ fields: String, line: String = "GET / HTTP/1.1") -> UInt16? {
        do {
            return try judge(fields, line: line) { _, _ in nil }
        } catch let refusal as WebSocketHandshake.Refusal {
            return refusal.status
        } catch {
            Issue.record("\(error)")
            return nil
        }
    }

    @Test func key_isAnsweredAsTheRFCSays() throws {
        let answer = try judge(Self.sound) { handshake, _ in WebSocketKey.accept(handshake.key) }
        #expect(answer == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    }

    @Test(
        arguments: [
            ("websocket", "WebSocket", nil), ("websocket", "h2c, WEBSOCKET", nil),
            ("Upgrade\r\n", "keep-alive, upgrade\r\n", nil), ("websocket", "h2c", 426),
            ("Connection: Upgrade\r\n", "", 426), ("Upgrade: websocket\r\n", "", 426),
            ("13", "8", 426), ("13", "13, 8", 426), ("Sec-WebSocket-Version: 13\r\n", "", 400),
            ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", 400),
            ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25j", 400),
            ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25j!Q==", 400),
            ("Host", "Sec-WebSocket-Version: 13\r\nHost", 400),
            ("Host", "Content-Length: 3\r\nHost", 400),
        ] as [(String, String, Int?)])
    func request_isJudged(_ old: String, _ new: String, _ status: Int?) {
        #expect(Self.sound.contains(old))
        let fields = Self.sound.replacing(old, with: new, maxReplacements: 1)
        #expect(refusal(fields) == status.map { UInt16($0) }, "\(fields)")
    }

    @Test func otherMethodsAndVersions_areToldToUpgrade() {
        #expect(refusal(Self.sound, line: "POST / HTTP/1.1") == 426)
        #expect(refusal(Self.sound, line: "HEAD / HTTP/1.1") == 426)
        #expect(refusal(Self.sound, line: "GET / HTTP/1.0") == 426)
    }

    @Test func subprotocols_areFound_inAllTheirFields() throws {
        let fields =
            Self.sound + "Sec-WebSocket-Protocol: chat.v2, chat.v1\r\n"
            + "Sec-WebSocket-Protocol: other\r\n"
        let found = try judge(fields) { handshake, _ in
            ["chat.v1", "chat.v2", "other", "Other", "chat"].filter { name in
                withSlice(name) { handshake.offers(subprotocol: $0) }
            }
        }
        #expect(found == ["chat.v1", "chat.v2", "other"])
    }

    @Test(arguments: [
        ("", false), ("http://example.com", false), ("https://EXAMPLE.com", false),
        ("http://example.com:8080", true), ("http://evil.example", true), ("null", true),
        ("http://example.com.evil.example", true),
    ])
    func pagesOfOtherOrigins_areTold(_ origin: String, _ isForeign: Bool) throws {
        let fields = Self.sound + (origin.isEmpty ? "" : "Origin: \(origin)\r\n")
        #expect(try judge(fields) { $0.isForeign($1) } == isForeign)
    }

    @Test(
        arguments: [
            ("permessage-deflate", "permessage-deflate"),
            ("permessage-deflate; client_max_window_bits", "permessage-deflate"),
            ("permessage-deflate; client_max_window_bits=10", "permessage-deflate"),
            (
                "permessage-deflate; server_no_context_takeover",
                "permessage-deflate; server_no_context_takeover"
            ),
            (
                "Permessage-Deflate ;client_no_context_takeover",
                "permessage-deflate; client_no_context_takeover"
            ),
            (
                "permessage-deflate; server_max_window_bits=10",
                "permessage-deflate; server_max_window_bits=10"
            ),
            (
                "permessage-deflate; server_max_window_bits=\"12\"",
                "permessage-deflate; server_max_window_bits=12"
            ),
            (
                "permessage-deflate; server_max_window_bits=8, permessage-deflate",
                "permessage-deflate"
            ),
            ("x-unknown, permessage-deflate", "permessage-deflate"),
            ("permessage-deflate; server_max_window_bits", nil),
            ("permessage-deflate; server_max_window_bits=16", nil),
            ("permessage-deflate; server_max_window_bits=010", nil),
            ("permessage-deflate; server_max_window_bits=8", nil),
            ("permessage-deflate; client_max_window_bits=7", nil),
            ("permessage-deflate; server_no_context_takeover=1", nil),
            ("permessage-deflate; server_no_context_takeover; server_no_context_takeover", nil),
            ("permessage-deflate; unknown", nil), ("permessage-deflate;", nil),
            ("permessage-deflate=1", nil), ("x-webkit-deflate-frame", nil), ("", nil),
        ] as [(String, String?)])
    func compression_isAgreedOn_asOffered(_ offer: String, _ answer: String?) {
        let agreed = withSlice(offer) {
            PerMessageDeflate(offers: $0, preference: .init(keepsContext: true))
        }
        #expect(agreed?.answer == answer)
    }

    @Test func compressionWithoutContext_isSaid() {
        let agreed = withSlice("permessage-deflate") {
            PerMessageDeflate(offers: $0, preference: .init(keepsContext: false))
        }
        #expect(
            agreed?.answer
                == "permessage-deflate; server_no_context_takeover; client_no_context_takeover")
    }
}
