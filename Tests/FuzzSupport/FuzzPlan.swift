import Glibc

/// How long a fuzzer runs, and the seed that all it does follows from.
///
/// `FUZZ_SECONDS` asks for more than the smoke set, `FUZZ_SEED` for other inputs, or for a finding
/// again. A finding names seed and round.
public struct FuzzPlan: Sendable {
    /// The seed.
    public let seed: UInt64
    private let smokeRounds: Int
    private let end: ContinuousClock.Instant?

    /// Makes a plan of so many rounds, unless the environment asks for a time.
    public init(smokeRounds: Int, seed: UInt64) {
        self.smokeRounds = smokeRounds
        self.seed = Self.number("FUZZ_SEED") ?? seed
        end = Self.number("FUZZ_SECONDS").map { ContinuousClock.now + .seconds(Int($0)) }
    }

    /// Whether the round, counted from 0, is to be run.
    public func includes(_ round: Int) -> Bool {
        guard let end else { return round < smokeRounds }
        return ContinuousClock.now < end
    }

    private static func number(_ name: String) -> UInt64? {
        getenv(name).flatMap { UInt64(String(cString: $0)) }
    }
}
