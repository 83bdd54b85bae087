internal import Glibc
package import HostModel

/// Where everything of one host is on disk.
///
/// - Shape:
///   ```
///   <root>/host.db           the lifecycle journal
///   <root>/host.sock         the admin socket
///   <root>/host.lock         held by the running host
///   <root>/plugins/<name>/   one plugin; see `PluginDirectory`
///   <root>/config/           what the operator sets: <environment>.json, local.json
///   <root>/staging/          work in progress; emptied at each start
///   <root>/inbox/            bundles that are to be installed; see `PluginManager`
///   <root>/trust/            whose signatures count; see `TrustStore`
///   <root>/removed/          data kept of plugins that were removed
///   ```
package struct RootLayout: Hashable, Sendable {
    /// The absolute path of the root, without a slash at its end.
    package let root: String

    /// Takes a path; a relative one is made absolute against the working directory.
    package init(root: String) {
        var path = root.hasPrefix("/") ? root : Self.workingDirectory() + "/" + root
        while path.count > 1, path.hasSuffix("/") { path.removeLast() }
        self.root = path
    }

    /// The root to use when none is given: `$PLUGIN_HOST_ROOT`, else `$XDG_DATA_HOME/plugin-host`,
    /// else `~/.local/share/plugin-host`.
    ///
    /// An empty variable counts as unset, and so does a relative `XDG_DATA_HOME`.
    /// - Source: XDG Base Directory Specification 0.8.
    package static func standard(environment: [String: String]) -> RootLayout {
        if let root = environment["PLUGIN_HOST_ROOT"], !root.isEmpty {
            return RootLayout(root: root)
        }
        if let data = environment["XDG_DATA_HOME"], data.hasPrefix("/") {
            return RootLayout(root: data + "/plugin-host")
        }
        return RootLayout(root: (environment["HOME"] ?? "") + "/.local/share/plugin-host")
    }

    package var database: String { root + "/host.db" }
    package var socket: String { root + "/host.sock" }
    package var lock: String { root + "/host.lock" }
    package var plugins: String { root + "/plugins" }
    package var configuration: String { root + "/config" }
    package var staging: String { root + "/staging" }
    package var removed: String { root + "/removed" }
    package var inbox: String { root + "/inbox" }
    package var trust: String { root + "/trust" }

    /// The directory of one plugin.
    package func plugin(_ name: PluginName) -> PluginDirectory {
        PluginDirectory(path: plugins + "/" + name.text, name: name)
    }

    /// Creates what is missing of the root.
    ///
    /// - Shape: the root itself gets mode 0700, because it holds the admin socket and all data.
    /// - Throws: `HostError` with code `root_unusable`.
    package func create() throws(HostError) {
        do throws(HostError) {
            try Directory.create(root, mode: 0o700, parents: true)
            try Directory.create(configuration, mode: 0o700)
            for path in [plugins, staging, removed, inbox] {
                try Directory.create(path, mode: 0o755)
            }
        } catch {
            throw HostError(
                "root_unusable", what: "the root cannot be used", subject: error.subject,
                why: error.reasons,
                fix: error.remedy.isEmpty ? "choose another --root" : error.remedy,
                systemError: error.systemError)
        }
    }

    /// The plugins that have a directory, by name.
    package func installedNames() throws(HostError) -> [PluginName] {
        try Directory.entries(of: plugins).compactMap { PluginName($0) }.sorted()
    }

    private static func workingDirectory() -> String {
        guard let path = unsafe getcwd(nil, 0) else { return "" }
        defer { unsafe free(path) }
        return unsafe String(cString: path)
    }
}
