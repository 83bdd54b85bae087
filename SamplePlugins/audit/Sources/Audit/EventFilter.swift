import PluginKit

/// Which events somebody looks for.
struct EventFilter {
    /// A topic, in which `*` stands for one token, and `>` at the end for one or more.
    let topic: [Substring]
    /// A plugin's name: what it has published, and what the host tells of it.
    let plugin: String?
    /// Moments such as `2026-03-01` or `2026-03-01T12:34:56Z`.
    let since: String?
    let until: String?
    /// Only events before that one.
    let before: Int
    let count: Int

    /// - Throws: 422 naming what is not valid.
    init(_ query: borrowing Query) throws {
        topic = (query["topic"] ?? ">").split(separator: ".", omittingEmptySubsequences: false)
        plugin = query["plugin"].flatMap { $0.isEmpty ? nil : $0 }
        since = query["since"].flatMap { $0.isEmpty ? nil : $0 }
        until = query["until"].flatMap { $0.isEmpty ? nil : $0 }
        before = try query.integer("before", in: 1...Int.max, absent: .max)
        count = try query.integer("count", in: 1...500, absent: 50)
    }

    /// What every topic that matches begins with.
    var prefix: String {
        topic.prefix { $0 != "*" && $0 != ">" }.joined(separator: ".")
    }

    func matches(_ text: String) -> Bool {
        let tokens = text.split(separator: ".", omittingEmptySubsequences: false)
        for (index, wanted) in topic.enumerated() {
            guard index < tokens.count else { return false }
            if wanted == ">" { return true }
            guard wanted == "*" || wanted == tokens[index] else { return false }
        }
        return tokens.count == topic.count
    }
}
