/// Something that must be there before a plugin can serve, as its manifest says.
public struct Requirement: Hashable, Sendable {
    /// What is asked for.
    public enum Target: Hashable, Sendable {
        /// That very plugin.
        case plugin(PluginName)
        /// Any plugin that provides it.
        case capability(CapabilityName)
    }

    public var target: Target
    /// Which versions will do: of the plugin, or of the capability.
    public var range: VersionRange
    /// Whether the plugin serves without it too; then it only comes later when both are there.
    public var isOptional: Bool

    public init(_ target: Target, _ range: VersionRange = .any, isOptional: Bool = false) {
        self.target = target
        self.range = range
        self.isOptional = isOptional
    }

    /// The name of the plugin or of the capability.
    public var name: String {
        switch target {
        case .plugin(let name): name.text
        case .capability(let name): name.text
        }
    }
}

extension Requirement: CustomStringConvertible {
    /// - Shape: `plugin "notes" ^1.2` or `capability "renderer"`; without the range where it is
    ///   any.
    public var description: String {
        let kind =
            switch target {
            case .plugin: "plugin"
            case .capability: "capability"
            }
        let range = range.canonical == VersionRange.any.canonical ? "" : " \(range)"
        return "\(kind) \"\(name)\"\(range)"
    }
}
