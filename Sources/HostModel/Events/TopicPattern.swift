/// The topic of an event: tokens with dots between, such as `orders.created`.
///
/// - Shape: 1 to 255 bytes; a token is one or more printable ASCII characters other than the dot,
///   `*` and `>`.
/// - Source: the subjects of NATS, docs.nats.io, "Subject-Based Messaging".
public enum Topic {
    /// The longest topic, and the longest pattern.
    public static let bytesMax = 255
    /// The shape, in words for an error message.
    public static let shape =
        "a topic is tokens with dots between, such as orders.created, of at most 255 bytes"

    /// Whether the bytes are a topic.
    public static func isValid(_ bytes: some Collection<UInt8>) -> Bool {
        guard !bytes.isEmpty, bytes.count <= bytesMax else { return false }
        var tokenBytes = 0
        for byte in bytes {
            if byte == UInt8(ascii: ".") {
                if tokenBytes == 0 { return false }
                tokenBytes = 0
            } else {
                guard isTokenByte(byte) else { return false }
                tokenBytes += 1
            }
        }
        return tokenBytes > 0
    }

    static func isTokenByte(_ byte: UInt8) -> Bool {
        (0x21...0x7E).contains(byte) && byte != UInt8(ascii: "*") && byte != UInt8(ascii: ">")
    }
}

/// Which topics somebody wants to hear of.
///
/// - Shape: as a topic, where a token may be `*`, for any one token, and the last one `>`, for one
///   or more.
public struct TopicPattern: Hashable, Sendable, CustomStringConvertible {
    /// A step of a pattern.
    public enum Token: Hashable, Sendable {
        case literal(Substring)
        case any
        case rest
    }

    /// The shape, in words for an error message.
    public static let shape =
        "a pattern is a topic such as orders.created, in which * stands for one token and > at the"
        + " end for one or more"

    /// The pattern as it was written.
    public let text: String
    /// Its steps; `.rest` is only ever the last.
    public let tokens: [Token]

    /// Every topic there is.
    public static let everything = TopicPattern(text: ">", tokens: [.rest])

    private init(text: String, tokens: [Token]) {
        self.text = text
        self.tokens = tokens
    }

    /// Takes the text as a pattern, or returns nil when it is none.
    public init?(_ text: String) {
        guard !text.isEmpty, text.utf8.count <= Topic.bytesMax else { return nil }
        var tokens: [Token] = []
        for part in text.split(separator: ".", omittingEmptySubsequences: false) {
            if tokens.last == .rest { return nil }
            switch part {
            case "*": tokens.append(.any)
            case ">": tokens.append(.rest)
            default:
                guard !part.isEmpty, part.utf8.allSatisfy(Topic.isTokenByte) else { return nil }
                tokens.append(.literal(part))
            }
        }
        self.init(text: text, tokens: tokens)
    }

    /// Takes the text as a pattern.
    ///
    /// - Throws: `topic_invalid`.
    public init(checking text: String) throws(HostError) {
        guard let pattern = TopicPattern(text) else {
            throw HostError(
                "topic_invalid", what: "\(Escaping.quoted(text)) is not a pattern of topics",
                why: Self.shape, fix: "write a pattern such as host.plugin.* or orders.>")
        }
        self = pattern
    }

    /// Whether a topic is one of those that are meant.
    public func matches(_ topic: String) -> Bool {
        let parts = topic.split(separator: ".", omittingEmptySubsequences: false)
        for (index, token) in tokens.enumerated() {
            guard index < parts.count else { return false }
            switch token {
            case .rest: return true
            case .any: continue
            case .literal(let text): if parts[index] != text { return false }
            }
        }
        return parts.count == tokens.count
    }

    public var description: String { text }
}
