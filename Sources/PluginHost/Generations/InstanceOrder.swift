import DynamicLibrary
import HostModel

/// What a process has to be told before it can load a plugin, whatever it loads it for.
struct InstanceOrder: Sendable {
    var manifest: Manifest
    var generation: UInt64
    /// The private copy, which the process maps and leaves where it is.
    var library: String
    var digest: Digest
    var granted: Set<String>
    var configuration: ConfigurationSnapshot
    /// How long each of its steps may take.
    var seconds: Int

    private enum Key {
        static let manifest = "manifest"
        static let generation = "generation"
        static let library = "library"
        static let digest = "digest"
        static let granted = "granted"
        static let configuration = "configuration"
        static let revision = "revision"
        static let seconds = "seconds"
    }

    var json: JSONObject {
        [
            Key.manifest: manifest.codeJSON, Key.generation: .number64(generation),
            Key.library: .string(library), Key.digest: .string(digest.hex),
            Key.granted: .strings(granted.sorted()),
            Key.configuration: configuration.resolved.json,
            Key.revision: .number64(configuration.revision),
            Key.seconds: .number(JSONNumber(seconds)),
        ]
    }

    init(
        manifest: Manifest, generation: UInt64, library: String, digest: Digest,
        granted: Set<String>, configuration: ConfigurationSnapshot, seconds: Int
    ) {
        self.manifest = manifest
        self.generation = generation
        self.library = library
        self.digest = digest
        self.granted = granted
        self.configuration = configuration
        self.seconds = seconds
    }

    init(_ fields: OrderFields) throws(HostError) {
        manifest = try Manifest(json: fields.json[Key.manifest] ?? .null)
        generation = try fields.value(Key.generation, \.number64)
        library = try fields.value(Key.library, \.string)
        digest = try fields.value(Key.digest) { $0.string.flatMap { Digest(hex: $0) } }
        granted = Set(try fields.value(Key.granted, \.array).compactMap(\.string))
        configuration = ConfigurationSnapshot(crossing: fields.json)
        seconds = try fields.number(Key.seconds)
    }

    /// The library as its loader takes it.
    ///
    /// - Throws: `HostError` when the copy is not there.
    func staged() throws(HostError) -> StagedLibrary {
        do throws(LibraryError) {
            // The host has looked for what the file needs; here it is only loaded.
            return StagedLibrary(
                name: manifest.name, generation: generation,
                copy: try PrivateCopy(lentAt: library), digest: digest,
                inspection: try ImageInspection.inspect(library, search: nil), manifest: manifest)
        } catch {
            throw HostError(error)
        }
    }
}

/// The members of an order that came as JSON.
struct OrderFields {
    let json: JSONValue
    /// Who was told.
    let reader: String

    /// - Throws: `record_unreadable` when the member is missing or of another kind.
    func value<Value>(
        _ name: String, _ read: (JSONValue) -> Value?
    ) throws(HostError) -> Value {
        guard let value = json[name].flatMap(read) else {
            throw HostError(
                "record_unreadable", what: "\(reader) did not understand what it was told",
                why: "\"\(name)\" is missing or of another kind",
                fix: "use a host and \(reader) of the same version")
        }
        return value
    }

    /// - Throws: `record_unreadable` when the member is missing or no whole number.
    func number(_ name: String) throws(HostError) -> Int {
        try value(name) { $0.integer.flatMap { Int(exactly: $0) } }
    }
}

extension ConfigurationSnapshot {
    /// What a process is told of a configuration: `configuration` and `revision`.
    convenience init(crossing json: JSONValue) {
        self.init(
            ResolvedConfiguration(
                document: ResolvedConfiguration.empty.document, schema: nil,
                json: json["configuration"] ?? [:], secrets: [], warnings: []),
            revision: json["revision"]?.number64 ?? 0)
    }
}
