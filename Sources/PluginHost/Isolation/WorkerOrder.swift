import HostModel

/// What a worker has to know before it can load its plugin.
struct WorkerOrder: Sendable {
    var root: String
    var manifest: Manifest
    var generation: UInt64
    /// The private copy, which the worker maps and leaves where it is.
    var library: String
    var digest: Digest
    var granted: Set<String>
    var configuration: ConfigurationSnapshot
    var work: WorkLimits
    var reactors: Int
    var inlineBudgetMilliseconds: Int
    var bodyBytesMax: Int
    var logLevel: HostLog.Level
    var seconds: Int
    /// What `Member.party` is in the engine.
    var party: UInt32

    var json: JSONObject {
        [
            "root": .string(root), "manifest": manifest.codeJSON,
            "generation": .number64(generation), "library": .string(library),
            "digest": .string(digest.hex), "granted": .strings(granted.sorted()),
            "configuration": configuration.resolved.json,
            "revision": .number64(configuration.revision),
            "pool_threads": .number(JSONNumber(work.poolThreadsMax)),
            "pool_queue": .number(JSONNumber(work.poolQueueMax)),
            "request_seconds": .number(JSONNumber(work.requestSeconds)),
            "reactors": .number(JSONNumber(reactors)),
            "inline_budget": .number(JSONNumber(inlineBudgetMilliseconds)),
            "body_bytes_max": .number(JSONNumber(bodyBytesMax)),
            "log_level": .number(JSONNumber(logLevel.rawValue)),
            "seconds": .number(JSONNumber(seconds)), "party": .number(JSONNumber(party)),
        ]
    }

    /// The version of what a worker and the engine say to each other.
    static let protocolVersion = 1

    /// What has to be the same for a process to be taken over, of an order as JSON.
    static func essence(_ json: JSONValue) -> JSONObject {
        var object = json.object ?? [:]
        for name in ["library", "revision", "seconds", "topic", "party"] { object[name] = nil }
        return object
    }

    init(
        root: String, manifest: Manifest, generation: UInt64, library: String, digest: Digest,
        granted: Set<String>, configuration: ConfigurationSnapshot, work: WorkLimits
    ) {
        self.root = root
        self.manifest = manifest
        self.generation = generation
        self.library = library
        self.digest = digest
        self.granted = granted
        self.configuration = configuration
        self.work = work
        reactors = 1
        inlineBudgetMilliseconds = 10
        bodyBytesMax = 1 << 20
        logLevel = .info
        seconds = 10
        party = 0
    }

    /// - Throws: `record_unreadable` when a member is missing or of another kind.
    init(json: JSONValue) throws(HostError) {
        func number(_ name: String) throws(HostError) -> Int {
            guard let value = json[name]?.integer.flatMap({ Int(exactly: $0) }) else {
                throw Self.unreadable(name)
            }
            return value
        }
        guard let root = json["root"]?.string, let library = json["library"]?.string,
            let generation = json["generation"]?.number64,
            let digest = json["digest"]?.string.flatMap({ Digest(hex: $0) }),
            let granted = json["granted"]?.array?.compactMap(\.string),
            let level = HostLog.Level(rawValue: try number("log_level"))
        else { throw Self.unreadable("a member") }
        var work = WorkLimits()
        work.poolThreadsMax = try number("pool_threads")
        work.poolQueueMax = try number("pool_queue")
        work.requestSeconds = try number("request_seconds")
        self.init(
            root: root, manifest: try Manifest(json: json["manifest"] ?? .null),
            generation: generation, library: library, digest: digest, granted: Set(granted),
            configuration: ConfigurationSnapshot(crossing: json), work: work)
        reactors = try number("reactors")
        inlineBudgetMilliseconds = try number("inline_budget")
        bodyBytesMax = try number("body_bytes_max")
        logLevel = level
        seconds = try number("seconds")
        party = UInt32(truncatingIfNeeded: try number("party"))
    }

    private static func unreadable(_ name: String) -> HostError {
        HostError(
            "record_unreadable", what: "a worker did not understand what it was told",
            why: "\(name) is missing or of another kind",
            fix: "use a host and a worker of the same version")
    }
}

extension ConfigurationSnapshot {
    /// What a worker is told of a configuration: `configuration` and `revision`.
    convenience init(crossing json: JSONValue) {
        self.init(
            ResolvedConfiguration(
                document: ResolvedConfiguration.empty.document, schema: nil,
                json: json["configuration"] ?? [:], secrets: [], warnings: []),
            revision: json["revision"]?.number64 ?? 0)
    }
}
