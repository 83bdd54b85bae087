import Foundation
import Testing

/// Libraries with flipped bits: whatever comes of one, the host lives and its other plugins serve.
///
/// Damage to headers, names and versions is found by looking at the file or by the throwaway
/// process. Damage to the code, or to what leads to it, cannot be: it crashes as the plugin's own
/// code would.
@Suite(.ownThreads, .timeLimit(.minutes(15))) struct DamageTests {
    /// `INTEGRATION_SEED` makes another run of it.
    static let seed =
        ProcessInfo.processInfo.environment["INTEGRATION_SEED"].flatMap(UInt64.init) ?? 1

    @Test func bitFlipsOutsideTheCode_neverBringTheHostDown() throws {
        var random = SplitMix(seed: Self.seed)
        let root = try Root()
        let host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("sound"))
        try root.must("install", Fixtures.bundle("versioned_v1"))
        let load = SteadyLoad(
            port: host.port, paths: ["/plugin/versioned/api/hello"], connections: 1)
        let places = try loaderBytes(of: Fixtures.library("sound"))
        let good = try Data(contentsOf: URL(fileURLWithPath: Fixtures.library("sound")))
        let files = try TemporaryDirectory()
        var refused = 0

        for number in 0..<200 {
            var damaged = good
            let place = places[Int.random(in: 0..<places.count, using: &random)]
            damaged[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            let file = try files.write("damaged.so", damaged)
            try Command.succeed(["/bin/cp", file, root.library("sound")])
            // Taken or refused, both are right; what counts is that there is an answer.
            let reload = try root.host("reload", "sound")
            let story = "seed \(Self.seed), round \(number), byte \(place): \(reload)\n\(host.log)"
            #expect([0, 1].contains(reload.status), "\(story)")
            try #require(!host.process.hasEnded, "\(story)")
            if reload.status == 1 { refused += 1 }
        }

        #expect(refused > 50)
        let result = load.end()
        #expect(result.failures.isEmpty, "seed \(Self.seed): \(result.failures.prefix(3))")
        #expect(result.bodies == [hello])
        let mended = try files.write("mended.so", Fixtures.code("sound", saying: 200))
        try Command.succeed(["/bin/cp", mended, root.library("sound")])
        try host.waitForHello("sound", Fixtures.hello(saying: 200))
    }

    @Test func bitFlipsAnywhere_neverBringTheInspectionDown() throws {
        var random = SplitMix(seed: Self.seed)
        let good = try Data(contentsOf: URL(fileURLWithPath: Fixtures.library("sound")))
        let files = try TemporaryDirectory()
        for number in 0..<200 {
            var damaged = good
            let bit = Int.random(in: 0..<good.count * 8, using: &random)
            damaged[bit / 8] ^= 1 << UInt8(bit % 8)
            let file = try files.write("damaged.so", damaged)
            let inspect = try Command.run([HostProcess.binary, "inspect", file])
            #expect(
                [0, 1].contains(inspect.status),
                "seed \(Self.seed), round \(number), bit \(bit): \(inspect)")
        }
    }

    /// The offsets of the bytes that are neither code nor lead to it: headers, names, versions,
    /// notes and constants.
    private func loaderBytes(of library: String) throws -> [Int] {
        let table = try Command.succeed(["/usr/bin/readelf", "--sections", "--wide", library])
        var places = Array(0..<64)
        for line in table.output.split(separator: "\n") {
            let pattern =
                #/\] (?<name>\.\S+) +\S+ +[0-9a-f]+ (?<offset>[0-9a-f]+) (?<size>[0-9a-f]+)/#
            guard let section = line.firstMatch(of: pattern) else { continue }
            let read = [".note", ".gnu.", ".dynstr", ".rodata"]
            guard read.contains(where: { section.name.hasPrefix($0) }),
                let offset = Int(section.offset, radix: 16),
                let size = Int(section.size, radix: 16)
            else { continue }
            places += Array(offset..<offset + size)
        }
        try #require(places.count > 200)
        return places
    }
}

/// A small generator of numbers that a seed repeats.
struct SplitMix: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}
