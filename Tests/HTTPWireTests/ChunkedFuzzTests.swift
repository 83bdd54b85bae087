import Foundation
import FuzzSupport
import HTTPWire
import Testing

/// Chunked bodies against a reader that finds each line whole and compares it with a pattern.
@Suite struct ChunkedFuzzTests {
    private static let corpus = [
        "0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n", "1\r\na\r\nA\r\n0123456789\r\n00\r\n\r\n",
        "3;a\r\nabc\r\n0\r\n\r\n", "3 ; a = b ; c\r\nabc\r\n0;x=\"y\\\"z\"\r\nX: y\r\n\r\n",
        "2\r\n\r\n\r\n0\r\nA: b\r\nC:\r\n\r\nGET /",
    ].map { Array($0.utf8) }

    private static let words = [
        "\r\n", "\r", "\n", "0", "0\r\n\r\n", "1\r\nx\r\n", ";", ";a=b", ";a=\"b;\\\\\"", "=", "\"",
        "\\", " ", "\t", "f", "fffffffffffffffff", "0x", "-", "+", "\0", "\u{B}", "\u{7F}",
        "X: y\r\n",
        " X: y\r\n", ":", "é",
    ]

    /// What a body came to: its payload and where it ended, or nothing.
    private enum Outcome: Equatable {
        case ended(body: [UInt8], length: Int)
        case refused
        case unfinished
    }

    private func decode(_ bytes: [UInt8], cuts: [Int]) -> Outcome {
        var decoder = ChunkedDecoder(limits: WireLimits())
        var body: [UInt8] = []
        var taken = 0
        for end in cuts + [bytes.count] {
            while taken < end {
                let piece = Array(bytes[taken..<end])
                let outcome = piece.withUnsafeBytes { input -> Outcome? in
                    switch decoder.decode(input) {
                    case .needMore(let consumed): taken += consumed
                    case .data(let slice, let consumed):
                        body += slice.buffer
                        taken += consumed
                    case .end(let consumed):
                        return .ended(body: body, length: taken + consumed)
                    case .invalid: return .refused
                    }
                    return nil
                }
                if let outcome { return outcome }
            }
        }
        return .unfinished
    }

    private static func pattern(_ text: String) -> NSRegularExpression {
        guard let expression = try? NSRegularExpression(pattern: text) else {
            preconditionFailure("\(text) is no pattern")
        }
        return expression
    }

    private static let token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
    private static let text = "[^\\x00-\\x08\\x0A-\\x1F\\x7F]"
    private static let quoted = "\"(?:(?![\"\\\\])\(text)|\\\\\(text))*\""
    private static let sizeLine = pattern(
        "\\A([0-9A-Fa-f]{1,16})"
            + "(?:[ \\t]*;[ \\t]*\(token)(?:[ \\t]*=[ \\t]*(?:\(token)|\(quoted)))?)*\\z")
    private static let trailer = pattern("\\A\(token):\(text)*\\z")

    /// The line at `at` as text of one character a byte, or `nil` when no CR LF ends it.
    private func line(_ bytes: [UInt8], _ at: inout Int) -> String? {
        var end = at
        while end + 1 < bytes.count, bytes[end] != 0x0D || bytes[end + 1] != 0x0A { end += 1 }
        guard end + 1 < bytes.count else { return nil }
        defer { at = end + 2 }
        return String(String.UnicodeScalarView(bytes[at..<end].map { Unicode.Scalar($0) }))
    }

    private func match(_ expression: NSRegularExpression, _ text: String) -> Bool {
        let range = NSRange(location: 0, length: text.utf16.count)
        return expression.firstMatch(in: text, range: range) != nil
    }

    /// The same by looking at whole lines; only for inputs that are accepted.
    private func readPlainly(_ bytes: [UInt8]) -> Outcome {
        var body: [UInt8] = []
        var at = 0
        while let text = line(bytes, &at) {
            guard match(Self.sizeLine, text) else { return .refused }
            let digits = text.prefix { $0.isHexDigit && $0.isASCII }
            guard let size = Int(digits, radix: 16) else { return .refused }
            if size == 0 { return readTrailers(bytes, at, body) }
            guard at + size + 2 <= bytes.count else { return .unfinished }
            body += bytes[at..<(at + size)]
            at += size
            guard bytes[at] == 0x0D, bytes[at + 1] == 0x0A else { return .refused }
            at += 2
        }
        return .unfinished
    }

    private func readTrailers(_ bytes: [UInt8], _ start: Int, _ body: [UInt8]) -> Outcome {
        var at = start
        while let text = line(bytes, &at) {
            if text.isEmpty { return .ended(body: body, length: at) }
            guard match(Self.trailer, text) else { return .refused }
        }
        return .unfinished
    }

    /// The first input on which decoders and cuts do not agree.
    private func firstFinding(
        _ plan: FuzzPlan, _ decode: ([UInt8], [Int]) -> Outcome
    ) -> (finding: String?, ended: Int) {
        var mutator = ByteMutator(seed: plan.seed, corpus: Self.corpus, words: Self.words)
        var ended = 0
        var round = 0
        while plan.includes(round) {
            let bytes = mutator.next()
            let cuts = mutator.cuts(bytes.count)
            let whole = decode(bytes, [])
            let text = bytes.withUnsafeBytes { "\(ByteSlice($0))" }
            let place = "seed \(plan.seed), round \(round), cuts \(cuts), bytes \"\(text)\""
            if decode(bytes, cuts) != whole { return ("the cuts matter: \(place)", ended) }
            let plain = readPlainly(bytes)
            if case .ended = whole {
                ended += 1
                if plain != whole { return ("accepted, but not by its lines: \(place)", ended) }
            } else if case .ended = plain {
                return ("not accepted, but by its lines: \(place)", ended)
            }
            round += 1
        }
        return (nil, ended)
    }

    @Test func decoder_agreesWithAReaderOfWholeLines() {
        let plan = FuzzPlan(smokeRounds: 10_000, seed: 0xC4A9)
        let (finding, ended) = firstFinding(plan) { decode($0, cuts: $1) }
        #expect(finding == nil)
        #expect(ended >= 500)
    }

    /// A decoder that takes LF alone for a line end.
    @Test func canary_isCaught() {
        let plan = FuzzPlan(smokeRounds: 5_000, seed: 0xC4AA)
        let (finding, _) = firstFinding(plan) { bytes, cuts in
            var lenient: [UInt8] = []
            for byte in bytes {
                if byte == 0x0A, lenient.last != 0x0D { lenient.append(0x0D) }
                lenient.append(byte)
            }
            return decode(lenient, cuts: [])
        }
        #expect(finding != nil)
    }
}
