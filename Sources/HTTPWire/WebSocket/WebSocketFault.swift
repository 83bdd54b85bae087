/// Why what a WebSocket's client sent was refused.
public enum WebSocketFault: String, Error, Sendable, CaseIterable {
    case reservedBit, opcodeUnknown, maskMissing
    case controlTooLong, controlFragmented
    case lengthNotMinimal, lengthTooLarge
    case continuationUnexpected, messageInterrupted
    case closePayloadInvalid, closeCodeInvalid
    case compressionInvalid
    case textNotUTF8
    case messageTooLong

    /// The code to close with.
    ///
    /// - Source: RFC 6455, section 7.4.1.
    public var closeCode: UInt16 {
        switch self {
        case .textNotUTF8: WebSocketCloseCode.invalidPayload
        case .messageTooLong: WebSocketCloseCode.messageTooBig
        default: WebSocketCloseCode.protocolError
        }
    }

    /// What is wrong, in a few words that fit into a Close frame.
    public var reason: StaticString {
        switch self {
        case .reservedBit: "a reserved bit is set (RFC 6455, 5.2)"
        case .opcodeUnknown: "the opcode is reserved (RFC 6455, 5.2)"
        case .maskMissing: "a frame is not masked (RFC 6455, 5.1)"
        case .controlTooLong: "a control frame has more than 125 bytes (RFC 6455, 5.5)"
        case .controlFragmented: "a control frame is fragmented (RFC 6455, 5.5)"
        case .lengthNotMinimal: "a length is not in its shortest form (RFC 6455, 5.2)"
        case .lengthTooLarge: "a length has its highest bit set (RFC 6455, 5.2)"
        case .continuationUnexpected: "there is no message to continue (RFC 6455, 5.4)"
        case .messageInterrupted: "a message begins within another (RFC 6455, 5.4)"
        case .closePayloadInvalid: "a Close frame has half a code (RFC 6455, 5.5.1)"
        case .closeCodeInvalid: "this close code is never sent (RFC 6455, 7.4)"
        case .compressionInvalid: "the compressed data is damaged (RFC 7692, 7.2.2)"
        case .textNotUTF8: "a text is not UTF-8 (RFC 6455, 8.1)"
        case .messageTooLong: "the message is longer than allowed (RFC 6455, 10.4)"
        }
    }
}
