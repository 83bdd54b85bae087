import PluginKit

/// What somebody has said.
struct Line: Sendable {
    static let bytesMax = 2_000
    static let rule = "say 1 to \(bytesMax) bytes"

    let nick: Name
    let text: String

    /// - Returns: nil when there is nothing in it, or too much.
    init?(_ text: String, from nick: Name) {
        guard text.utf8.count <= Self.bytesMax, text.contains(where: { !$0.isWhitespace }) else {
            return nil
        }
        self.nick = nick
        self.text = text
    }

    var json: JSON { ["nick": .string(nick.text), "text": .string(text)] }
}

/// What a client is told, as one JSON object.
enum Event {
    /// To who has just come: who is there, and what has been said so far.
    case welcome(present: [Name], history: [Line])
    case entered(Name)
    case left(Name)
    case said(Line)
    /// What was sent breaks this rule.
    case refused(String)

    var text: String {
        switch self {
        case .welcome(let present, let history):
            Self.object(
                "welcome",
                [
                    JSON.Member("present", .array(present.map { .string($0.text) })),
                    JSON.Member("history", .array(history.map(\.json))),
                ])
        case .entered(let nick): Self.object("entered", [JSON.Member("nick", .string(nick.text))])
        case .left(let nick): Self.object("left", [JSON.Member("nick", .string(nick.text))])
        case .said(let line):
            Self.object(
                "said",
                [
                    JSON.Member("nick", .string(line.nick.text)),
                    JSON.Member("text", .string(line.text)),
                ])
        case .refused(let rule): Self.object("refused", [JSON.Member("rule", .string(rule))])
        }
    }

    private static func object(_ kind: String, _ members: [JSON.Member]) -> String {
        String(
            decoding: JSON.object([JSON.Member("event", .string(kind))] + members).bytes,
            as: UTF8.self)
    }
}
