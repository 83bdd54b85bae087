/// The one shape in which everything that can go wrong is told: what happened, to which thing, why,
/// and what to do about it.
///
/// - Shape: `description` prints as
///   ```
///   error: plugin "metrics" was not loaded (plugins/metrics/lib/libmetrics.so)
///     why: it needs ABI 3; this host offers 1 to 2
///     fix: rebuild it with the SDK shipped with this host
///   ```
///   Control characters in any part are escaped when printed, so text from outside is harmless.
public struct HostError: Error, Hashable, Sendable {
    /// A name for the failure that scripts may rely on; it never changes once released.
    public struct Code: RawRepresentable, Hashable, Sendable, ExpressibleByStringLiteral,
        CustomStringConvertible
    {
        public let rawValue: String

        public init(rawValue: String) { self.rawValue = rawValue }
        public init(stringLiteral value: String) { rawValue = value }

        public var description: String { rawValue }
    }

    /// How many reasons are told: what comes from outside may have any number of faults.
    public static let reasonsMax = 64

    /// The stable name, in `snake_case`.
    public var code: Code
    /// What happened, as a clause without a full stop.
    public var what: String
    /// The thing it happened to, most often a path; empty when `what` says it already.
    public var subject: String
    /// Every reason found, the most telling first; of very many, the first ones and how many more
    /// there are.
    public var reasons: [String]
    /// What the reader can do about it; empty when nothing can be said.
    public var remedy: String
    /// The `errno` of the system call that failed, when one did.
    public var systemError: Int32?

    /// Makes an error from its parts.
    public init(
        _ code: Code, what: String, subject: String = "", why reasons: [String] = [],
        fix remedy: String = "", systemError: Int32? = nil
    ) {
        self.code = code
        self.what = what
        self.subject = subject
        // One more is told as quickly as counted.
        let untold = reasons.count - Self.reasonsMax
        self.reasons =
            untold > 1 ? reasons.prefix(Self.reasonsMax) + ["and \(untold) more"] : reasons
        self.remedy = remedy
        self.systemError = systemError
    }

    /// Makes an error with a single reason.
    public init(
        _ code: Code, what: String, subject: String = "", why reason: String,
        fix remedy: String = "",
        systemError: Int32? = nil
    ) {
        self.init(
            code, what: what, subject: subject, why: [reason], fix: remedy, systemError: systemError
        )
    }

    /// Returns this error with a second failure told beside the first, so that neither is lost.
    public func also(_ second: HostError, during step: String) -> HostError {
        var both = self
        let told = ([second.what] + second.reasons).joined(separator: ": ")
        both.reasons.append("also, \(step) failed: \(told)")
        return both
    }
}

extension HostError: CustomStringConvertible {
    public var description: String {
        var text = "error: " + Escaping.printable(what)
        if !subject.isEmpty { text += " (" + Escaping.printable(subject) + ")" }
        for reason in reasons { text += "\n  why: " + Escaping.printable(reason) }
        if !remedy.isEmpty { text += "\n  fix: " + Escaping.printable(remedy) }
        return text
    }
}

extension HostError: JSONRepresentable {
    /// The error as the admin socket sends it.
    ///
    /// - Shape:
    ///   `{"error":{"code":...,"what":...,"subject":...,"why":[...],"fix":...,"errno":...}}`;
    ///   `subject` and `errno` are left out when there is none.
    public var json: JSONValue {
        var inner: JSONObject = ["code": .string(code.rawValue), "what": .string(what)]
        if !subject.isEmpty { inner["subject"] = .string(subject) }
        inner["why"] = .array(reasons.map { .string($0) })
        inner["fix"] = .string(remedy)
        if let systemError { inner["errno"] = .number(JSONNumber(Int64(systemError))) }
        return .object(["error": .object(inner)])
    }

    /// Reads an error that was written by `json`.
    ///
    /// - Throws: `HostError` with code `error_unreadable` when the shape is another.
    public init(json: JSONValue) throws(HostError) {
        guard let inner = json["error"], let code = inner["code"]?.string,
            let what = inner["what"]?.string
        else {
            throw HostError(
                "error_unreadable", what: "an error was not understood",
                why: "it has no \"error\" object with \"code\" and \"what\"",
                fix: "use a command and a daemon of the same version")
        }
        self.init(
            Code(rawValue: code), what: what, subject: inner["subject"]?.string ?? "",
            why: (inner["why"]?.array ?? []).compactMap(\.string), fix: inner["fix"]?.string ?? "",
            systemError: inner["errno"]?.integer.flatMap { Int32(exactly: $0) })
    }
}
