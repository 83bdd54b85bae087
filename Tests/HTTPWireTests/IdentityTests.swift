import HTTPWire
import Testing

@Suite struct IdentityTests {
    @Test(arguments: [
        "a", "0f8fad5b-d9cb-469f-a165-70867728950e", "AbC+/9==", "svc:req@node_1.2~3",
        String(repeating: "x", count: 128),
    ])
    func requestID_isTaken_whenItIsPlain(text: String) {
        withSlice(text) { #expect(RequestIdentifier.isValid($0)) }
    }

    @Test(arguments: [
        "", "a b", "a\"b", "a\\b", "a\tb", "a,b", "a;b", "<b>", "\u{E9}", "{}", "a%0A",
        String(repeating: "x", count: 129),
    ])
    func requestID_isLeft_whenALogOrADocumentWouldHaveToEscapeIt(text: String) {
        withSlice(text) { #expect(!RequestIdentifier.isValid($0)) }
    }

    @Test func head_saysWhetherItHasAValidRequestID() throws {
        for (value, expected) in [("abc", true), ("a b", false)] {
            let text = "GET / HTTP/1.1\r\nHost: h\r\nx-Request-id: \(value)\r\n\r\n"
            var head = RequestHead()
            let parser = RequestParser(limits: WireLimits())
            var fields = [HeaderField](repeating: HeaderField(), count: 8)
            let plain = "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
            for (text, expected) in [(text, expected), (plain, false)] {
                Array(text.utf8).withUnsafeBytes { bytes in
                    fields.withUnsafeMutableBufferPointer {
                        _ = parser.parse(bytes, alreadySeen: 0, fields: $0, head: &head)
                    }
                }
                #expect(head.hasRequestID == expected)
            }
        }
    }

    @Test(arguments: [
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-the-future-will-bring",
    ])
    func traceparent_isKept_whenItIsValid(text: String) {
        withSlice(text) { #expect(TraceParent.isValid($0)) }
    }

    @Test(arguments: [
        "", "00", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
        "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.x",
        "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "0g-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ])
    func traceparent_isRefused_otherwise(text: String) {
        withSlice(text) { #expect(!TraceParent.isValid($0)) }
    }

    @Test func madeTraceparent_isValid() {
        var room = [UInt8](repeating: 0, count: TraceParent.bytes)
        room.withUnsafeMutableBytes {
            TraceParent.write(traceHigh: 1, traceLow: 0xAB, span: 0xF, into: $0)
        }
        #expect(
            String(decoding: room, as: UTF8.self)
                == "00-000000000000000100000000000000ab-000000000000000f-00")
        room.withUnsafeBytes { #expect(TraceParent.isValid(ByteSlice($0))) }
    }
}
