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
}
