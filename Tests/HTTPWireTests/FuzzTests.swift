import FuzzSupport
import HTTPWire
import Testing

/// Random requests against properties.
@Suite struct FuzzTests {
    /// The cases that are accepted: what is refused already becomes good by chance far too seldom.
    static let corpus = TextCase.all
        .filter { $0.expectations.allSatisfy { $0.outcome == "accepted" } }
        .map(\.bytes)

    private static func canaries(_ seed: UInt64) -> FuzzPlan {
        FuzzPlan(smokeRounds: 5_000, seed: seed)
    }

    @Test func properties_holdForMutatedRequests() {
        let plan = FuzzPlan(smokeRounds: 20_000, seed: 0xC0FFEE)
        let properties = FuzzProperties { MessageStream.read($0, cuts: $1) }
        let finding = properties.firstFinding(plan, corpus: Self.corpus)
        #expect(finding == nil, "\(finding.map(\.description) ?? "")")
    }

    @Test func mutations_areSometimesAcceptedAndSometimesRefused() {
        var mutator = Mutator(seed: 4, corpus: Self.corpus)
        var counts = (accepted: 0, refused: 0, incomplete: 0)
        for _ in 0..<3_000 {
            switch MessageStream.read(mutator.next()).last {
            case .accepted: counts.accepted += 1
            case .refused: counts.refused += 1
            case .incomplete: counts.incomplete += 1
            case nil: break
            }
        }
        #expect(counts.accepted >= 300, "\(counts)")
        #expect(counts.refused >= 600, "\(counts)")
        #expect(counts.incomplete >= 300, "\(counts)")
    }

    /// A reader that takes LF for a line end, as lenient servers do.
    @Test func canary_isCaught_whenBareLineFeedsPass() {
        let properties = FuzzProperties { bytes, cuts in
            var lenient: [UInt8] = []
            for byte in bytes {
                if byte == 0x0A, lenient.last != 0x0D { lenient.append(0x0D) }
                lenient.append(byte)
            }
            return MessageStream.read(lenient)
        }
        #expect(properties.firstFinding(Self.canaries(1), corpus: Self.corpus) != nil)
    }

    /// A reader that judges each read on its own.
    @Test func canary_isCaught_whenCutsMatter() {
        let properties = FuzzProperties { bytes, cuts in
            let first = cuts.first ?? bytes.count
            return MessageStream.read(Array(bytes[0..<first]))
        }
        #expect(properties.firstFinding(Self.canaries(2), corpus: Self.corpus) != nil)
    }

    /// A reader that loses a byte of each body.
    @Test func canary_isCaught_whenMeaningChanges() {
        let properties = FuzzProperties { bytes, cuts in
            MessageStream.read(bytes, cuts: cuts).map { outcome in
                guard case .accepted(let head, let body) = outcome else { return outcome }
                return .accepted(head, body: body.dropLast())
            }
        }
        #expect(properties.firstFinding(Self.canaries(3), corpus: Self.corpus) != nil)
    }

    @Test func chunkedDecoder_agreesWithAPlainEncoder() {
        var random = SplitMix(seed: 0xB0D1)
        for round in 0..<500 {
            var body: [UInt8] = []
            var bytes: [UInt8] = []
            for _ in 0..<Int.random(in: 0...5, using: &random) {
                let length = Int.random(in: 1...40, using: &random)
                let data = (0..<length).map { _ in UInt8.random(in: 0...255, using: &random) }
                body += data
                bytes += Array("\(String(length, radix: 16))\r\n".utf8) + data + [0x0D, 0x0A]
            }
            bytes += Array("0\r\n\r\n".utf8)
            var decoder = ChunkedDecoder(limits: WireLimits())
            var decoded: [UInt8] = []
            var at = 0
            var hasEnded = false
            while at < bytes.count, !hasEnded {
                let end = Int.random(in: (at + 1)...bytes.count, using: &random)
                Array(bytes[at..<end]).withUnsafeBytes { input in
                    switch decoder.decode(input) {
                    case .needMore(let consumed): at += consumed
                    case .data(let slice, let consumed):
                        decoded += slice.buffer
                        at += consumed
                    case .end(let consumed):
                        at += consumed
                        hasEnded = true
                    case .invalid(let error):
                        Issue.record("round \(round): \(error)")
                        hasEnded = true
                    }
                }
            }
            #expect(hasEnded && at == bytes.count && decoded == body, "round \(round)")
        }
    }
}
