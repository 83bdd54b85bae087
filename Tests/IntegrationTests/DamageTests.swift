import Foundation
import Testing

/// Libraries with flipped bits: whatever comes of one, the host lives and its other plugins serve.
@Suite(.ownThreads, .timeLimit(.minutes(15))) struct DamageTests {
    /// `INTEGRATION_SEED` repeats a run.
    static let seed =
        ProcessInfo.processInfo.environment["INTEGRATION_SEED"].flatMap(UInt64.init)
        ?? UInt64.random(in: 0 ... .max)

    @Test func bitFlipsInTheLibrary_neverBringTheHostDown() throws {
        var random = SplitMix(seed: Self.seed)
        let root = try Root()
        let host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("sound"))
        try root.must("install", Fixtures.bundle("versioned_v1"))
        let load = SteadyLoad(
            port: host.port, paths: ["/plugin/versioned/api/hello"], connections: 1)
        let good = try Data(contentsOf: URL(fileURLWithPath: Fixtures.library("sound")))
        let files = try TemporaryDirectory()

        for number in 0..<200 {
            var damaged = good
            let bit = Int.random(in: 0..<good.count * 8, using: &random)
            damaged[bit / 8] ^= 1 << UInt8(bit % 8)
            let file = try files.write("damaged.so", damaged)
            try Command.succeed(["/bin/cp", file, root.library("sound")])
            // Taken or refused, both are right; what counts is that there is an answer.
            let reload = try root.host("reload", "sound")
            let story = "seed \(Self.seed), round \(number), bit \(bit): \(reload)\n\(host.log)"
            #expect([0, 1].contains(reload.status), "\(story)")
            try #require(!host.process.hasEnded, "\(story)")
        }

        let result = load.end()
        #expect(result.failures.isEmpty, "seed \(Self.seed): \(result.failures.prefix(3))")
        #expect(result.bodies == [hello])
        let mended = try files.write("mended.so", Fixtures.code("sound", saying: 200))
        try Command.succeed(["/bin/cp", mended, root.library("sound")])
        try host.waitForHello("sound", Fixtures.hello(saying: 200))
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
