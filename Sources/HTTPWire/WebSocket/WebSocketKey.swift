/// The nonce of a handshake, and the answer that proves that it was understood.
///
/// - Source: RFC 6455, section 4.2.2.
public enum WebSocketKey {
    /// Says whether the value of `Sec-WebSocket-Key` is 16 bytes in base64.
    public static func isValid(_ key: ByteSlice) -> Bool {
        guard key.count == 24, key[22] == UInt8(ascii: "="), key[23] == UInt8(ascii: "=") else {
            return false
        }
        for index in 0..<22 where !Base64.digits.contains(key[index]) { return false }
        return true
    }

    /// Returns the value of `Sec-WebSocket-Accept` for a key.
    public static func accept(_ key: ByteSlice) -> String {
        var text: [UInt8] = []
        for index in 0..<key.count { text.append(key[index]) }
        text += "258EAFA5-E914-47DA-95CA-C5AB0DC85B11".utf8
        return Base64.text(of: SHA1.digest(text))
    }
}
