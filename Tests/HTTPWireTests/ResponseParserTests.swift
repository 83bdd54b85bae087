import CaseSupport
import FuzzSupport
import HTTPWire
import Testing

/// What came out of parsing a response's head, in comparable form.
private enum ParsedResponse: Equatable {
    case incomplete
    case refused(WireError.Code, at: Int)
    case accepted(ResponseHead, length: Int, fields: [String])
}

/// Parses what has come after each of the reads that the cuts make, until one decides.
private func parse(
    _ bytes: [UInt8], cuts: [Int] = [], limits: WireLimits = WireLimits()
) -> ParsedResponse {
    var seen = 0
    for end in cuts + [bytes.count] {
        let outcome = parse(bytes[0..<end], seen: seen, limits)
        if outcome != .incomplete { return outcome }
        seen = end
    }
    return .incomplete
}

/// Parses once, in memory of exactly the input's size.
private func parse(_ bytes: ArraySlice<UInt8>, seen: Int, _ limits: WireLimits) -> ParsedResponse {
    let fields = UnsafeMutableBufferPointer<HeaderField>.allocate(capacity: 128)
    fields.initialize(repeating: HeaderField())
    let input = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
    input.copyBytes(from: bytes)
    defer {
        fields.deallocate()
        input.deallocate()
    }
    var head = ResponseHead()
    let outcome = ResponseParser(limits: limits).parse(
        UnsafeRawBufferPointer(input), alreadySeen: seen, fields: fields, head: &head)
    switch outcome {
    case .incomplete: return .incomplete
    case .invalid(let error): return .refused(error.code, at: error.offset)
    case .complete(let length):
        return .accepted(
            head, length: length,
            fields: HeaderFields(fields, count: head.fieldCount).map { "\($0.name): \($0.value)" })
    }
}

@Suite struct ResponseParserTests {
    static let cases = TextCase.read("responses")

    @Test func thereAreCases() {
        #expect(Self.cases.count >= 40)
        for textCase in Self.cases { #expect(textCase.expectations.count == 1, "\(textCase)") }
    }

    @Test(arguments: cases)
    func case_hasItsOutcome(_ textCase: TextCase) {
        let expected = textCase.expectations[0]
        switch parse(textCase.bytes) {
        case .incomplete: #expect(expected.outcome == "incomplete")
        case .refused(let code, _): #expect(expected.outcome == "refused \(code.rawValue)")
        case .accepted(let head, let length, let fields):
            #expect(expected.outcome == "accepted")
            #expect(length == textCase.bytes.count)
            for (key, value) in expected.facts { compare(head, fields, key, value) }
        }
    }

    private func compare(_ head: ResponseHead, _ fields: [String], _ key: String, _ value: String) {
        switch key {
        case "status": #expect("\(head.status)" == value)
        case "version": #expect("\(head.minorVersion)" == value)
        case "keepAlive": #expect("\(head.keepAlive)" == value)
        case "switches": #expect("\(head.switchesProtocol)" == value)
        case "options": #expect("\(head.namesOptions)" == value)
        case "field": #expect(fields.contains(value) || fields.contains(value + " "))
        case "framing":
            switch head.framing(answersHEAD: false) {
            case .none: #expect(value == "none")
            case .length(let length): #expect(value == "length \(length)")
            case .chunked: #expect(value == "chunked")
            case .untilClose: #expect(value == "untilClose")
            }
        default: Issue.record("no such fact: \(key)")
        }
    }

    @Test(arguments: cases)
    func case_hasTheSameOutcome_whereverItIsCut(_ textCase: TextCase) {
        let whole = parse(textCase.bytes)
        for cut in 1..<max(2, textCase.bytes.count) {
            #expect(parse(textCase.bytes, cuts: [cut]) == whole, "cut at \(cut)")
        }
        #expect(parse(textCase.bytes, cuts: Array(1..<max(1, textCase.bytes.count))) == whole)
    }

    @Test(arguments: cases)
    func outcome_staysTheSame_whenMoreBytesFollow(_ textCase: TextCase) {
        let whole = parse(textCase.bytes)
        guard whole != .incomplete else { return }
        for tail in ["\r\n\r\n", "\n\n", "\0", "HTTP/1.1 200 OK\r\n\r\n"] {
            #expect(parse(textCase.bytes + Array(tail.utf8)) == whole, "\(tail)")
        }
    }

    @Test func responseToHEAD_hasNoBody() {
        var head = ResponseHead()
        head.status = 200
        head.contentLength = 7
        #expect(head.framing(answersHEAD: true) == .none)
        head.isChunked = true
        #expect(head.framing(answersHEAD: true) == .none)
        #expect(head.framing(answersHEAD: false) == .chunked)
    }

    @Test func limits_areKept() {
        var limits = WireLimits()
        limits.headBytesMax = 256
        limits.requestLineBytesMax = 64
        limits.fieldCountMax = 3
        let line = "HTTP/1.1 200 " + String(repeating: "x", count: 52) + "\r\n\r\n"
        #expect(parse(Array(line.utf8), limits: limits) == .refused(.requestLineTooLong, at: 0))
        let many = "HTTP/1.1 200 OK\r\n" + String(repeating: "A: b\r\n", count: 4) + "\r\n"
        #expect(parse(Array(many.utf8), limits: limits) == .refused(.tooManyFields, at: 35))
        let long = "HTTP/1.1 200 OK\r\nA: " + String(repeating: "b", count: 300)
        guard case .refused(.headTooLong, _) = parse(Array(long.utf8), limits: limits) else {
            Issue.record("a long head passed")
            return
        }
    }
}

/// Random responses against properties.
@Suite struct ResponseFuzzTests {
    private static let corpus = ResponseParserTests.cases
        .filter { $0.expectations.allSatisfy { $0.outcome == "accepted" } }
        .map(\.bytes)

    /// What breaks a rule in an accepted head, looked at in the plainest way.
    private static func objection(_ head: [UInt8]) -> String? {
        for (index, byte) in head.enumerated() {
            if byte == 0x0A, index == 0 || head[index - 1] != 0x0D { return "LF alone" }
            if byte == 0x0D, index + 1 == head.count || head[index + 1] != 0x0A {
                return "CR alone"
            }
            if byte < 0x20, ![0x09, 0x0A, 0x0D].contains(byte) { return "control byte" }
        }
        let lines = head.split(separator: 0x0A, omittingEmptySubsequences: false)
            .map { String(decoding: $0.filter { $0 != 0x0D }, as: UTF8.self) }
        let start = Array(lines[0].utf8)
        guard start.count >= 13, start[8] == 0x20, start[12] == 0x20,
            let status = Int(String(decoding: start[9..<12], as: UTF8.self)), status >= 100,
            status <= 599, lines[0].hasPrefix("HTTP/1.")
        else { return "status line" }
        var framings = 0
        for line in lines.dropFirst().prefix(while: { !$0.isEmpty }) {
            guard let colon = line.utf8.firstIndex(of: UInt8(ascii: ":")) else { return "no colon" }
            let name = line[..<colon].lowercased()
            if name.isEmpty || name.contains(" ") || name.contains("\t") { return "field name" }
            if name == "content-length" || name == "transfer-encoding" { framings += 1 }
        }
        return framings > 1 ? "two framings" : nil
    }

    /// The first input that breaks a property.
    private static func finding(
        _ plan: FuzzPlan, _ read: ([UInt8], [Int]) -> ParsedResponse = { parse($0, cuts: $1) }
    ) -> String? {
        var mutator = Mutator(seed: plan.seed, corpus: corpus)
        var round = 0
        while plan.includes(round) {
            let bytes = mutator.next()
            let cuts = mutator.cuts(bytes.count)
            let whole = read(bytes, [])
            var broken = read(bytes, cuts) == whole ? nil : "the outcome depends on the cuts"
            if case .accepted(_, let length, _) = whole, broken == nil {
                broken = objection(Array(bytes.prefix(length)))
            }
            if let broken {
                let text = bytes.withUnsafeBytes { "\(ByteSlice($0))" }
                return "\(broken): seed \(plan.seed), round \(round), cuts \(cuts), \"\(text)\""
            }
            round += 1
        }
        return nil
    }

    @Test func properties_holdForMutatedResponses() {
        let finding = Self.finding(FuzzPlan(smokeRounds: 20_000, seed: 0xBEEF))
        #expect(finding == nil, "\(finding ?? "")")
    }

    @Test func mutations_areSometimesAcceptedAndSometimesRefused() {
        var mutator = Mutator(seed: 5, corpus: Self.corpus)
        var counts = (accepted: 0, refused: 0, incomplete: 0)
        for _ in 0..<3_000 {
            switch parse(mutator.next()) {
            case .accepted: counts.accepted += 1
            case .refused: counts.refused += 1
            case .incomplete: counts.incomplete += 1
            }
        }
        #expect(counts.accepted >= 300, "\(counts)")
        #expect(counts.refused >= 300, "\(counts)")
        #expect(counts.incomplete >= 100, "\(counts)")
    }

    /// A reader that takes LF for a line end.
    @Test func canary_isCaught_whenBareLineFeedsPass() {
        let finding = Self.finding(FuzzPlan(smokeRounds: 5_000, seed: 6)) { bytes, _ in
            var lenient: [UInt8] = []
            for byte in bytes {
                if byte == 0x0A, lenient.last != 0x0D { lenient.append(0x0D) }
                lenient.append(byte)
            }
            return parse(lenient)
        }
        #expect(finding != nil)
    }

    /// A reader that judges each read on its own.
    @Test func canary_isCaught_whenCutsMatter() {
        let finding = Self.finding(FuzzPlan(smokeRounds: 5_000, seed: 7)) { bytes, cuts in
            parse(Array(bytes[0..<(cuts.first ?? bytes.count)]))
        }
        #expect(finding != nil)
    }
}
