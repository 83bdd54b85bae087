/// Walks through the elements of a comma-separated list; empty elements are skipped and blanks
/// trimmed.
///
/// Commas inside quoted strings do not separate.
///
/// - Source: RFC 9110, section 5.6.1.
struct ListElements {
    private let bytes: ByteSlice
    private var at = 0
    /// The number of elements handed out so far.
    private(set) var count = 0

    init(_ bytes: ByteSlice) {
        self.bytes = bytes
    }

    /// Returns the next element, or `nil` after the last.
    mutating func next() -> ByteSlice? {
        while at < bytes.count {
            let start = at
            var isQuoted = false
            while at < bytes.count, isQuoted || bytes[at] != UInt8(ascii: ",") {
                if bytes[at] == UInt8(ascii: "\"") {
                    isQuoted.toggle()
                } else if isQuoted, bytes[at] == UInt8(ascii: "\\") {
                    at += 1
                }
                at += 1
            }
            let element = bytes[start..<min(at, bytes.count)].trimmed
            at = min(at + 1, bytes.count)
            if !element.isEmpty {
                count += 1
                return element
            }
        }
        return nil
    }
}

extension ByteSlice {
    /// Whether the bytes are a token.
    ///
    /// - Source: RFC 9110, section 5.6.2.
    public var isToken: Bool { Scan.isToken(self) }

    /// The slice without the spaces and tabs at both ends.
    var trimmed: ByteSlice {
        var low = 0
        var high = count
        while low < high, CharacterClass.isBlank(self[low]) { low += 1 }
        while high > low, CharacterClass.isBlank(self[high - 1]) { high -= 1 }
        return self[low..<high]
    }
}
