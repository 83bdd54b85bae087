/// Which services a plugin is given when its operator has not said anything about them.
///
/// - Shape: written `harmless`, `all`, `none`, or ids with commas between them.
public enum GrantPolicy: Hashable, Sendable {
    /// All but those that reach into other plugins.
    case harmless
    case all
    case none
    case only(Set<String>)

    /// The services that are not harmless.
    ///
    /// - `ph.hooks/1`: it sees every request and response, of whatever plugin, and may change them.
    /// - `host.network/1`, `host.processes/1`: see `Permission`.
    ///
    /// The others keep to the plugin itself (its log, its clients, its configuration), or to what
    /// other plugins have offered for just that (calls, capabilities, events).
    public static let sensitive: Set<String> = Permission.all.union(["ph.hooks/1"])

    /// Reads a policy, or returns nil when the text does not have the shape.
    public init?(_ text: String) {
        switch text {
        case "harmless": self = .harmless
        case "all": self = .all
        case "none": self = .none
        default:
            let ids = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
            guard ids.allSatisfy(ServiceID.isValid) else { return nil }
            self = .only(Set(ids))
        }
    }

    /// Whether a plugin is given a service that it asks for.
    public func grants(_ service: String) -> Bool {
        switch self {
        case .harmless: !Self.sensitive.contains(service)
        case .all: true
        case .none: false
        case .only(let services): services.contains(service)
        }
    }
}
