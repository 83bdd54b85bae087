import Foundation
import Testing

@testable import DynamicLibrary

/// Files that are cut off or altered; reading them never crashes.
@Suite struct DamageTests {
    @Test(arguments: ["plain.c", "tls_destructor.cpp"])
    func cutOffFile_isRefused_whereverItIsCut(source: String) throws {
        let whole = try Data(contentsOf: URL(fileURLWithPath: Fixtures.build(source)))
        let path = Fixtures.directory + "/cut-\(source).so"
        for part in 0..<64 {
            let bytes = whole.prefix(whole.count * part / 64)
            try bytes.write(to: URL(fileURLWithPath: path))
            let found = try ImageInspection.inspect(path, entry: "fixture_entry")
            #expect(!found.refusals.isEmpty, "cut at \(bytes.count) of \(whole.count)")
        }
        try whole.dropLast().write(to: URL(fileURLWithPath: path))
        #expect(
            try ImageInspection.inspect(path).refusals.map(\.code) == [.truncated])
        try whole.write(to: URL(fileURLWithPath: path))
        #expect(try ImageInspection.inspect(path, entry: "fixture_entry").refusals.isEmpty)
    }

    @Test func fileWithZerosInsteadOfItsEnd_isRefused() throws {
        var bytes = try Data(contentsOf: URL(fileURLWithPath: Fixtures.build("plain.c")))
        let half = bytes.count / 2
        bytes.replaceSubrange(half..., with: Data(count: bytes.count - half))
        let path = Fixtures.directory + "/zeros.so"
        try bytes.write(to: URL(fileURLWithPath: path))
        #expect(
            try ImageInspection.inspect(path).refusals.contains { $0.code == .truncated })
    }

    @Test(arguments: ["plain.c", "tls_destructor.cpp"])
    func flippedBits_neverCrashTheInspection(source: String) throws {
        let seed: UInt64 = 0x5eed_0001
        var random = SplitMix(state: seed)
        let whole = try Data(contentsOf: URL(fileURLWithPath: Fixtures.build(source)))
        let path = Fixtures.directory + "/flipped-\(source).so"
        var refused = 0
        for round in 0..<500 {
            var bytes = whole
            // Half of the flips hit the header, the program headers or the dynamic section's
            // neighbourhood.
            let limit = round % 2 == 0 ? 1024 : bytes.count
            for _ in 0..<(1 + Int(random.next() % 4)) {
                let at = Int(random.next() % UInt64(limit))
                bytes[at] ^= 1 << UInt8(random.next() % 8)
            }
            try bytes.write(to: URL(fileURLWithPath: path))
            let found = try ImageInspection.inspect(path, entry: "fixture_entry")
            _ = SymbolTable(path: path)
            if !found.refusals.isEmpty { refused += 1 }
        }
        #expect(refused > 50, "seed \(seed): flips that hit headers must be noticed")
    }

    @Test func absurdCounts_areRefused_quickly() throws {
        let whole = try Data(contentsOf: URL(fileURLWithPath: Fixtures.build("plain.c")))
        let path = Fixtures.directory + "/absurd.so"
        // Offsets of e_phoff, e_shoff, e_phentsize+e_phnum, e_shentsize+e_shnum+e_shstrndx.
        for (offset, width) in [(32, 8), (40, 8), (54, 4), (58, 6)] {
            for value: UInt8 in [0xff, 0x7f, 0x80] {
                var bytes = whole
                for index in offset..<(offset + width) { bytes[index] = value }
                try bytes.write(to: URL(fileURLWithPath: path))
                #expect(!(try ImageInspection.inspect(path).refusals.isEmpty))
            }
        }
    }
}

/// A small seeded generator, so that a failing round can be repeated.
struct SplitMix {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
