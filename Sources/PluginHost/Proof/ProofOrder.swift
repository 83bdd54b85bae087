import Confinement
import Glibc
import HostModel

/// What the child of a proof is told, on its standard input.
struct ProofOrder: Sendable {
    /// How the plugin is taken through its life.
    struct Life: Sendable {
        /// The directories that it is shown as its own.
        var directory: PluginDirectory
        /// Whether requests are sent.
        var asks: Bool
    }

    var plugin: InstanceOrder
    /// What the child may do.
    var confinement: Confinement
    /// Whether the image is not to be closed.
    var keeps: Bool
    /// How long the library may take to load.
    var loadSeconds: Int
    /// nil: it is only loaded and closed.
    var life: Life?
    /// What the child need not find out for itself; see `TickClock`.
    var ticksPerSecond = TickClock.shared.ticksPerSecond

    /// How long the whole may take, since each step has a deadline of its own: init, start, health,
    /// requests, calls that are inside, stop, its pool, deinit.
    var seconds: Int { loadSeconds + (life == nil ? 0 : 8 * plugin.seconds) }

    private enum Key {
        static let confinement = "confinement"
        static let keeps = "keeps"
        static let loadSeconds = "load_seconds"
        static let directory = "directory"
        static let asks = "asks"
        static let ticksPerSecond = "ticks_per_second"
    }

    var json: JSONObject {
        var json = plugin.json
        json[Key.confinement] = .strings(confinement.arguments)
        json[Key.keeps] = .bool(keeps)
        json[Key.loadSeconds] = .number(JSONNumber(loadSeconds))
        json[Key.directory] = life.map { .string($0.directory.path) }
        json[Key.asks] = life.map { .bool($0.asks) }
        json[Key.ticksPerSecond] = .number64(ticksPerSecond.bitPattern)
        return json
    }

    init(
        _ plugin: InstanceOrder, confinement: Confinement, keeps: Bool, loadSeconds: Int,
        life: Life?
    ) {
        self.plugin = plugin
        self.confinement = confinement
        self.keeps = keeps
        self.loadSeconds = loadSeconds
        self.life = life
    }

    /// - Throws: `record_unreadable` when a member is missing or of another kind.
    init(json: JSONValue) throws(HostError) {
        let fields = OrderFields(json: json, reader: "a throwaway process")
        plugin = try InstanceOrder(fields)
        confinement = try fields.value(Key.confinement) {
            Confinement.parse(($0.array ?? []).compactMap(\.string))?.0
        }
        keeps = try fields.value(Key.keeps, \.bool)
        ticksPerSecond = Double(bitPattern: try fields.value(Key.ticksPerSecond, \.number64))
        loadSeconds = try fields.number(Key.loadSeconds)
        if let path = json[Key.directory]?.string {
            life = Life(
                directory: PluginDirectory(path: path, name: plugin.manifest.name),
                asks: try fields.value(Key.asks, \.bool))
        }
    }
}
