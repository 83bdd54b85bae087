import HTTPWire
import Testing

/// A head's storage remembers a valid `Host`; that excuses no other one.
@Suite struct KnownAuthorityTests {
    /// Parses a request for a host into storage that has been used before.
    private func parse(_ host: String, _ head: inout RequestHead) -> HeadOutcome {
        var fields = [HeaderField](repeating: HeaderField(), count: 4)
        return Array("GET / HTTP/1.1\r\nHost: \(host)\r\n\r\n".utf8).withUnsafeBytes { input in
            fields.withUnsafeMutableBufferPointer {
                RequestParser(limits: WireLimits()).parse(
                    input, alreadySeen: 0, fields: $0, head: &head)
            }
        }
    }

    private func isRefused(_ outcome: HeadOutcome) -> Bool {
        if case .invalid(let error) = outcome { error.code == .hostInvalid } else { false }
    }

    @Test(arguments: 1...40)
    func hostThatDiffersInOneByte_isJudgedForItself(count: Int) {
        let host = String((0..<count).map { Character(Unicode.Scalar(UInt8(97 + $0 % 26))) })
        for position in 0..<count {
            var bytes = Array(host.utf8)
            bytes[position] = UInt8(ascii: "@")
            let other = String(decoding: bytes, as: UTF8.self)
            var head = RequestHead()
            for _ in 0..<2 {
                let complete = HeadOutcome.complete(headLength: 26 + count)
                #expect(parse(host, &head) == complete)
                #expect(head.host.count == count)
                #expect(isRefused(parse(other, &head)))
            }
        }
    }

    @Test func hostOfAnotherLength_isJudgedForItself() {
        var head = RequestHead()
        #expect(!isRefused(parse("aaaaaaaa.example", &head)))
        #expect(isRefused(parse("aaaaaaaa aaaaaaaa.example", &head)))
        #expect(isRefused(parse("aaaaaaaa.example:66000", &head)))
        #expect(isRefused(parse("", &head)))
        #expect(!isRefused(parse("aaaaaaaa.example", &head)))
    }

    /// What came of a head, with copies of what it says of its fields.
    private struct Reading: Equatable {
        var outcome: HeadOutcome
        var host = ""
        var fields: [String] = []
    }

    private func read(_ text: String, _ head: inout RequestHead, fieldsMax: Int = 4) -> Reading {
        var fields = [HeaderField](repeating: HeaderField(), count: fieldsMax)
        return Array(text.utf8).withUnsafeBytes { input in
            fields.withUnsafeMutableBufferPointer { fields in
                let outcome = RequestParser(limits: WireLimits()).parse(
                    input, alreadySeen: 0, fields: fields, head: &head)
                guard case .complete = outcome else { return Reading(outcome: outcome) }
                return Reading(
                    outcome: outcome, host: String(decoding: head.host),
                    fields: (0..<head.fieldCount).map {
                        String(decoding: fields[$0].name) + "|"
                            + String(decoding: fields[$0].value)
                    })
            }
        }
    }

    private static let lines = [
        "Host: aaaaaaaa.example", "host:aaaaaaaa.example", "HOST:\t aaaaaaaa.example",
        "Host: aaaaaaaa.example ", "Host: aaaaaaaa.example:8080", "Host: aaaaaaaa.exampl",
        "Host: [2001:db8:0:0:0:0:0:1]:65535", "Host: aaaaaaaaaa.bbbbbbbbbb.cccccccccc.example",
        "Host: a", "Xost: aaaaaaaa.example\r\nHost: b", "Host: aaaaaaaa.example\r\nX: y",
        "Host: aaaaaaaa.example\r\nHost: aaaaaaaa.example", "Host: aaaaaaaa.example\rX",
        "Host: aaaaaaaa.example\r\n X: y",
    ]

    /// Every line before and after every other one.
    @Test func hostLine_isReadTheSameWay_whateverIsRemembered() {
        let heads = Self.lines.map { "GET /a HTTP/1.1\r\n\($0)\r\n\r\n" }
        for text in heads {
            var fresh = RequestHead()
            let expected = read(text, &fresh)
            for other in heads {
                var head = RequestHead()
                _ = read(other, &head)
                for _ in 0..<2 { #expect(read(text, &head) == expected, "\(text) after \(other)") }
            }
        }
    }

    @Test func knownHostLine_isNotTakenBeforeAllOfItHasCome() {
        let text = "GET /a HTTP/1.1\r\nHost: aaaaaaaa.example:8080\r\n\r\n"
        var head = RequestHead()
        let whole = read(text, &head)
        #expect(whole.outcome == .complete(headLength: text.utf8.count))
        for count in 0..<text.utf8.count {
            let part = String(decoding: text.utf8.prefix(count), as: UTF8.self)
            #expect(read(part, &head).outcome == .incomplete)
        }
        #expect(read(text, &head) == whole)
    }

    @Test func knownHostLine_isRefused_whenThereIsNoRoomForAField() {
        let text = "GET /a HTTP/1.1\r\nHost: aaaaaaaa.example\r\n\r\n"
        var head = RequestHead()
        _ = read(text, &head)
        guard case .invalid(let error) = read(text, &head, fieldsMax: 0).outcome else {
            Issue.record("it was taken")
            return
        }
        #expect(error.code == .tooManyFields)
    }
}
