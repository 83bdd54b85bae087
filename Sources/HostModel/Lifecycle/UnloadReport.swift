/// How the unloading of a generation ended, as the memory map showed it.
public struct UnloadReport: Hashable, Sendable {
    /// Whether the image is gone.
    public enum Verdict: String, Sendable {
        case unloaded
        case pinned
    }

    public var generation: Int
    public var verdict: Verdict
    /// Why the image is still mapped; empty when it is gone.
    public var reasons: [String]
    /// From the last request that it served to the verdict.
    public var milliseconds: Double

    public init(generation: Int, verdict: Verdict, reasons: [String], milliseconds: Double) {
        self.generation = generation
        self.verdict = verdict
        self.reasons = reasons
        self.milliseconds = milliseconds
    }
}

extension UnloadReport: JSONRepresentable {
    public var json: JSONValue {
        [
            "generation": .number(JSONNumber(generation)), "verdict": .string(verdict.rawValue),
            "reasons": .array(reasons.map { .string($0) }),
            "milliseconds": JSONNumber(milliseconds).map { .number($0) } ?? .null,
        ]
    }

    public init(json: JSONValue) throws(HostError) {
        let fields = FieldReader(json, of: "unload report")
        self.init(
            generation: try fields.integer("generation"),
            verdict: try fields.choice("verdict"),
            reasons: try fields.texts("reasons"),
            milliseconds: json["milliseconds"]?.number?.double ?? 0)
    }
}
