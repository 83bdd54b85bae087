/// What came of closing an image, checked in the process's own memory map.
public struct UnloadOutcome: Sendable, Equatable {
    /// Whether the image is gone.
    public enum Verdict: String, Sendable {
        /// Nothing of the image is mapped any more.
        case unloaded
        /// The image is still in memory.
        case pinned
    }

    /// Whether the image is gone.
    public let verdict: Verdict
    /// Why it is still in memory; empty when it is gone.
    public let reasons: [Objection]
    /// What the image had left behind and the host took back, such as `2 pthread keys`.
    public let reclaimed: [String]
    /// How long the closing took.
    public let milliseconds: Double
    /// How much of the image is still mapped.
    ///
    /// - Units: bytes of address space.
    public let bytesStillMapped: UInt64

    /// Whether nothing of the image is mapped any more.
    public var isUnloaded: Bool { verdict == .unloaded }
}
