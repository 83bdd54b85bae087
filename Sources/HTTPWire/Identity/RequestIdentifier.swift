/// What a client may name a request, and what the server names it otherwise.
public enum RequestIdentifier {
    /// The longest name that is taken from a client, in bytes.
    public static let bytesMax = 128
    /// The length of a name that the server makes.
    public static let madeBytes = 32

    /// Says whether a client's `X-Request-ID` can go into logs, documents and responses as it is.
    ///
    /// - Shape: 1 to 128 letters, digits and `- . _ ~ + / = : @`: what UUIDs, base64 and the usual
    ///   generators are made of, and nothing that a log or a document would have to escape.
    public static func isValid(_ text: ByteSlice) -> Bool {
        guard text.count > 0, text.count <= bytesMax else { return false }
        for index in 0..<text.count {
            switch text[index] {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "-")...UInt8(ascii: ":"), UInt8(ascii: "_"), UInt8(ascii: "~"),
                UInt8(ascii: "+"), UInt8(ascii: "="), UInt8(ascii: "@"):
                continue
            default: return false
            }
        }
        return true
    }

    /// Writes 16 lower-case hex digits.
    static func putHex(_ value: UInt64, to room: UnsafeMutablePointer<UInt8>) {
        var rest = value
        var at = 16
        while at > 0 {
            at -= 1
            let digit = UInt8(truncatingIfNeeded: rest & 15)
            unsafe room[at] =
                digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") - 10 + digit
            rest >>= 4
        }
    }

    /// Writes 32 hex digits that say `high` and `low`.
    ///
    /// - Shape: `room` holds at least 32 bytes.
    public static func write(
        high: UInt64, low: UInt64, into room: UnsafeMutableRawBufferPointer
    ) {
        precondition(room.count >= madeBytes, "an identifier takes 32 bytes")
        guard let base = unsafe room.baseAddress?.assumingMemoryBound(to: UInt8.self) else {
            return
        }
        unsafe putHex(high, to: base)
        unsafe putHex(low, to: base + 16)
    }
}
