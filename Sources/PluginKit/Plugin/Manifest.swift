import CPluginABI

/// Who a plugin is and what it asks the host for.
///
/// It says the same as the `manifest.json` of the bundle, or the host refuses the plugin.
public struct Manifest: Sendable {
    /// The plugin's name, which is also its place in every URL and directory.
    ///
    /// - Shape: `[a-z][a-z0-9-]{0,62}`.
    public var name: StaticString
    /// The plugin's version.
    ///
    /// - Shape: semver 2.0.0, such as `1.4.0-beta.2`.
    public var version: StaticString
    /// One sentence that tells an operator what the plugin is for.
    public var description: StaticString
    /// The services that the plugin wants to use. The host hands out no other.
    public var services: [Service]

    /// Makes a manifest.
    public init(
        name: StaticString, version: StaticString, description: StaticString,
        services: [Service] = []
    ) {
        self.name = name
        self.version = version
        self.description = description
        self.services = services
    }

    func asks(for service: Service) -> Bool {
        services.contains { unsafe BorrowedText(unsafe: ph_text($0.id)) == service.id }
    }
}

/// A service of the host, named by its id with a revision.
public struct Service: Sendable {
    /// The id, such as `ph.log/1`.
    public let id: StaticString

    /// Names a service that PluginKit has no type for; ask for it with `HostContext.service`.
    public init(_ id: StaticString) {
        self.id = id
    }

    /// Lines in the host's log: `HostContext.log`.
    public static var log: Service { Service("ph.log/1") }
}
