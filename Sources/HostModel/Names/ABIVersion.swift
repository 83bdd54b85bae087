/// The version of the C contract between host and plugin.
///
/// - Shape: written `MAJOR.MINOR`; on the wire `major << 16 | minor`.
public struct ABIVersion: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let major: UInt16
    public let minor: UInt16

    public init(major: UInt16, minor: UInt16) {
        self.major = major
        self.minor = minor
    }

    /// Takes the number that crosses the boundary.
    public init(rawValue: UInt32) {
        major = UInt16(truncatingIfNeeded: rawValue >> 16)
        minor = UInt16(truncatingIfNeeded: rawValue)
    }

    /// Reads `1.0`, or returns nil when the text does not have the shape.
    public init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, let major = Self.number(parts[0]), let minor = Self.number(parts[1])
        else { return nil }
        self.init(major: major, minor: minor)
    }

    /// The number that crosses the boundary.
    public var rawValue: UInt32 { UInt32(major) << 16 | UInt32(minor) }

    public var description: String { "\(major).\(minor)" }

    public static func < (left: ABIVersion, right: ABIVersion) -> Bool {
        left.rawValue < right.rawValue
    }

    /// Reads digits without a sign or a zero in front.
    private static func number(_ text: Substring) -> UInt16? {
        SemanticVersion.Number(text).flatMap { UInt16($0.digits) }
    }
}
