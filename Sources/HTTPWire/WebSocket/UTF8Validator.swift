/// Checks text that comes in pieces, and refuses it at the first byte that cannot be right.
///
/// - Source: RFC 3629, section 4: no overlong forms, no surrogates, nothing above U+10FFFF.
public struct UTF8Validator: Equatable, Sendable {
    /// The bytes that the character in hand still lacks.
    private var missing: UInt8 = 0
    /// What the next of them may be.
    private var low: UInt8 = 0x80
    private var high: UInt8 = 0xBF

    /// Makes a validator at the start of a text.
    public init() {}

    /// Whether the text may end here.
    public var isComplete: Bool { missing == 0 }

    /// Looks at the next piece; false when the text is not UTF-8, and then the validator is spent.
    public mutating func accept(_ piece: UnsafeRawBufferPointer) -> Bool {
        guard let base = unsafe piece.baseAddress?.assumingMemoryBound(to: UInt8.self) else {
            return true
        }
        let count = piece.count
        var at = 0
        while at < count {
            if missing == 0 {
                while at &+ 16 <= count,
                    unsafe (Word.load(base + at) | Word.load(base + (at &+ 8))) & Word.highs == 0
                {
                    at &+= 16
                }
                if at == count { return true }
                let byte = unsafe base[at]
                at &+= 1
                if byte < 0x80 { continue }
                guard begin(byte) else { return false }
            } else {
                let byte = unsafe base[at]
                at &+= 1
                guard byte >= low, byte <= high else { return false }
                missing &-= 1
                low = 0x80
                high = 0xBF
            }
        }
        return true
    }

    /// Learns from the first byte of a character what must follow it.
    private mutating func begin(_ byte: UInt8) -> Bool {
        switch byte {
        case 0xC2...0xDF: missing = 1
        case 0xE0...0xEF:
            missing = 2
            if byte == 0xE0 { low = 0xA0 }
            if byte == 0xED { high = 0x9F }
        case 0xF0...0xF4:
            missing = 3
            if byte == 0xF0 { low = 0x90 }
            if byte == 0xF4 { high = 0x8F }
        default: return false
        }
        return true
    }
}
