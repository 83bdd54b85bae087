/// The name of a capability: what plugins provide and other plugins ask for, such as `renderer` or
/// `llm.chat`.
///
/// - Shape: parts of the shape of a plugin's name with a dot between them, at most 127 bytes.
public struct CapabilityName: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The longest name.
    public static let bytesMax = 127
    /// The shape of a name, in words for an error message.
    public static let shape =
        "a capability is a name such as \"renderer\" or \"llm.chat\": lower-case letters, digits "
        + "and hyphens, each part beginning with a letter, at most 127 bytes"

    public let text: String

    /// Takes the text as a name, or returns nil when it does not have the shape.
    public init?(_ text: String) {
        guard text.utf8.count <= Self.bytesMax,
            text.split(separator: ".", omittingEmptySubsequences: false)
                .allSatisfy({ PluginName(String($0)) != nil })
        else { return nil }
        self.text = text
    }

    public var description: String { text }

    public static func < (left: CapabilityName, right: CapabilityName) -> Bool {
        left.text < right.text
    }
}
