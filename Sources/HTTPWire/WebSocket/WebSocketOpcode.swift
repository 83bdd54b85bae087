/// What a WebSocket frame carries.
///
/// - Source: RFC 6455, section 5.2.
public enum WebSocketOpcode: UInt8, Sendable {
    case continuation = 0x0
    case text = 0x1
    case binary = 0x2
    case close = 0x8
    case ping = 0x9
    case pong = 0xA

    /// Whether the frame is about the connection and may stand between the frames of a message.
    @inlinable
    public var isControl: Bool { rawValue & 0x8 != 0 }
}

/// What a message is made of.
public enum WebSocketMessageKind: UInt8, Sendable {
    /// UTF-8.
    case text = 0x1
    /// Any octets.
    case binary = 0x2

    /// The opcode of a message's first frame.
    public var opcode: WebSocketOpcode { self == .text ? .text : .binary }
}

/// Numbers that say why a WebSocket was closed.
///
/// - Source: RFC 6455, section 7.4, and the registry that it founds.
public enum WebSocketCloseCode {
    public static let normal: UInt16 = 1000
    public static let goingAway: UInt16 = 1001
    public static let protocolError: UInt16 = 1002
    public static let unsupportedData: UInt16 = 1003
    /// There was none in the Close frame; never sent.
    public static let none: UInt16 = 1005
    /// The connection was lost without a Close frame; never sent.
    public static let abnormal: UInt16 = 1006
    public static let invalidPayload: UInt16 = 1007
    public static let policyViolation: UInt16 = 1008
    public static let messageTooBig: UInt16 = 1009
    public static let internalError: UInt16 = 1011
    public static let serviceRestart: UInt16 = 1012

    /// Says whether a Close frame may have this code.
    ///
    /// - Source: RFC 6455, section 7.4.2; 1012 to 1014 were registered later.
    public static func isSendable(_ code: UInt16) -> Bool {
        switch code {
        case 1000...1003, 1007...1014, 3000...4999: true
        default: false
        }
    }
}
