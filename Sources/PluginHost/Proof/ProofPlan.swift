import Glibc
import HostModel

/// What a plugin is proven with: directories of its own that are thrown away.
///
/// - Shape: `<plugin>/run/proof.<generation>/` has `sqlite`, `events` and `run`, which are empty;
///   `lib`, `priv` and `manifest.json` are links to the release. What a crash of the host leaves of
///   it goes when `run` is emptied at the next start.
struct ProofPlan: Sendable {
    /// What the plugin would serve with.
    struct Outfit: Sendable {
        /// The directory of its release.
        var release: String
        var configuration: ConfigurationSnapshot
        /// The ids of the services and permissions that it is given.
        var granted: Set<String>
        /// How long each of its steps may take.
        var seconds: Int
    }

    /// The plugin's directory, as it is told.
    let directory: PluginDirectory
    let outfit: Outfit

    /// Makes the directories.
    ///
    /// - Throws: `HostError` of the system call that failed; nothing is left behind.
    init(
        of manifest: Manifest, in plugin: PluginDirectory, generation: UInt64, outfit: Outfit
    ) throws(HostError) {
        directory = PluginDirectory(path: "\(plugin.run)/proof.\(generation)", name: manifest.name)
        self.outfit = outfit
        do throws(HostError) {
            try Directory.remove(directory.path)
            try make()
        } catch {
            clear()
            var error = error
            error.what = "plugin \"\(manifest.name)\" could not be proven: " + error.what
            throw error
        }
    }

    private func make() throws(HostError) {
        for path in [directory.path, directory.sqlite, directory.events, directory.run] {
            try Directory.create(path, mode: 0o700)
        }
        for name in ["lib", "priv", "manifest.json"] {
            let link = directory.path + "/" + name
            guard unsafe symlink(outfit.release + "/" + name, link) == 0 else {
                throw .system("the link could not be made", subject: link, errno: errno)
            }
        }
    }

    /// Takes the directories away.
    func clear() {
        // What stays is found when the host starts again.
        try? Directory.remove(directory.path)
    }
}
