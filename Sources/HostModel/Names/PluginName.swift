/// The name of a plugin: its directory, its route prefix and its key in the registry.
///
/// - Shape: `[a-z][a-z0-9-]{0,62}`, which is safe as a path component, a URL segment and a DNS
///   label.
public struct PluginName: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The longest name.
    public static let bytesMax = 63
    /// The shape of a name, in words for an error message.
    public static let shape =
        "a name is a lower-case letter, then up to 62 lower-case letters, digits or hyphens"

    public let text: String

    /// Takes the text as a name, or returns nil when it does not have the shape.
    public init?(_ text: String) {
        let bytes = text.utf8
        guard let first = bytes.first, Self.isLetter(first), bytes.count <= Self.bytesMax,
            bytes.allSatisfy({ Self.isLetter($0) || Self.isDigit($0) || $0 == UInt8(ascii: "-") })
        else { return nil }
        self.text = text
    }

    /// Takes the text as a name.
    ///
    /// - Throws: `HostError` with code `name_invalid`.
    public init(checking text: String) throws(HostError) {
        guard let name = PluginName(text) else {
            throw HostError(
                "name_invalid", what: "\(Escaping.quoted(text)) is not a plugin name",
                why: Self.shape, fix: "choose a name such as \"metrics\" or \"hello-c\"")
        }
        self = name
    }

    public var description: String { text }

    public static func < (left: PluginName, right: PluginName) -> Bool { left.text < right.text }

    private static func isLetter(_ byte: UInt8) -> Bool {
        byte >= UInt8(ascii: "a") && byte <= UInt8(ascii: "z")
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
    }
}
