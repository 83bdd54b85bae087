extension String {
    /// Makes a string of the bytes; what is not UTF-8 becomes U+FFFD.
    public init(decoding slice: ByteSlice) {
        self = unsafe String(decoding: slice.buffer, as: UTF8.self)
    }
}

extension ByteSlice: CustomStringConvertible {
    /// The bytes as text, with everything outside printable ASCII escaped.
    public var description: String { escaped(bytesMax: count) }

    /// Returns the bytes as printable ASCII, so that foreign text cannot disturb a terminal or a
    /// log.
    ///
    /// - Shape: `\r`, `\n`, `\t`, `\\` and `\"` by name, other bytes outside 0x20...0x7E as `\xHH`;
    ///   `...` follows when bytes were left out.
    public func escaped(bytesMax: Int) -> String {
        var text = ""
        for index in 0..<min(count, bytesMax) {
            let byte = self[index]
            switch byte {
            case 0x0D: text += "\\r"
            case 0x0A: text += "\\n"
            case 0x09: text += "\\t"
            case UInt8(ascii: "\\"): text += "\\\\"
            case UInt8(ascii: "\""): text += "\\\""
            case 0x20...0x7E: text.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let digits = String(byte, radix: 16, uppercase: true)
                text += digits.utf8.count == 1 ? "\\x0" + digits : "\\x" + digits
            }
        }
        return count > bytesMax ? text + "..." : text
    }
}
