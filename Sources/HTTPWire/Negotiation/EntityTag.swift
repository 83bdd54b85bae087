/// An entity tag: an opaque name of one state of a representation.
///
/// - Source: RFC 9110, section 8.8.3.
public struct EntityTag: Equatable {
    /// Whether the tag promises only equivalence (`W/"..."`), not equal bytes.
    public let isWeak: Bool
    /// The quoted part with its quotes.
    public let opaque: ByteSlice

    /// Reads a whole entity tag; `nil` when the text is anything else.
    public init?(_ text: ByteSlice) {
        guard let tag = EntityTag(prefixOf: text), tag.length == text.count else { return nil }
        self = tag
    }

    /// Says whether the tags are equal and neither is weak, as ranges and `If-Match` demand.
    public func matchesStrongly(_ other: EntityTag) -> Bool {
        !isWeak && !other.isWeak && opaque == other.opaque
    }

    /// Says whether the opaque parts are equal, as `If-None-Match` demands.
    public func matchesWeakly(_ other: EntityTag) -> Bool {
        opaque == other.opaque
    }

    /// Decides `If-Match`: whether the request may go on.
    ///
    /// - Shape: `value` is `*` or a list of tags; `current` is `nil` when nothing exists at the
    ///   target. A malformed list matches nothing. Several field lines: go on if any says so.
    /// - Source: RFC 9110, section 13.1.1; strong comparison.
    public static func ifMatch(_ value: ByteSlice, current: EntityTag?) -> Bool {
        guard let current else { return false }
        return lists(value) { $0.matchesStrongly(current) }
    }

    /// Decides `If-None-Match`: whether the request may go on; if not, 304 for GET and HEAD, else
    /// 412.
    ///
    /// - Shape: as `ifMatch`. Several field lines: go on only if all say so.
    /// - Source: RFC 9110, section 13.1.2; weak comparison.
    public static func ifNoneMatch(_ value: ByteSlice, current: EntityTag?) -> Bool {
        guard let current else { return true }
        return !lists(value) { $0.matchesWeakly(current) }
    }

    private var length: Int { opaque.count + (isWeak ? 2 : 0) }

    /// Reads the tag that the text begins with.
    private init?(prefixOf text: ByteSlice) {
        let start = text.starts(with: "W/") ? 2 : 0
        guard start < text.count, text[start] == UInt8(ascii: "\"") else { return nil }
        var at = start + 1
        while at < text.count, text[at] != UInt8(ascii: "\"") {
            guard text[at] > 0x20, text[at] != 0x7F else { return nil }
            at += 1
        }
        guard at < text.count else { return nil }
        isWeak = start == 2
        opaque = text[start..<(at + 1)]
    }

    /// Says whether the value is `*`, or a well-formed list with a tag that matches.
    private static func lists(_ value: ByteSlice, _ matches: (EntityTag) -> Bool) -> Bool {
        let list = value.trimmed
        if list == "*" { return true }
        var found = false
        var mayBegin = true
        var at = 0
        while at < list.count {
            let byte = list[at]
            if byte == UInt8(ascii: ",") {
                mayBegin = true
                at += 1
            } else if CharacterClass.isBlank(byte) {
                at += 1
            } else {
                guard mayBegin, let tag = EntityTag(prefixOf: list[at..<list.count]) else {
                    return false
                }
                if matches(tag) { found = true }
                mayBegin = false
                at += tag.length
            }
        }
        return found
    }
}
