/// What a client's bytes say, one event at a time: frames, fragments, and what may stand where.
///
/// It holds no payload: data is handed out in place, without its mask, as far as it has come.
///
/// - Source: RFC 6455, sections 5 and 7.
@safe
public struct WebSocketReceiver {
    /// What comes next.
    @safe
    public enum Event {
        /// Nothing before more is read.
        case needMore
        /// A run of a message's payload, still compressed if `isCompressed`; the last one may be
        /// empty.
        case data(UnsafeRawBufferPointer, isLast: Bool)
        case ping(UnsafeRawBufferPointer)
        case pong(UnsafeRawBufferPointer)
        /// The code is 1005 when the client gave none.
        case close(code: UInt16, reason: UnsafeRawBufferPointer)
        case invalid(WebSocketFault)
    }

    /// What the message in hand is made of; meaningful from its first `data` to its last.
    public private(set) var kind = WebSocketMessageKind.binary
    /// Whether the message in hand is compressed.
    public private(set) var isCompressed = false

    private let allowsCompression: Bool
    private let messageBytesMax: UInt64
    private var isInMessage = false
    private var isInFrame = false
    private var frameIsFinal = false
    private var payloadLeft: UInt64 = 0
    private var mask = WebSocketMask(0)
    private var messageBytes: UInt64 = 0

    /// Makes a receiver for the frames after a handshake.
    ///
    /// - Parameters:
    ///   - allowsCompression: whether the handshake agreed on permessage-deflate.
    ///   - messageBytesMax: the largest message as it is sent; a longer one is refused as soon as
    ///     a header says so.
    public init(allowsCompression: Bool, messageBytesMax: Int) {
        self.allowsCompression = allowsCompression
        self.messageBytesMax = UInt64(max(0, messageBytesMax))
    }

    /// Finds the next event in the input.
    ///
    /// - Returns: the event, which borrows from the input, and how many bytes the caller is to drop
    ///   when it is done with the event.
    public mutating func next(
        _ input: UnsafeMutableRawBufferPointer
    ) -> (event: Event, consumed: Int) {
        if isInFrame { return unsafe data(input, after: 0) }
        let outcome = unsafe WebSocketFrameHeader.parse(
            UnsafeRawBufferPointer(input), allowsCompression: allowsCompression)
        switch outcome {
        case .incomplete: return (.needMore, 0)
        case .invalid(let fault): return (.invalid(fault), 0)
        case .complete(let header, let length):
            if header.opcode.isControl { return unsafe control(header, input, after: length) }
            if let fault = begin(header) { return (.invalid(fault), 0) }
            return unsafe data(input, after: length)
        }
    }

    /// Begins a frame of a message; returns what is wrong with it.
    private mutating func begin(_ header: WebSocketFrameHeader) -> WebSocketFault? {
        switch header.opcode {
        case .continuation: if !isInMessage { return .continuationUnexpected }
        default:
            if isInMessage { return .messageInterrupted }
            isInMessage = true
            kind = header.opcode == .text ? .text : .binary
            isCompressed = header.isCompressed
            messageBytes = 0
        }
        guard header.payloadLength <= messageBytesMax - messageBytes else {
            return .messageTooLong
        }
        messageBytes += header.payloadLength
        isInFrame = true
        frameIsFinal = header.isFinal
        payloadLeft = header.payloadLength
        mask = WebSocketMask(header.mask)
        return nil
    }

    private mutating func data(
        _ input: UnsafeMutableRawBufferPointer, after headerLength: Int
    ) -> (event: Event, consumed: Int) {
        let count = Int(clamping: min(payloadLeft, UInt64(input.count - headerLength)))
        if count == 0, payloadLeft > 0 { return (.needMore, headerLength) }
        let payload = unsafe UnsafeMutableRawBufferPointer(
            rebasing: input[headerLength..<(headerLength + count)])
        unsafe mask.remove(from: payload)
        payloadLeft -= UInt64(count)
        let isLast = payloadLeft == 0 && frameIsFinal
        if payloadLeft == 0 { isInFrame = false }
        if isLast { isInMessage = false }
        return unsafe (
            .data(UnsafeRawBufferPointer(payload), isLast: isLast), headerLength + count
        )
    }

    private func control(
        _ header: WebSocketFrameHeader, _ input: UnsafeMutableRawBufferPointer,
        after headerLength: Int
    ) -> (event: Event, consumed: Int) {
        let end = headerLength + Int(header.payloadLength)
        guard input.count >= end else { return (.needMore, 0) }
        let masked = unsafe UnsafeMutableRawBufferPointer(rebasing: input[headerLength..<end])
        var mask = WebSocketMask(header.mask)
        unsafe mask.remove(from: masked)
        let payload = UnsafeRawBufferPointer(masked)
        switch header.opcode {
        case .ping: return unsafe (.ping(payload), end)
        case .pong: return unsafe (.pong(payload), end)
        default: return unsafe (Self.close(payload), end)
        }
    }

    /// - Source: RFC 6455, section 5.5.1.
    private static func close(_ payload: UnsafeRawBufferPointer) -> Event {
        if unsafe payload.isEmpty {
            return unsafe .close(code: WebSocketCloseCode.none, reason: payload)
        }
        guard payload.count >= 2 else { return .invalid(.closePayloadInvalid) }
        let code = unsafe UInt16(payload[0]) << 8 | UInt16(payload[1])
        guard WebSocketCloseCode.isSendable(code) else { return .invalid(.closeCodeInvalid) }
        let reason = unsafe UnsafeRawBufferPointer(rebasing: payload[2...])
        var validator = UTF8Validator()
        guard unsafe validator.accept(reason), validator.isComplete else {
            return .invalid(.textNotUTF8)
        }
        return unsafe .close(code: code, reason: reason)
    }
}
