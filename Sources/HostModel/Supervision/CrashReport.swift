/// How the process that plugins ran in came to an unexpected end.
public struct CrashReport: Hashable, Sendable {
    /// Whose doing it was.
    public struct Culprit: Hashable, Sendable {
        public var plugin: PluginName
        /// As the generation was loaded.
        public var version: String
        public var generation: Int
        /// Of its library.
        public var digest: Digest?

        public init(plugin: PluginName, version: String, generation: Int, digest: Digest?) {
            self.plugin = plugin
            self.version = version
            self.generation = generation
            self.digest = digest
        }
    }

    /// What ended it, such as `SIGSEGV at 0x0`.
    public var cause: String
    /// The name of the thread on which it happened; empty when that is not known.
    public var thread: String
    /// Nil when nothing tells.
    public var culprit: Culprit?
    /// Where the thread was, innermost first.
    public var backtrace: [String]
    /// How many requests went with it; nil when that is not known.
    public var requestsLost: Int?

    public init(
        cause: String, thread: String = "", culprit: Culprit? = nil, backtrace: [String] = [],
        requestsLost: Int? = nil
    ) {
        self.cause = cause
        self.thread = thread
        self.culprit = culprit
        self.backtrace = backtrace
        self.requestsLost = requestsLost
    }

    /// What happened and what went with it, in one sentence.
    public var summary: String {
        let place = thread.isEmpty ? "" : " on thread \"\(thread)\""
        let lost =
            switch requestsLost {
            case nil: "how many requests were lost is not known"
            case 1?: "1 request was lost"
            case let count?: "\(count) requests were lost"
            }
        return "the engine ended by \(cause)\(place); \(lost)"
    }
}

extension CrashReport: JSONRepresentable {
    public var json: JSONValue {
        let culprit: JSONValue? = culprit.map {
            [
                "plugin": .string($0.plugin.text), "version": .string($0.version),
                "generation": .number(JSONNumber($0.generation)),
                "digest": $0.digest.map { .string($0.hex) } ?? .null,
            ]
        }
        return [
            "cause": .string(cause), "thread": .string(thread), "culprit": culprit ?? .null,
            "backtrace": .array(backtrace.map { .string($0) }),
            "requests_lost": requestsLost.map { .number(JSONNumber($0)) } ?? .null,
        ]
    }

    public init(json: JSONValue) throws(HostError) {
        let fields = FieldReader(json, of: "crash report")
        self.init(
            cause: try fields.text("cause"), thread: try fields.text("thread"),
            backtrace: try fields.texts("backtrace"),
            requestsLost: json["requests_lost"]?.integer.flatMap { Int(exactly: $0) })
        guard let told = json["culprit"], told != .null else { return }
        let other = FieldReader(told, of: "culprit")
        culprit = Culprit(
            plugin: try PluginName(checking: try other.text("plugin")),
            version: try other.text("version"), generation: try other.integer("generation"),
            digest: try other.textOrNull("digest").flatMap { Digest(hex: $0) })
    }
}
