/// Checks that bytes are UTF-8.
public enum UTF8Check {
    /// Returns the offset of the first byte that is not part of well-formed UTF-8, or nil.
    ///
    /// - Source: RFC 3629, section 4: no overlong forms, no surrogates, nothing above U+10FFFF.
    public static func firstInvalidByte(in bytes: [UInt8]) -> Int? {
        var index = 0
        while index < bytes.count {
            let lead = bytes[index]
            let length: Int
            var second: ClosedRange<UInt8> = 0x80...0xBF
            switch lead {
            case 0x00...0x7F: length = 1
            case 0xC2...0xDF: length = 2
            case 0xE0: (length, second) = (3, 0xA0...0xBF)
            case 0xED: (length, second) = (3, 0x80...0x9F)
            case 0xE1...0xEF: length = 3
            case 0xF0: (length, second) = (4, 0x90...0xBF)
            case 0xF1...0xF3: length = 4
            case 0xF4: (length, second) = (4, 0x80...0x8F)
            default: return index
            }
            guard index + length <= bytes.count else { return index }
            if length > 1 {
                guard second.contains(bytes[index + 1]),
                    bytes[(index + 2)..<(index + length)].allSatisfy({ $0 & 0xC0 == 0x80 })
                else { return index }
            }
            index += length
        }
        return nil
    }
}
