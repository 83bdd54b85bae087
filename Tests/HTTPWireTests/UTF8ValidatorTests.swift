import HTTPWire
import Testing

@Suite struct UTF8ValidatorTests {
    /// How many bytes are accepted before the first that cannot be right; nil if all are.
    private func refusal(of bytes: [UInt8]) -> Int? {
        var validator = UTF8Validator()
        for (index, byte) in bytes.enumerated()
        where ![byte].withUnsafeBytes({ validator.accept($0) }) {
            return index
        }
        return validator.isComplete ? nil : bytes.count
    }

    private func isValid(_ bytes: [UInt8], cut: Int = 0) -> Bool {
        var validator = UTF8Validator()
        return bytes[..<cut].withUnsafeBytes { validator.accept($0) }
            && bytes[cut...].withUnsafeBytes { validator.accept($0) } && validator.isComplete
    }

    @Test(
        arguments: [
            ([0xCE, 0xBA, 0xE1, 0xBD, 0xB9], nil), ([0xC0, 0x80], 0), ([0xC1, 0xBF], 0),
            ([0xE0, 0x9F, 0xBF], 1), ([0xED, 0xA0, 0x80], 1), ([0xF0, 0x8F, 0xBF, 0xBF], 1),
            ([0xF4, 0x90, 0x80, 0x80], 1), ([0xF5, 0x80, 0x80, 0x80], 0), ([0x80], 0),
            ([0x61, 0xCE], 2), ([0xF0, 0x90, 0x80], 3), ([0xEF, 0xBF, 0xBF], nil),
            ([0xF4, 0x8F, 0xBF, 0xBF], nil), ([0xE2, 0x82, 0x41], 2),
        ] as [([UInt8], Int?)])
    func text_isRefused_atTheFirstByteThatCannotBeRight(_ bytes: [UInt8], _ at: Int?) {
        #expect(refusal(of: bytes) == at)
    }

    @Test func everyShortSequence_isJudgedAsTheStandardLibraryDoes() {
        for first in 0x7E...0xFF {
            for second in stride(from: 0, through: 0xFF, by: 1) {
                let two = [UInt8(first), UInt8(second)]
                #expect(isValid(two) == (String(validating: two, as: UTF8.self) != nil))
            }
            for second in [0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0] {
                for third in [0x7F, 0x80, 0xBF, 0xC0] {
                    for fourth in [0x41, 0x80, 0xBF] {
                        let four = [first, second, third, fourth].map { UInt8($0) }
                        #expect(isValid(four) == (String(validating: four, as: UTF8.self) != nil))
                    }
                }
            }
        }
    }

    @Test func longTexts_areJudgedTheSame_whereverTheyAreCut() {
        var random = SplitMix(seed: 3629)
        let characters = Array("aZ09 éßκ€한😀\u{10FFFF}")
        for round in 0..<500 {
            let text = String((0..<60).map { _ in characters.randomElement(using: &random)! })
            var bytes = Array(text.utf8)
            if round % 2 == 1 {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] ^= UInt8(
                    1 << Int.random(in: 0..<8, using: &random))
            }
            let expected = String(validating: bytes, as: UTF8.self) != nil
            let cut = Int.random(in: 0...bytes.count, using: &random)
            #expect(isValid(bytes, cut: cut) == expected)
        }
    }
}
