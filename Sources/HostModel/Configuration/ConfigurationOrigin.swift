/// Where a value of a configuration comes from; a later case goes before an earlier one.
public enum ConfigurationOrigin: Hashable, Sendable, CustomStringConvertible {
    /// A `default` of the schema.
    case schema
    /// `configuration.defaults` of the manifest.
    case manifest
    /// A file below the root, such as `config/local.json`.
    case file(String)
    /// A variable of the host's environment.
    case variable(String)

    public var description: String {
        switch self {
        case .schema: "default"
        case .manifest: "manifest"
        case .file(let path): path
        case .variable(let name): "$" + name
        }
    }
}

/// The values that come from one place.
public struct ConfigurationLayer: Hashable, Sendable {
    public var origin: ConfigurationOrigin
    public var values: JSONObject

    public init(_ origin: ConfigurationOrigin, _ values: JSONObject) {
        self.origin = origin
        self.values = values
    }
}
