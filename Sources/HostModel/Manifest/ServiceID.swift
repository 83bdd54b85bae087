/// The id of a service with its revision, such as `ph.log/1`.
public enum ServiceID {
    /// The longest id.
    public static let bytesMax = 128
    /// The shape of an id, in words for an error message.
    public static let shape =
        "a service is lower-case words joined by dots, a slash and a revision, such as \"ph.log/1\""

    /// Says whether the text is `word(.word)*/revision`, where a word is `[a-z][a-z0-9_-]*` and the
    /// revision a number from 1 without leading zeros.
    public static func isValid(_ text: String) -> Bool {
        guard text.utf8.count <= bytesMax else { return false }
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let revision = SemanticVersion.Number(parts[1]),
            revision.value.map({ $0 > 0 }) ?? false
        else { return false }
        return parts[0].split(separator: ".", omittingEmptySubsequences: false).allSatisfy { word in
            guard case .some(0x61...0x7A) = word.utf8.first else { return false }
            return word.utf8.allSatisfy { byte in
                switch byte {
                case 0x61...0x7A, 0x30...0x39, UInt8(ascii: "_"), UInt8(ascii: "-"): true
                default: false
                }
            }
        }
    }
}
