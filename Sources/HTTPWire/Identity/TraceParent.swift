/// The `traceparent` field: which trace a request belongs to, and which span called.
///
/// - Shape: `00-<32 hex>-<16 hex>-<2 hex>`, lower case; neither identifier is all zeros.
/// - Source: W3C Trace Context, section 3.2.
public enum TraceParent {
    /// The length of version 00.
    public static let bytes = 55

    /// Says whether a field's value can be passed on.
    ///
    /// A later version may have more after another hyphen; version ff is not one.
    public static func isValid(_ text: ByteSlice) -> Bool {
        guard text.count >= bytes, isHex(text[0..<2]), isHex(text[3..<35]), isHex(text[36..<52]),
            isHex(text[53..<55])
        else { return false }
        for hyphen in [2, 35, 52] where text[hyphen] != UInt8(ascii: "-") { return false }
        if isZero(text[3..<35]) || isZero(text[36..<52]) { return false }
        if text[0..<2] == "00" { return text.count == bytes }
        return !(text[0..<2] == "ff") && (text.count == bytes || text[55] == UInt8(ascii: "-"))
    }

    /// Writes the field of a trace that begins here; nothing has decided to record it.
    ///
    /// - Shape: `room` holds at least 55 bytes.
    public static func write(
        traceHigh: UInt64, traceLow: UInt64, span: UInt64,
        into room: UnsafeMutableRawBufferPointer
    ) {
        precondition(room.count >= bytes, "a traceparent takes 55 bytes")
        guard let base = unsafe room.baseAddress?.assumingMemoryBound(to: UInt8.self) else {
            return
        }
        for (at, byte) in "00-".utf8.enumerated() { unsafe base[at] = byte }
        unsafe RequestIdentifier.putHex(traceHigh, to: base + 3)
        unsafe RequestIdentifier.putHex(traceLow, to: base + 19)
        unsafe base[35] = UInt8(ascii: "-")
        unsafe RequestIdentifier.putHex(span, to: base + 36)
        for (at, byte) in "-00".utf8.enumerated() { unsafe base[52 + at] = byte }
    }

    private static func isHex(_ text: ByteSlice) -> Bool {
        for index in 0..<text.count {
            switch text[index] {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"):
                continue
            default: return false
            }
        }
        return true
    }

    private static func isZero(_ text: ByteSlice) -> Bool {
        for index in 0..<text.count where text[index] != UInt8(ascii: "0") { return false }
        return true
    }
}
