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
}
