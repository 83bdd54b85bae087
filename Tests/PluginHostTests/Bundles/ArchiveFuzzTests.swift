import Foundation
import FuzzSupport
import HostModel
import Testing

@testable import PluginHost

/// Damaged archives are read or refused; they never crash the reader and never reach outside.
@Suite struct ArchiveFuzzTests {
    private let scratch: Scratch
    private let layout: RootLayout

    init() throws {
        scratch = try Scratch()
        layout = try scratch.root()
        try scratch.write("untouched", to: "outside/file")
    }

    /// An archive with an entry of every kind that is accepted, as blocks.
    private var blocks: [[UInt8]] {
        var tar = TarBuilder()
        tar.addPlugin()
        tar.addPax([("path", "priv/long-name"), ("mtime", "1600000000.5"), ("size", "600")])
        tar.add("priv/short", [UInt8](repeating: 7, count: 600), size: 0)
        tar.add("././@LongLink", Array("priv/from-gnu\0".utf8), type: "L")
        tar.add("priv/cut", [1, 2, 3])
        tar.add("priv/link", type: "2", target: "from-gnu")
        tar.add("priv/hard", type: "1", target: "lib/libdemo.so")
        tar.add("d", prefix: "priv/x/y")
        tar.end()
        return stride(from: 0, to: tar.bytes.count, by: 512).map {
            Array(tar.bytes[$0..<($0 + 512)])
        }
    }

    /// Says what is on the disk outside the staging area, and what it holds.
    private func surroundings() throws -> [String] {
        try Files.tree(scratch.path).filter { $0 != "x.tar.gz" } + [
            try scratch.read("outside/file")
        ]
    }

    /// Changes some bytes of some blocks; the check sums of headers are made good again, because
    /// otherwise nothing behind them would ever be reached.
    private func damage(_ blocks: [[UInt8]], using random: inout FuzzRandom) -> [UInt8] {
        var blocks = blocks
        let fragments = ["../", "/", "..", "\0", "lib", "priv/x", "9", "7777777", "./", "\u{FF}"]
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            let index = Int.random(in: 0..<blocks.count, using: &random)
            switch Int.random(in: 0..<5, using: &random) {
            case 0: blocks.swapAt(index, Int.random(in: 0..<blocks.count, using: &random))
            case 1: blocks.remove(at: index)
            case 2: blocks.insert(blocks[index], at: index)
            case 3:
                let fragment = Array((fragments.randomElement(using: &random) ?? "").utf8)
                let field = [0, 124, 136, 156, 157, 257, 345].randomElement(using: &random) ?? 0
                blocks[index].replaceSubrange(field..<(field + fragment.count), with: fragment)
            default:
                blocks[index][Int.random(in: 0..<512, using: &random)] =
                    UInt8.random(in: 0...255, using: &random)
            }
        }
        return blocks.flatMap { block -> [UInt8] in
            // A header in this archive has its check sum end in NUL and space.
            guard block[154] == 0, block[155] == 0x20 else { return block }
            var block = block
            for index in 148..<156 { block[index] = 0x20 }
            let digits = String(block.reduce(0) { $0 + Int($1) }, radix: 8)
            let sum = String(repeating: "0", count: 6 - digits.count) + digits + "\0 "
            block.replaceSubrange(148..<156, with: Array(sum.utf8))
            return block
        }
    }

    /// Changes or cuts the packed file itself.
    private func damageFile(_ path: String, using random: inout FuzzRandom) throws {
        var bytes = try Descriptor(opening: path, flags: O_RDONLY).readAll(bytesMax: 1 << 24)
        let at = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<3, using: &random) {
        case 0: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 1: bytes.removeSubrange(at...)
        default: bytes += bytes[..<at]
        }
        try Data(bytes).write(to: URL(fileURLWithPath: path))
    }

    @Test func damagedArchive_neverReachesOutside() throws {
        let plan = FuzzPlan(smokeRounds: 400, seed: 20_260_302)
        let seed = plan.seed
        var random = FuzzRandom(seed: seed)
        let before = try surroundings()
        let blocks = blocks
        var accepted = 0
        var round = 0
        while plan.includes(round) {
            defer { round += 1 }
            let path = scratch.path + "/x.tar.gz"
            try Gzip.write(damage(blocks, using: &random), to: path)
            if round % 4 == 3 { try damageFile(path, using: &random) }
            do throws(HostError) {
                let bundle = try Installer(layout).prepare(archive: scratch.path + "/x.tar.gz")
                accepted += bundle.files.isEmpty ? 0 : 1
            } catch {
                #expect(!error.reasons.isEmpty, "seed \(seed), round \(round)")
            }
            #expect(try surroundings() == before, "seed \(seed), round \(round)")
        }
        // Some damage must be harmless and some must not, or the fuzzer does not do its work.
        #expect(accepted > round / 20 && accepted < round * 19 / 20, "\(accepted), seed \(seed)")
    }

    @Test func canary_isCaught() throws {
        let before = try surroundings()
        try scratch.write("escaped", to: "root/plugins/evil")
        #expect(try surroundings() != before)
        try Directory.remove(layout.plugins + "/evil")
        try scratch.write("changed", to: "outside/file")
        #expect(try surroundings() != before)
    }
}
