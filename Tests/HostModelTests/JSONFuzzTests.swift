import Foundation
import FuzzSupport
import HostModel
import Testing

/// Damaged JSON and damaged manifests: read or refused with reasons, the same by another reader.
@Suite struct JSONFuzzTests {
    private static let words = [
        "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u", "\\uD83D", "\\uDE00", "\\u0000", "null",
        "true", "false", "0", "-", "-0", "1e", "1e5", ".5", "01", "NaN", " ", "\n", "\0", "\u{7F}",
        "é", "\"a\":1", "[[[[[[[[", "/*", "//", "\u{FEFF}", "\u{1}",
    ]

    private static func bytes(_ texts: [String]) -> [[UInt8]] { texts.map { Array($0.utf8) } }

    /// What Foundation makes of it; `nil` where it refuses.
    private func isReadElsewhere(_ bytes: [UInt8]) -> Bool {
        (try? JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)) != nil
    }

    /// Whether the value has a number that other readers cannot hold.
    private func isBeyondOthers(_ value: JSONValue) -> Bool {
        switch value {
        case .number(let number): !number.double.isFinite || number.text.utf8.count > 300
        case .array(let elements): elements.contains(where: isBeyondOthers)
        case .object(let object): object.members.contains { isBeyondOthers($0.value) }
        default: false
        }
    }

    /// Reads until a property breaks; what is accepted must come out the same once it has been
    /// written, and be accepted by another reader.
    private func firstFinding(
        _ plan: FuzzPlan, parse: ([UInt8]) throws -> JSONValue
    ) -> (finding: String?, accepted: Int) {
        var mutator = ByteMutator(
            seed: plan.seed, corpus: Self.bytes(JSONCases.valid), words: Self.words)
        var accepted = 0
        var round = 0
        while plan.includes(round) {
            let bytes = mutator.next()
            let place = "seed \(plan.seed), round \(round): \(String(reflecting: bytes))"
            do {
                let value = try parse(bytes)
                accepted += 1
                guard try JSON.parse(value.text()) == value else {
                    return ("written anew it is another: \(place)", accepted)
                }
                if !isBeyondOthers(value), !isReadElsewhere(bytes) {
                    return ("accepted here only: \(place)", accepted)
                }
            } catch let error as HostError {
                if error.reasons.isEmpty { return ("no reason: \(place)", accepted) }
            } catch {
                return ("\(error): \(place)", accepted)
            }
            round += 1
        }
        return (nil, accepted)
    }

    @Test func text_isReadAsOthersReadIt() {
        let plan = FuzzPlan(smokeRounds: 10_000, seed: 0x150_4A)
        let (finding, accepted) = firstFinding(plan) { try JSON.parse($0) }
        #expect(finding == nil)
        #expect(accepted >= 400)
    }

    /// A reader that overlooks a letter.
    @Test func canary_isCaught() {
        let plan = FuzzPlan(smokeRounds: 10_000, seed: 0x150_4B)
        let (finding, _) = firstFinding(plan) { bytes in
            try JSON.parse(bytes.filter { $0 != UInt8(ascii: "e") })
        }
        #expect(finding != nil)
    }

    @Test func manifest_isReadOrRefusedWithReasons() throws {
        let plan = FuzzPlan(smokeRounds: 5_000, seed: 0x3A41)
        let corpus = [
            #"{"name":"a","version":"1.0.0","abi":"1.0"}"#,
            #"{"name":"a-b","version":"1.2.3-rc.1+x","abi":"1.0","authors":["x"],"services":[]}"#,
            #"{"name":"a","version":"1.0.0","abi":"1.0","library":{"file":"liba.so"}}"#,
            #"{"name":"a","version":"1.0.0","abi":"1.0","limits":{"drainSeconds":5}}"#,
            #"{"name":"a","version":"1.0.0","abi":"1.0","static":{"headers":{"A":"b"}}}"#,
            #"{"name":"a","version":"1.0.0","abi":"1.0","routes":[{"method":"A","pattern":"/"}]}"#,
        ]
        let words =
            Self.words + [
                #","name":"b""#, #""../../x""#, #""/etc""#, "1.0", "-1", "99999999999999999999",
                #""liba.so\u0000""#, #"{"file":"a/b.so"}"#, #""ph.log/1""#, #""*": 1"#,
            ]
        var mutator = ByteMutator(seed: plan.seed, corpus: Self.bytes(corpus), words: words)
        var accepted = 0
        var round = 0
        while plan.includes(round) {
            let bytes = mutator.next()
            do throws(HostError) {
                let manifest = try Manifest(parsing: bytes)
                accepted += 1
                // What becomes part of a path must be the name of one file.
                let file = manifest.library.file
                let isName = !file.isEmpty && !file.contains("/") && !file.contains("\0")
                #expect(isName && file != "..", "seed \(plan.seed), round \(round): \(file)")
            } catch {
                #expect(!error.reasons.isEmpty, "seed \(plan.seed), round \(round)")
            }
            round += 1
        }
        #expect(accepted >= 50 && accepted < round)
    }
}
