/// Follows the frames of one direction of a WebSocket that somebody else speaks, to know where one
/// ends and another begins: only there may something be said in between.
///
/// - Source: RFC 6455, section 5.2.
public struct FrameSeam: Sendable {
    /// What is left of the frame's payload.
    private var rest: UInt64 = 0
    /// The bytes of its header so far, and how many more there are to come.
    private var seen = 0
    private var missing = 2
    private var length: UInt64 = 0
    private var isMasked = false
    /// Whether a Close frame has begun to pass: nothing may follow it.
    public private(set) var hasClosed = false

    public init() {}

    /// Whether a frame has just ended, or none has begun.
    public var isOpen: Bool { seen == 0 && rest == 0 }

    /// Takes bytes that pass.
    ///
    /// - Parameter stops: whether to take no more than there are up to the next seam.
    /// - Returns: how many were taken.
    public mutating func take(_ bytes: UnsafeRawBufferPointer, stops: Bool = false) -> Int {
        var at = 0
        while at < bytes.count {
            if rest > 0 {
                let count = Int(min(rest, UInt64(bytes.count - at)))
                rest -= UInt64(count)
                at += count
            } else {
                takeHeader(unsafe bytes[at])
                at += 1
            }
            if stops, isOpen { break }
        }
        return at
    }

    private mutating func takeHeader(_ byte: UInt8) {
        if seen == 0 {
            hasClosed = hasClosed || byte & 0x0F == WebSocketOpcode.close.rawValue
        } else if seen == 1 {
            length = UInt64(byte & 0x7F)
            missing = 2 + (byte & 0x80 != 0 ? 4 : 0) + (length == 126 ? 2 : length == 127 ? 8 : 0)
            isMasked = byte & 0x80 != 0
            if length > 125 { length = 0 }
        } else if seen < missing - (isMasked ? 4 : 0) {
            length = length << 8 | UInt64(byte)
        }
        seen += 1
        guard seen == missing else { return }
        rest = length
        seen = 0
        missing = 2
        length = 0
    }
}
