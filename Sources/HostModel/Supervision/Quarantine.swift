/// Why a plugin that should serve is kept from it until somebody has looked.
public struct Quarantine: Hashable, Sendable {
    /// What it did.
    public var reason: String
    /// The generation that did it.
    public var generation: Int
    /// The library that is not loaded again by itself; nil: none is.
    public var digest: Digest?

    public init(reason: String, generation: Int, digest: Digest?) {
        self.reason = reason
        self.generation = generation
        self.digest = digest
    }

    /// Says that a plugin is not loaded because of this.
    public func error(of name: PluginName) -> HostError {
        HostError(
            "quarantined", what: "plugin \"\(name)\" is quarantined",
            why: "generation \(generation): \(reason)",
            fix: "replace its library or install another release; or, to try the same again:"
                + " host activate \(name); or, to run it apart: host isolate \(name)")
    }
}

extension Quarantine: JSONRepresentable {
    public var json: JSONValue {
        [
            "reason": .string(reason), "generation": .number(JSONNumber(generation)),
            "digest": digest.map { .string($0.hex) } ?? .null,
        ]
    }

    public init(json: JSONValue) throws(HostError) {
        let fields = FieldReader(json, of: "quarantine")
        self.init(
            reason: try fields.text("reason"), generation: try fields.integer("generation"),
            digest: try fields.textOrNull("digest").flatMap { Digest(hex: $0) })
    }
}
