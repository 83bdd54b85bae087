package import HostModel

/// Where everything of one plugin is on disk.
///
/// - Shape:
///   ```
///   <name>.tar.gz  -> current/<name>.tar.gz    the bundle as installed
///   lib            -> current/lib              the shared library; replace it: hot reload
///   priv           -> current/priv             files of the plugin; priv/static is served
///   manifest.json  -> current/manifest.json
///   current        -> releases/000002-1.1.0    the release in force
///   releases/                                  this one and earlier ones
///   sqlite/ events/                            data, never touched by an upgrade
///   run/                                       private copies, pid files, temporary data
///   ```
///   The four links never change; one rename of `current` changes what all of them show. Replacing
/// a file through them works as in a plain directory. A watch on `lib` follows the link to the
/// release in force, so it must be set again after an upgrade (or watch `path` for `current`).
package struct PluginDirectory: Hashable, Sendable {
    package let path: String
    package let name: PluginName

    package let run: String

    /// - Parameter run: where it is told to put what it needs for a while; nil: in `run` itself.
    package init(path: String, name: PluginName, run: String? = nil) {
        self.path = path
        self.name = name
        self.run = run ?? path + "/run"
    }

    /// The same as a process of the plugin is told it.
    var toldToProcesses: PluginDirectory { PluginDirectory(path: path, name: name, run: own) }

    /// What changes together at an upgrade; each is a link into `current`.
    package var linkedNames: [String] { ["lib", "priv", "manifest.json", bundleName] }
    /// What an upgrade leaves alone.
    package static let dataNames = ["sqlite", "events", "run", "releases"]

    /// The link that is flipped by an upgrade.
    package static let currentName = "current"

    package var bundleName: String { name.text + ".tar.gz" }
    package var bundle: String { path + "/" + bundleName }
    package var lib: String { path + "/lib" }
    package var priv: String { path + "/priv" }
    package var staticFiles: String { path + "/priv/static" }
    package var manifest: String { path + "/manifest.json" }
    package var sqlite: String { path + "/sqlite" }
    package var events: String { path + "/events" }
    /// Where processes of the plugin put what they need for a while; all else in `run` is the
    /// host's.
    package var own: String { run + "/own" }
    package var releases: String { path + "/releases" }
    package var current: String { path + "/" + Self.currentName }

    /// Where an operator's replacing shows: links are renamed over in `path`; what is copied over
    /// a link changes the file behind it, in `current` or `lib`.
    package var watchedPaths: [String] { [path, current, lib] }

    /// The shared library that the manifest names.
    package func library(_ manifest: Manifest) -> String { lib + "/" + manifest.library.file }
}
