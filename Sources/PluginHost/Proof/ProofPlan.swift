import Glibc
import HostModel

/// What a plugin is proven with: directories of its own that are thrown away, and a file that tells
/// the child the rest.
///
/// - Shape: `<plugin>/run/proof.<generation>/` has `sqlite`, `events` and `run`, which are empty;
///   `lib`, `priv` and `manifest.json` are links to the release. What a crash of the host leaves of
///   it goes when `run` is emptied at the next start.
struct ProofPlan: Sendable {
    /// What the plugin would serve with.
    struct Outfit: Sendable {
        /// The directory of its release.
        var release: String
        var configuration: JSONValue
        /// The ids of the services and permissions that it is given.
        var granted: Set<String>
        /// How long each of its steps may take.
        var seconds: Int
    }

    /// The plugin's directory, as it is told.
    let directory: PluginDirectory
    let outfit: Outfit
    let generation: UInt64
    /// How long the library may take to load.
    let loadSeconds: Int
    /// Whether requests are sent.
    let asks: Bool

    /// How long the whole may take, since each step has a deadline of its own: init, start, health,
    /// requests, calls that are inside, stop, its pool, deinit.
    var seconds: Int { loadSeconds + 8 * outfit.seconds }

    private static let fileName = "proof.json"
    private enum Key {
        static let release = "release"
        static let configuration = "configuration"
        static let granted = "granted"
        static let seconds = "seconds"
        static let loadSeconds = "load_seconds"
        static let generation = "generation"
        static let asks = "asks"
    }

    // MARK: - The host's side

    /// Makes the directories and the file.
    ///
    /// - Throws: `HostError` of the system call that failed; nothing is left behind.
    init(
        of manifest: Manifest, in plugin: PluginDirectory, generation: UInt64, outfit: Outfit,
        loadSeconds: Int
    ) throws(HostError) {
        directory = PluginDirectory(path: "\(plugin.run)/proof.\(generation)", name: manifest.name)
        self.generation = generation
        self.outfit = outfit
        self.loadSeconds = loadSeconds
        asks = manifest.proof.requests
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
        let json: JSONValue = [
            Key.release: .string(outfit.release), Key.configuration: outfit.configuration,
            Key.granted: .strings(outfit.granted.sorted()),
            Key.seconds: .number(JSONNumber(outfit.seconds)),
            Key.loadSeconds: .number(JSONNumber(loadSeconds)),
            Key.generation: .number64(generation), Key.asks: .bool(asks),
        ]
        let file = try Descriptor(
            opening: directory.path + "/" + Self.fileName, flags: O_WRONLY | O_CREAT | O_EXCL,
            mode: 0o600)
        try file.write(json.text().utf8)
    }

    /// Takes the directories away.
    func clear() {
        // What stays is found when the host starts again.
        try? Directory.remove(directory.path)
    }

    // MARK: - The child's side

    /// Reads what was made for the child, and takes the file away: there may be secrets in it.
    ///
    /// - Throws: `HostError` when the file is not there or not of the shape.
    init(directory path: String, name: PluginName) throws(HostError) {
        let file = path + "/" + Self.fileName
        let json = try JSON.parse(
            try Descriptor(opening: file, flags: O_RDONLY).readAll(bytesMax: 64 << 20),
            source: file)
        _ = unsafe unlink(file)
        guard let release = json[Key.release]?.string,
            let configuration = json[Key.configuration],
            let granted = json[Key.granted]?.array?.compactMap(\.string),
            let seconds = json[Key.seconds]?.integer.flatMap({ Int(exactly: $0) }),
            let loadSeconds = json[Key.loadSeconds]?.integer.flatMap({ Int(exactly: $0) }),
            let generation = json[Key.generation]?.number64, let asks = json[Key.asks]?.bool
        else {
            throw HostError(
                "record_unreadable", what: "a proof's plan was not understood", subject: file,
                why: "a member is missing or of another kind",
                fix: "use a host and a throwaway process of the same version")
        }
        directory = PluginDirectory(path: path, name: name)
        outfit = Outfit(
            release: release, configuration: configuration, granted: Set(granted),
            seconds: seconds)
        self.generation = generation
        self.loadSeconds = loadSeconds
        self.asks = asks
    }
}
