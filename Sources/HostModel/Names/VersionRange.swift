/// A set of versions, written as npm writes it: what one plugin demands of another.
///
/// - Shape: comparators that must all hold, with spaces between them, and `||` between
///   alternatives. A comparator is `^1.2.3`, `~1.2.3`, `>1.2.3`, `>=1.2.3`, `<1.2.3`, `<=1.2.3`,
///   `1.2.3` or, alone in its alternative, `1.2.3 - 2.3.4`; in each the right-hand numbers may be
///   left out or be `x`, `X` or `*`, and the version may have a `v` in front. The empty text and
///   `*` are every version that is no pre-release.
/// - Source: github.com/npm/node-semver, "Ranges"; its loose mode is not taken over.
public struct VersionRange: Hashable, Sendable, CustomStringConvertible {
    /// The longest text that is read.
    public static let bytesMax = 256
    /// The shape of a range, in words for an error message.
    public static let shape =
        "a range is comparators such as ^1.2, ~1.2.3, >=1.0.0 <3, 1.x or 1.0 - 2.3,"
        + " with || between alternatives"

    /// Every version that is no pre-release.
    public static let any = VersionRange(text: "*", alternatives: [[]])

    /// One bound of a range.
    struct Comparator: Hashable, Sendable, CustomStringConvertible {
        enum Relation: String, Sendable {
            case less = "<"
            case atMost = "<="
            case equal = ""
            case atLeast = ">="
            case greater = ">"
        }

        var relation: Relation
        /// Without build metadata, which has no precedence.
        var version: SemanticVersion

        func admits(_ other: SemanticVersion) -> Bool {
            switch relation {
            case .less: other.precedes(version)
            case .atMost: !version.precedes(other)
            case .equal: !version.precedes(other) && !other.precedes(version)
            case .atLeast: !other.precedes(version)
            case .greater: version.precedes(other)
            }
        }

        var description: String { relation.rawValue + version.description }
    }

    /// The range as it was written.
    public let text: String
    /// One of these must hold, as a whole; an empty one holds for all.
    let alternatives: [[Comparator]]

    init(text: String, alternatives: [[Comparator]]) {
        self.text = text
        self.alternatives = alternatives
    }

    /// Says whether the version is in the range.
    ///
    /// A pre-release is only in it when a comparator beside it names a pre-release of the same
    /// numbers: who asks for `^1.2.3-beta` accepts `1.2.3-rc`, and who asks for `^1.2` has not
    /// asked for anything unfinished.
    public func contains(_ version: SemanticVersion) -> Bool {
        alternatives.contains { comparators in
            guard comparators.allSatisfy({ $0.admits(version) }) else { return false }
            return version.prerelease == nil
                || comparators.contains {
                    $0.version.prerelease != nil && $0.version.hasSameNumbers(as: version)
                }
        }
    }

    public var description: String { text }

    /// The range in plain comparators, such as `>=1.2.0 <2.0.0-0`; ranges that are written the same
    /// so are the same.
    public var canonical: String {
        alternatives.map { comparators in
            comparators.isEmpty
                ? "*" : comparators.map(\.description).joined(separator: " ")
        }.joined(separator: "||")
    }
}
