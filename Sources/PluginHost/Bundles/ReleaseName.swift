internal import HostModel

/// The name of a release's directory: a number that grows, and the version for people.
struct ReleaseName: Comparable {
    let sequence: Int
    let text: String

    /// Reads `000002-1.1.0`, or returns nil.
    init?(_ text: String) {
        let parts = text.split(separator: "-", maxSplits: 1)
        guard parts.count == 2, parts[0].utf8.count >= 6, let sequence = Int(parts[0]),
            SemanticVersion(String(parts[1])) != nil
        else { return nil }
        self.sequence = sequence
        self.text = text
    }

    init(sequence: Int, version: SemanticVersion) {
        let digits = String(sequence)
        self.sequence = sequence
        text = String(repeating: "0", count: max(0, 6 - digits.count)) + digits + "-\(version)"
    }

    static func < (left: ReleaseName, right: ReleaseName) -> Bool {
        (left.sequence, left.text) < (right.sequence, right.text)
    }
}
