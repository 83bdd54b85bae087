/// The part of a client's frame before its payload.
///
/// - Source: RFC 6455, section 5.2.
public struct WebSocketFrameHeader: Equatable, Sendable {
    /// Whether this is the last frame of its message.
    public var isFinal: Bool
    /// Whether the message that begins here is compressed.
    public var isCompressed: Bool
    public var opcode: WebSocketOpcode
    /// The four bytes of the mask, the first one lowest.
    public var mask: UInt32
    /// The bytes of payload that follow.
    public var payloadLength: UInt64

    /// What the bytes at the start of a frame are.
    public enum Outcome: Equatable, Sendable {
        /// The header has this many bytes.
        case complete(WebSocketFrameHeader, length: Int)
        case incomplete
        case invalid(WebSocketFault)
    }

    /// The most bytes of a header.
    public static let lengthMax = 14

    /// Reads a header; what is wrong is found as soon as the byte is there that shows it.
    ///
    /// - Parameter allowsCompression: whether the first reserved bit has been given a meaning.
    public static func parse(
        _ bytes: UnsafeRawBufferPointer, allowsCompression: Bool
    ) -> Outcome {
        guard bytes.count > 0 else { return .incomplete }
        let first = unsafe bytes[0]
        let isFinal = first & 0x80 != 0
        let isCompressed = first & 0x40 != 0
        guard first & 0x30 == 0, !isCompressed || allowsCompression else {
            return .invalid(.reservedBit)
        }
        guard let opcode = WebSocketOpcode(rawValue: first & 0x0F) else {
            return .invalid(.opcodeUnknown)
        }
        if isCompressed, opcode.isControl || opcode == .continuation {
            return .invalid(.reservedBit)
        }
        if opcode.isControl, !isFinal { return .invalid(.controlFragmented) }
        guard bytes.count > 1 else { return .incomplete }
        let second = unsafe bytes[1]
        guard second & 0x80 != 0 else { return .invalid(.maskMissing) }
        var length = UInt64(second & 0x7F)
        var at = 2
        if length > 125 {
            if opcode.isControl { return .invalid(.controlTooLong) }
            let count = length == 126 ? 2 : 8
            guard bytes.count >= at + count else { return .incomplete }
            length = 0
            for index in at..<(at + count) { length = unsafe length << 8 | UInt64(bytes[index]) }
            if length >> 63 != 0 { return .invalid(.lengthTooLarge) }
            if length < (count == 2 ? 126 : 0x1_0000) { return .invalid(.lengthNotMinimal) }
            at += count
        }
        guard bytes.count >= at + 4 else { return .incomplete }
        let mask = unsafe UInt32(
            littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt32.self))
        return .complete(
            WebSocketFrameHeader(
                isFinal: isFinal, isCompressed: isCompressed, opcode: opcode, mask: mask,
                payloadLength: length),
            length: at + 4)
    }
}

/// The header of a frame that a server sends: without a mask.
public enum WebSocketServerFrame {
    /// The most bytes of a header.
    public static let headerLengthMax = 10

    /// Writes a header and returns its length.
    ///
    /// - Parameter room: has `headerLengthMax` bytes.
    /// - Source: RFC 6455, section 5.2.
    public static func writeHeader(
        opcode: WebSocketOpcode, isFinal: Bool = true, isCompressed: Bool = false,
        payloadLength: Int, to room: UnsafeMutablePointer<UInt8>
    ) -> Int {
        unsafe room[0] = (isFinal ? 0x80 : 0) | (isCompressed ? 0x40 : 0) | opcode.rawValue
        if payloadLength < 126 {
            unsafe room[1] = UInt8(payloadLength)
            return 2
        }
        let count = payloadLength < 0x1_0000 ? 2 : 8
        unsafe room[1] = count == 2 ? 126 : 127
        var rest = UInt64(payloadLength)
        for index in (2..<(2 + count)).reversed() {
            unsafe room[index] = UInt8(truncatingIfNeeded: rest)
            rest >>= 8
        }
        return 2 + count
    }
}
