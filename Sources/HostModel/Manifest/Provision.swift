/// A capability that a plugin provides, as its manifest says.
public struct Provision: Hashable, Sendable {
    /// The range of a priority.
    public static let priorityRange = -1_000_000...1_000_000
    /// What is provided; other plugins ask for it by this name.
    public var capability: CapabilityName
    /// The version of the capability, which is not that of the plugin.
    public var version: SemanticVersion
    /// Who comes first when several plugins provide the capability: the highest number.
    public var priority = 0
    /// What the provider says about itself, such as `{"models": ["small", "large"]}`.
    public var options: JSONObject = [:]

    /// Makes a provision without priority and options.
    public init(capability: CapabilityName, version: SemanticVersion) {
        self.capability = capability
        self.version = version
    }

    /// Whether an option has a value.
    ///
    /// - Parameters:
    ///   - option: the name of a member of `options`.
    ///   - value: what the member must be, or, where it is an array, what must be one of its
    ///     elements; nil: the member must be there. Texts match as they are, numbers and truth
    ///     values as they are written in JSON.
    public func matches(option: String, value: String?) -> Bool {
        guard let member = options[option] else { return false }
        guard let value else { return true }
        if let elements = member.array { return elements.contains { $0.isWritten(as: value) } }
        return member.isWritten(as: value)
    }
}

extension JSONValue {
    fileprivate func isWritten(as text: String) -> Bool {
        switch self {
        case .string(let value): value == text
        case .number(let value): value.text == text
        case .bool(let value): String(value) == text
        case .null, .array, .object: false
        }
    }
}
