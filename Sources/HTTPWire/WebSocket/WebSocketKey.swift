/// The nonce of a handshake, and the answer that proves that it was understood.
///
/// - Source: RFC 6455, section 4.2.2.
public enum WebSocketKey {
    /// Says whether the value of `Sec-WebSocket-Key` is 16 bytes in base64.
    public static func isValid(_ key: ByteSlice) -> Bool {
        guard key.count == 24, key[22] == UInt8(ascii: "="), key[23] == UInt8(ascii: "=") else {
            return false
        }
        for index in 0..<22 where !alphabet.contains(key[index]) { return false }
        return true
    }

    /// Returns the value of `Sec-WebSocket-Accept` for a key.
    public static func accept(_ key: ByteSlice) -> String {
        var text: [UInt8] = []
        for index in 0..<key.count { text.append(key[index]) }
        text += "258EAFA5-E914-47DA-95CA-C5AB0DC85B11".utf8
        return base64(SHA1.digest(text))
    }

    private static let alphabet = Array(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    /// - Source: RFC 4648, section 4.
    private static func base64(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            var word: UInt32 = 0
            for byte in group { word = word << 8 | UInt32(byte) }
            word <<= UInt32(8 * (3 - group.count))
            for index in 0..<4 {
                let digit = Int(word >> UInt32(18 - 6 * index) & 63)
                text.append(index <= group.count ? alphabet[digit] : UInt8(ascii: "="))
            }
        }
        return String(decoding: text, as: UTF8.self)
    }
}
