/// The fields by which a message is framed and timed: whoever writes heads writes them itself, so
/// that nobody can contradict it.
public enum ReservedField {
    /// Says whether a field of this name is reserved.
    @inline(__always)
    static func includes(_ name: ByteSlice) -> Bool {
        switch name.count {
        case 4: name.equalsIgnoringCase("date")
        case 10: name.equalsIgnoringCase("connection")
        case 14: name.equalsIgnoringCase("content-length")
        case 17: name.equalsIgnoringCase("transfer-encoding")
        default: false
        }
    }

    /// Says whether a field of this name is reserved.
    public static func holds(_ name: ByteSlice) -> Bool { includes(name) }
}
