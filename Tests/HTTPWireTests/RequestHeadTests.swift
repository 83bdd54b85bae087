import HTTPWire
import Testing

@Suite struct RequestHeadTests {
    @Test func simpleGet_isTakenApart() throws {
        let head = try #require(
            parseHead("GET /a/b?x=1&y HTTP/1.1\r\nHost: h:80\r\nA:  b c \r\n\r\nrest").head)
        #expect(head.length == 49)
        #expect(head.method == "GET")
        #expect(head.path == "/a/b")
        #expect(head.query == "x=1&y")
        #expect(head.target == "/a/b?x=1&y")
        #expect(head.host == "h:80")
        #expect(head.fields == ["Host: h:80", "A: b c"])
        #expect(head.keepAlive)
        #expect(head.framing == .none)
    }

    @Test func byteSliceAndHeaderField_haveTheLayoutThatCSees() {
        #expect(MemoryLayout<ByteSlice>.size == 16)
        #expect(MemoryLayout<ByteSlice>.offset(of: \.count) == 8)
        #expect(MemoryLayout<HeaderField>.size == 32)
        #expect(MemoryLayout<HeaderField>.stride == 32)
        #expect(MemoryLayout<HeaderField>.offset(of: \.value) == 16)
    }

    @Test func requestLine_isRefused_whenItExceedsItsLimit_whereverItIsCut() {
        var limits = WireLimits()
        limits.requestLineBytesMax = 40
        let fits = "GET /" + String(repeating: "a", count: 26) + " HTTP/1.1\r\nHost: h\r\n\r\n"
        let tooLong = "GET /" + String(repeating: "a", count: 27) + " HTTP/1.1\r\nHost: h\r\n\r\n"
        for cut in 0...fits.utf8.count {
            #expect(parseHead(fits.utf8, cuts: [cut], limits: limits).head != nil)
        }
        for cut in 0...tooLong.utf8.count {
            let outcome = parseHead(tooLong.utf8, cuts: [cut], limits: limits)
            #expect(outcome.code == .requestLineTooLong)
        }
        #expect(parseHead(tooLong.utf8.prefix(41), limits: limits).code == .requestLineTooLong)
        #expect(parseHead(tooLong.utf8.prefix(40), limits: limits) == .incomplete)
    }

    @Test func method_isRefused_whenItFillsTheRequestLine_whereverItIsCut() {
        var limits = WireLimits()
        limits.requestLineBytesMax = 40
        for count in [41, 60] {
            let text = String(repeating: "A", count: count) + " / HTTP/1.1\r\nHost: h\r\n\r\n"
            for cut in 0...text.utf8.count {
                #expect(parseHead(text.utf8, cuts: [cut], limits: limits).code == .methodTooLong)
            }
        }
        let target = String(repeating: "A", count: 40) + " / HTTP/1.1\r\nHost: h\r\n\r\n"
        #expect(parseHead(target.utf8, limits: limits).code == .requestLineTooLong)
    }

    @Test func head_isRefused_whenItExceedsItsLimit_whereverItIsCut() {
        var limits = WireLimits()
        limits.requestLineBytesMax = 40
        limits.headBytesMax = 60
        let text = "GET / HTTP/1.1\r\nHost: h\r\nA: "
        let fill = 60 - text.utf8.count - 4
        let fits = text + String(repeating: "v", count: fill) + "\r\n\r\n"
        let tooLong = text + String(repeating: "v", count: fill + 1) + "\r\n\r\n"
        for cut in 0...fits.utf8.count {
            #expect(parseHead(fits.utf8, cuts: [cut], limits: limits).head?.length == 60)
            #expect(parseHead(tooLong.utf8, cuts: [cut], limits: limits).code == .headTooLong)
        }
    }

    @Test func fields_areRefused_whenTheyExceedTheLimitOrTheBuffer() {
        var limits = WireLimits()
        limits.fieldCountMax = 3
        let two = "GET / HTTP/1.1\r\nHost: h\r\nA: 1\r\n"
        #expect(parseHead(two + "B: 2\r\n\r\n", limits: limits).head?.fields.count == 3)
        #expect(parseHead(two + "B: 2\r\nC: 3\r\n\r\n", limits: limits).code == .tooManyFields)
        #expect(parseHead(two + "B: 2\r\n\r\n", slots: 2).code == .tooManyFields)
        #expect(parseHead(two + "\r\n", slots: 2).head != nil)
    }

    @Test func error_tellsWhatWhyAndFix_andShowsTheBytesEscaped() {
        let bytes = Array("GET / HTTP/1.1\r\nHost: h\r\nA\u{0}: \u{1B}[31m\r\n\r\n".utf8)
        let outcome = parseHead(bytes)
        guard case .invalid(let error) = outcome else {
            Issue.record("accepted: \(outcome)")
            return
        }
        #expect(error.status == 400)
        #expect(error.offset == 26)
        #expect(
            bytes.withUnsafeBytes { error.excerpt(of: $0) } == "\\x00: \\x1B[31m\\r\\n\\r\\n")
        #expect(error.description.hasPrefix("error: the request was refused with status 400"))
        #expect(error.description.contains("\n  why: "))
        #expect(error.description.contains("\n  fix: "))
    }

    /// Bytes that were seen are not looked at again while a line grows: here they have been
    /// overwritten with what would be refused.
    @Test func growingLine_isNotReadAgain() {
        let text = "GET / HTTP/1.1\r\nHost: h\r\nA: " + String(repeating: "v", count: 20_000)
        let bytes = Array(text.utf8)
        let poisoned = [UInt8](repeating: 0, count: bytes.count - 10) + bytes.suffix(10)
        #expect(parseHead(bytes, seen: 0, limits: WireLimits()) == .incomplete)
        #expect(parseHead(poisoned, seen: bytes.count - 10, limits: WireLimits()) == .incomplete)
        #expect(
            parseHead(poisoned, seen: bytes.count - 11, limits: WireLimits()).code == .controlByte)
    }

    @Test func emptyInput_isIncomplete() {
        #expect(parseHead("") == .incomplete)
        var head = RequestHead()
        let fields = UnsafeMutableBufferPointer<HeaderField>(start: nil, count: 0)
        let outcome = RequestParser(limits: WireLimits()).parse(
            UnsafeRawBufferPointer(start: nil, count: 0), alreadySeen: 0, fields: fields,
            head: &head)
        #expect(outcome == .incomplete)
    }

    @Test func head_isFilledAnew_whateverItHeld() {
        let first = "POST http://x/a?q HTTP/1.0\r\nHost: y\r\nContent-Length: 3\r\n\r\n"
        let second = "GET /%41 HTTP/1.1\r\nHost: z\r\n\r\n"
        let parser = RequestParser(limits: WireLimits())
        let fields = UnsafeMutableBufferPointer<HeaderField>.allocate(capacity: 8)
        fields.initialize(repeating: HeaderField())
        defer { fields.deallocate() }
        for (before, after) in [(first, second), (second, first)] {
            withSlice(before) { before in
                withSlice(after) { after in
                    var used = RequestHead()
                    _ = parser.parse(before.buffer, alreadySeen: 0, fields: fields, head: &used)
                    _ = parser.parse(after.buffer, alreadySeen: 0, fields: fields, head: &used)
                    var fresh = RequestHead()
                    _ = parser.parse(after.buffer, alreadySeen: 0, fields: fields, head: &fresh)
                    #expect(used == fresh)
                }
            }
        }
    }

    @Test func statuses_areThoseOfTheirRules() {
        let special: [WireError.Code: UInt16] = [
            .bodyTooLong: 413, .requestLineTooLong: 414, .expectationUnknown: 417,
            .headTooLong: 431, .tooManyFields: 431, .trailerTooLong: 431,
            .transferEncodingUnsupported: 501, .versionUnsupported: 505,
        ]
        for code in WireError.Code.allCases {
            let error = WireError(code, offset: 0)
            #expect(error.status == special[code] ?? 400)
            #expect(error.reasons.allSatisfy { !$0.isEmpty } && !error.remedy.isEmpty)
        }
    }

    @Test func target_isTakenApart_asByReadingItByteByByte() {
        var random = SplitMix(seed: 0x7A46)
        let alphabet = Array("//..%?#!a\u{7F}\u{1}".utf8) + [0x80, 0xFF]
        for _ in 0..<5_000 {
            let length = Int.random(in: 0...40, using: &random)
            let rarely = UInt8.random(in: 0...1, using: &random) == 0
            let letters = rarely ? Array("/.%?!ab".utf8) : alphabet
            let target =
                [UInt8(ascii: "/")]
                + (0..<length).map { _ in letters.randomElement(using: &random) ?? 0 }
            let bytes = Array("GET ".utf8) + target + Array(" HTTP/1.1\r\nHost: h\r\n\r\n".utf8)
            let isGood = target.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "#") }
            let parts = target.split(
                separator: UInt8(ascii: "?"), maxSplits: 1, omittingEmptySubsequences: false)
            let path = String(decoding: parts[0], as: UTF8.self)
            let head = parseHead(bytes).head
            #expect((head != nil) == isGood, "\(target)")
            guard let head else { continue }
            #expect(head.path == path)
            #expect(
                head.query == (parts.count > 1 ? String(decoding: parts[1], as: UTF8.self) : nil))
            #expect(
                head.pathNeedsNormalizing
                    == ["%", "//", "/."].contains { path.contains($0) }, "\(path)")
        }
    }

    @Test func fields_areFoundByNameWithoutCase() {
        let fields = UnsafeMutableBufferPointer<HeaderField>.allocate(capacity: 2)
        defer { fields.deallocate() }
        fields.initialize(repeating: HeaderField())
        fields[0] = HeaderField(name: ByteSlice("If-None-Match"), value: ByteSlice("\"a\""))
        fields[1] = HeaderField(name: ByteSlice("if-none-match"), value: ByteSlice("\"b\""))
        let list = HeaderFields(fields, count: 2)
        #expect(list.firstValue(named: "if-none-match") == ByteSlice("\"a\""))
        #expect(list.firstValue(named: "if-match") == nil)
        #expect(list.map(\.value) == [ByteSlice("\"a\""), ByteSlice("\"b\"")])
    }
}
