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

    @Test func symbolsThatAllNameOneLongString_areRefused_beforeTheyFillTheMemory() throws {
        let library = try Fixtures.build("plain.c", flags: ["-Wl,--hash-style=sysv"])
        var elf = ELFFile(try ReadOnlyFile(path: library))
        elf.readDynamicSection()
        let hashOffset = elf.offset(ofAddress: elf.dynamic.values[ELF.Tag.hash] ?? 0)
        let hash = try #require(hashOffset)
        let headers = elf.programHeaders
        let dynamic = try #require(
            headers.first { $0.type == ELF.Segment.dynamic }
        ).offset
        let load = try #require(
            headers.firstIndex { $0.type == ELF.Segment.load })
        // The first segment is made to reach to the end of the file, where the tables are put.
        var bytes = try Data(contentsOf: URL(fileURLWithPath: library))
        let symbolCount = 60_000
        let strings = Data([0]) + Data(repeating: 0x61, count: 60_000) + Data([0])
        let entry = Data([1, 0, 0, 0, 0x12, 0, 1, 0]) + Data(count: 16)
        let symbolsAt = UInt64(bytes.count)
        for _ in 0..<symbolCount { bytes += entry }
        let stringsAt = UInt64(bytes.count)
        bytes += strings
        func patch(_ value: UInt64, at offset: UInt64, width: Int = 8) {
            for index in 0..<width {
                bytes[Int(offset) + index] = UInt8(truncatingIfNeeded: value >> (8 * index))
            }
        }
        let header = 64 + UInt64(load) * ELF.programHeaderSize
        patch(UInt64(bytes.count), at: header + 32)
        patch(UInt64(bytes.count), at: header + 40)
        patch(UInt64(symbolCount), at: hash + 4, width: 4)
        var at = dynamic
        while bytes[Int(at)] != 0 || bytes[Int(at) + 4] != 0 {
            switch bytes[Int(at) + 4] == 0 ? UInt64(bytes[Int(at)]) : 0 {
            case ELF.Tag.symbols: patch(symbolsAt, at: at + 8)
            case ELF.Tag.strings: patch(stringsAt, at: at + 8)
            case ELF.Tag.stringBytes: patch(UInt64(strings.count), at: at + 8)
            default: break
            }
            at += 16
        }
        let path = Fixtures.directory + "/hostile.so"
        try bytes.write(to: URL(fileURLWithPath: path))
        let found = try ImageInspection.inspect(path)
        #expect(found.refusals.map(\.code) == [.malformed])
        #expect((2..<100).contains(found.exportedSymbols.count))
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
