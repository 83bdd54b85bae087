import Foundation
import FuzzSupport
import Testing

@testable import DynamicLibrary

/// Images with damage where it hurts: in the numbers that say where things are and how many.
@Suite struct ImageFuzzTests {
    /// Offsets, sizes and counts that are wrong in their own ways.
    private static let values: [UInt64] = [
        0, 1, 7, 8, 0x7F, 0xFF, 0xFFF, 0x1000, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF,
        0x1_0000_0000, 0x7FFF_FFFF_FFFF_FFFF, 0x8000_0000_0000_0000, .max, .max - 7,
    ]

    private func damaged(
        _ whole: [UInt8], _ dynamicSection: Range<Int>, using random: inout FuzzRandom
    ) -> [UInt8] {
        var bytes = whole
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            let places = [0..<64, 64..<min(1_024, bytes.count), dynamicSection, 0..<bytes.count]
            let region = (places.randomElement(using: &random) ?? 0..<64).clamped(
                to: 0..<(bytes.count - 8))
            guard !region.isEmpty else { continue }
            let at = Int.random(in: region, using: &random)
            switch Int.random(in: 0..<4, using: &random) {
            case 0: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 1: bytes.removeSubrange(max(at, 512)...)
            default:
                var value = Self.values.randomElement(using: &random) ?? 0
                if Bool.random(using: &random) { value &+= UInt64(bytes.count) }
                let width = [2, 4, 8].randomElement(using: &random) ?? 8
                for index in 0..<width {
                    bytes[at / width * width + index] =
                        UInt8(truncatingIfNeeded: value >> (8 * index))
                }
            }
            if bytes.count < 1_024 { break }
        }
        return bytes
    }

    @Test(arguments: ["plain.c", "tls_destructor.cpp"])
    func damagedImage_isReadOrRefused_soon(source: String) throws {
        let plan = FuzzPlan(smokeRounds: 300, seed: 0xE1F)
        let library = try Fixtures.build(source)
        let whole = Array(try Data(contentsOf: URL(fileURLWithPath: library)))
        var elf = ELFFile(try ReadOnlyFile(path: library))
        elf.readDynamicSection()
        let segment = try #require(elf.programHeaders.first { $0.type == ELF.Segment.dynamic })
        let dynamicSection = Int(segment.offset)..<Int(segment.offset + segment.fileSize)
        let path = Fixtures.directory + "/fuzzed-\(source).so"
        var random = FuzzRandom(seed: plan.seed)
        var refused = 0
        var slowest = Duration.zero
        var round = 0
        while plan.includes(round) {
            let bytes = damaged(whole, dynamicSection, using: &random)
            try Data(bytes).write(to: URL(fileURLWithPath: path))
            let started = ContinuousClock.now
            let found = try ImageInspection.inspect(path, entry: "fixture_entry")
            _ = SymbolTable(path: path)
            slowest = max(slowest, ContinuousClock.now - started)
            if !found.refusals.isEmpty { refused += 1 }
            round += 1
        }
        #expect(refused > round / 10 && refused < round, "\(refused) of \(round)")
        #expect(slowest < .seconds(20), "seed \(plan.seed)")
    }
}
