internal import HostModel

/// The members of a query, read one by one; what is wrong is collected, and what was not asked for
/// is wrong.
struct QueryForm {
    private let members: [String: String]
    private var known: [String] = []
    private var objections: [String] = []

    /// - Throws: `request_invalid` when it cannot be decoded.
    init(_ text: String) throws(HostError) {
        guard let members = PercentCode.query(text) else {
            throw Self.invalid(["the query is not encoded as it should be"])
        }
        self.members = members
    }

    init(_ members: [String: String]) {
        self.members = members
    }

    mutating func text(_ key: String) -> String? {
        known.append(key)
        return members[key]
    }

    mutating func number(_ key: String, in range: ClosedRange<Int64>) -> Int64? {
        guard let text = text(key) else { return nil }
        if let number = Int64(text), range.contains(number) { return number }
        objections.append(
            range.upperBound == .max
                ? "\"\(key)\" is not a number from \(range.lowerBound)"
                : "\"\(key)\" is not a number from \(range.lowerBound) to \(range.upperBound)")
        return nil
    }

    mutating func pattern(_ key: String) -> TopicPattern? {
        guard let text = text(key) else { return nil }
        if let pattern = TopicPattern(text) { return pattern }
        objections.append("\"\(key)\" is no pattern of topics: \(TopicPattern.shape)")
        return nil
    }

    mutating func name(_ key: String) -> PluginName? {
        guard let text = text(key) else { return nil }
        if let name = PluginName(text) { return name }
        objections.append("\"\(key)\" is no name of a plugin: \(PluginName.shape)")
        return nil
    }

    mutating func choice<Choice>(_ key: String, _ choices: [String: Choice]) -> Choice? {
        guard let text = text(key) else { return nil }
        if let choice = choices[text] { return choice }
        objections.append(
            "\"\(key)\" is none of \(choices.keys.sorted().joined(separator: ", "))"
                + Spelling.hint(for: text, among: choices.keys))
        return nil
    }

    /// - Throws: `request_invalid` with all that was wrong.
    mutating func end() throws(HostError) {
        for key in members.keys.sorted() where !known.contains(key) {
            objections.append("\"\(key)\" is not known" + Spelling.hint(for: key, among: known))
        }
        if !objections.isEmpty { throw Self.invalid(objections) }
    }

    private static func invalid(_ objections: [String]) -> HostError {
        HostError(
            "request_invalid", what: "the request was not understood", why: objections,
            fix: "send a query with the members that are described")
    }
}
