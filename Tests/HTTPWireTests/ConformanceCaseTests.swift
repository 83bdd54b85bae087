import CaseSupport
import HTTPWire
import Testing

@Suite struct ConformanceCaseTests {
    @Test func thereAreCases() {
        #expect(TextCase.all.count >= 300)
        for textCase in TextCase.all {
            #expect(!textCase.expectations.isEmpty, "\(textCase)")
            #expect(!textCase.bytes.isEmpty, "\(textCase)")
        }
        #expect(Set(TextCase.all.map { "\($0.file) \($0.name)" }).count == TextCase.all.count)
    }

    @Test(arguments: TextCase.all)
    func case_hasItsOutcome(_ textCase: TextCase) {
        let outcomes = MessageStream.read(textCase.bytes)
        #expect(outcomes.count == textCase.expectations.count, "\(outcomes)")
        for (outcome, expected) in zip(outcomes, textCase.expectations) {
            switch outcome {
            case .incomplete: #expect(expected.outcome == "incomplete")
            case .refused(let code, _): #expect(expected.outcome == "refused \(code.rawValue)")
            case .accepted(let head, let body):
                #expect(expected.outcome == "accepted")
                for (key, value) in expected.facts {
                    compare(head, body, key, value)
                }
            }
        }
    }

    @Test(arguments: TextCase.all)
    func case_hasTheSameOutcome_whereverItIsCut(_ textCase: TextCase) {
        let whole = MessageStream.read(textCase.bytes)
        for cut in 1..<max(2, textCase.bytes.count) {
            #expect(MessageStream.read(textCase.bytes, cuts: [cut]) == whole, "cut at \(cut)")
        }
        let everywhere = Array(1..<max(1, textCase.bytes.count))
        #expect(MessageStream.read(textCase.bytes, cuts: everywhere) == whole, "byte by byte")
    }

    /// A refusal must not depend on what follows the offending line.
    @Test(arguments: TextCase.all)
    func refusal_staysTheSame_whenMoreBytesFollow(_ textCase: TextCase) {
        let outcomes = MessageStream.read(textCase.bytes)
        guard case .refused = outcomes.last else { return }
        for tail in ["\r\n\r\n", "\n\n", "\0", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"] {
            #expect(MessageStream.read(textCase.bytes + Array(tail.utf8)) == outcomes, "\(tail)")
        }
    }

    private func compare(_ head: ParsedHead, _ body: [UInt8], _ key: String, _ value: String) {
        let wanted = unescaped(value).withUnsafeBytes { "\(ByteSlice($0))" }
        switch key {
        case "method": #expect(head.method == wanted)
        case "target": #expect(head.target == wanted)
        case "path": #expect(head.path == wanted)
        case "query": #expect(head.query == wanted)
        case "hasQuery": #expect("\(head.query != nil)" == value)
        case "host": #expect(head.host == wanted)
        case "version": #expect("\(head.minorVersion)" == value)
        case "keepAlive": #expect("\(head.keepAlive)" == value)
        case "continue": #expect("\(head.expectsContinue)" == value)
        case "upgrade": #expect("\(head.wantsUpgrade)" == value)
        case "normalize": #expect("\(head.pathNeedsNormalizing)" == value)
        case "body": #expect(body.withUnsafeBytes { "\(ByteSlice($0))" } == wanted)
        case "field":
            #expect(head.fields.contains(wanted) || head.fields.contains(wanted + " "))
        case "framing":
            switch head.framing {
            case .none: #expect(value == "none")
            case .length(let length): #expect(value == "length \(length)")
            case .chunked: #expect(value == "chunked")
            }
        default: Issue.record("no such fact: \(key)")
        }
    }
}
