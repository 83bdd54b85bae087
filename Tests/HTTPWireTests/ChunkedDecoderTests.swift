import HTTPWire
import Testing

@Suite struct ChunkedDecoderTests {
    /// The payload and the bytes consumed, or the error and its offset in the whole.
    enum Decoded: Equatable {
        case unfinished(String)
        case ended(String, consumed: Int)
        case refused(WireError.Code, at: Int)
    }

    static func decode(_ text: String, piece: Int, limits: WireLimits = WireLimits()) -> Decoded {
        let bytes = Array(text.utf8)
        var decoder = ChunkedDecoder(limits: limits)
        var body: [UInt8] = []
        var at = 0
        while at < bytes.count {
            let end = min(at + piece, bytes.count)
            let input = UnsafeMutableRawBufferPointer.allocate(byteCount: end - at, alignment: 1)
            defer { input.deallocate() }
            input.copyBytes(from: bytes[at..<end])
            switch decoder.decode(UnsafeRawBufferPointer(input)) {
            case .needMore(let consumed):
                #expect(consumed == end - at)
                at += consumed
            case .data(let slice, let consumed):
                body += slice.buffer
                at += consumed
            case .end(let consumed):
                return .ended(String(decoding: body, as: UTF8.self), consumed: at + consumed)
            case .invalid(let error):
                return .refused(error.code, at: at + error.offset)
            }
        }
        return .unfinished(String(decoding: body, as: UTF8.self))
    }

    @Test(arguments: [
        ("0\r\n\r\nGET", Decoded.ended("", consumed: 5)),
        ("5\r\nhello\r\n0\r\n\r\n", .ended("hello", consumed: 15)),
        ("A\r\n0123456789\r\n1\r\n!\r\n000\r\n\r\n", .ended("0123456789!", consumed: 28)),
        ("a\r\n0123456789\r\n0\r\n\r\n", .ended("0123456789", consumed: 20)),
        ("2;a\r\nhi\r\n0;b=c;d=\"e\\\";,\" ; f\r\n\r\n", .ended("hi", consumed: 32)),
        ("2 ;a = b\r\nhi\r\n0\r\n\r\n", .ended("hi", consumed: 19)),
        ("0\r\nA: b\r\nC:\r\n\r\n", .ended("", consumed: 15)),
        ("2\r\nhi\r\n0\r\n\r", .unfinished("hi")),
        ("2\r\nh", .unfinished("h")),
    ])
    func body_isDecoded_howeverItIsCut(_ text: String, _ expected: Decoded) {
        for piece in 1...max(1, text.utf8.count) {
            #expect(Self.decode(text, piece: piece) == expected, "pieces of \(piece)")
        }
    }

    @Test(arguments: [
        ("\r\n", WireError.Code.chunkSizeInvalid, 0), ("x\r\n", .chunkSizeInvalid, 0),
        ("-1\r\n", .chunkSizeInvalid, 0), ("+1\r\n", .chunkSizeInvalid, 0),
        ("0x5\r\nhello\r\n", .chunkSizeInvalid, 1), (" 5\r\n", .chunkSizeInvalid, 0),
        ("5g\r\n", .chunkSizeInvalid, 1), ("5\nhello", .bareLineFeed, 1),
        ("5 \r\nhello", .chunkExtensionInvalid, 2), ("5\rX", .bareCarriageReturn, 2),
        ("5;\r\nhello", .chunkExtensionInvalid, 2), ("5;a=\r\nhello", .chunkExtensionInvalid, 4),
        ("5;a\nhello", .bareLineFeed, 3), ("5;a\rhello", .bareCarriageReturn, 4),
        ("5;a=\"b\r\nhello", .chunkExtensionInvalid, 6),
        ("5;a\u{0}\r\n", .chunkExtensionInvalid, 3),
        ("5;a=b c\r\nhello", .chunkExtensionInvalid, 6),
        ("8000000000000000\r\n", .chunkSizeTooLarge, 15),
        ("00000000000000000\r\n", .chunkSizeTooLarge, 16),
        ("FFFFFFFFFFFFFFFFF\r\n", .chunkSizeTooLarge, 15),
        ("2\r\nhix", .chunkEndMissing, 5), ("2\r\nhi\nx", .chunkEndMissing, 5),
        ("2\r\nhi\r\r", .chunkEndMissing, 6), ("0\r\n\n", .bareLineFeed, 3),
        ("0\r\n\rX", .bareCarriageReturn, 4), ("0\r\nA : b\r\n", .blankBeforeColon, 4),
        ("0\r\n A: b\r\n", .foldedLine, 3), ("0\r\nA\r\n", .colonMissing, 4),
        ("0\r\nA: \u{0}\r\n", .controlByte, 6), ("0\r\nA: b\n", .bareLineFeed, 7),
        ("0\r\nA: b\rc", .bareCarriageReturn, 8), ("0\r\n: b\r\n", .fieldNameInvalid, 3),
        ("0\r\nA\"b: c\r\n", .fieldNameInvalid, 4),
    ])
    func body_isRefused_atTheOffendingByte(_ text: String, _ code: WireError.Code, _ offset: Int) {
        for piece in 1...text.utf8.count {
            #expect(
                Self.decode(text, piece: piece) == .refused(code, at: offset), "pieces of \(piece)")
        }
    }

    @Test func limits_areExact() {
        var limits = WireLimits()
        limits.chunkExtensionBytesMax = 4
        limits.trailerBytesMax = 8
        limits.fieldCountMax = 1
        limits.bodyBytesMax = 3
        #expect(Self.decode("0;abc\r\n\r\n", piece: 3, limits: limits) == .ended("", consumed: 9))
        #expect(
            Self.decode("0;abcd\r\n\r\n", piece: 3, limits: limits)
                == .refused(.chunkExtensionTooLong, at: 5))
        #expect(
            Self.decode("0\r\nA: b\r\n\r\n", piece: 4, limits: limits) == .ended("", consumed: 11))
        #expect(
            Self.decode("0\r\nA: bc\r\n\r\n", piece: 4, limits: limits)
                == .refused(.trailerTooLong, at: 11))
        #expect(
            Self.decode("0\r\nA:\r\nB:\r\n\r\n", piece: 4, limits: limits)
                == .refused(.tooManyFields, at: 7))
        #expect(
            Self.decode("2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", piece: 9, limits: limits)
                == .ended("abc", consumed: 18))
        #expect(
            Self.decode("2\r\nab\r\n2\r\nc", piece: 9, limits: limits)
                == .refused(.bodyTooLong, at: 9))
    }

    @Test func refusal_isFinal() {
        var decoder = ChunkedDecoder(limits: WireLimits())
        withSlice("x") { _ = decoder.decode($0.buffer) }
        withSlice("0\r\n\r\n") {
            let event = decoder.decode($0.buffer)
            #expect(event == .invalid(WireError(.chunkSizeInvalid, offset: 0)))
        }
    }

    @Test func end_isFinal() {
        var decoder = ChunkedDecoder(limits: WireLimits())
        withSlice("0\r\n\r\n0") { check(decoder.decode($0.buffer) == .end(consumed: 5)) }
        withSlice("0\r\n") { check(decoder.decode($0.buffer) == .end(consumed: 0)) }
    }

    @Test func framingThatOutgrowsItsPayload_isRefused() {
        let extended = "1;" + String(repeating: "a", count: 200) + "\r\nx\r\n"
        let end = "0\r\n\r\n"
        let some = String(repeating: extended, count: 80) + end
        #expect(Self.decode(some, piece: 1_000) == .ended(x(80), consumed: some.utf8.count))
        guard
            case .refused(.chunkOverheadTooLarge, _) = Self.decode(
                String(repeating: extended, count: 100) + end, piece: 1_000)
        else {
            Issue.record("a hundred extensions of 200 bytes were read")
            return
        }
        // Small chunks are bad manners, and no attack.
        let small = String(repeating: "1\r\nx\r\n", count: 50_000) + end
        #expect(Self.decode(small, piece: 1_000) == .ended(x(50_000), consumed: small.utf8.count))
        // Payload makes up for what came before.
        let large = "f00\r\n" + x(0xF00) + "\r\n"
        let mixed = String(repeating: extended + large, count: 200) + end
        #expect(
            Self.decode(mixed, piece: 4_096) == .ended(x(200 * 0xF01), consumed: mixed.utf8.count))
    }

    private func x(_ count: Int) -> String { String(repeating: "x", count: count) }
}
