public import HTTPWire
import Synchronization

/// One WebSocket, from the acceptance of its handshake to its end.
///
/// 1. `Exchange.webSocket` makes it and `Exchange.accept` answers 101; from then on it can send.
/// 2. `onOpen`, then messages come.
/// 3. `onClosed` is the last that is heard of it: after a Close frame from either side, a broken
///    rule, or the loss of the connection.
///
/// Methods may be called on any thread. On the reactor's own they write straight into the
/// connection's output; elsewhere bytes are copied and sent to it, and calls of one thread keep
/// their order. Keep the server alive as long as a socket is in use.
///
/// `@unchecked Sendable` because what is not atomic or behind a lock is touched on the reactor's
/// thread only.
@safe
public final class WebSocket: @unchecked Sendable {
    enum Stage { case opening, open, closing, closed }

    /// What senders on all threads share.
    struct Outgoing {
        var isOpen = true
        /// The kind of the message that is being sent in pieces.
        var piecesOf: WebSocketMessageKind?
        var text = UTF8Validator()
    }

    let reactor: Reactor
    let options: WebSocketOptions
    let observer: WebSocketObserver
    let agreement: WebSocketAgreement
    let outgoing = Mutex(Outgoing())
    /// Acts of other threads that the loop has not done yet, and their bytes.
    let waitingActs = Atomic<Int>(0)
    let waitingBytes = Atomic<Int>(0)
    /// What the connection had to send when it last rested, as other threads see it.
    let unsentBytes = Atomic<Int>(0)
    /// Whether a sender on another thread was told `.full` and has not been woken since.
    let wantsRoom = Atomic<Bool>(false)

    // The loop's.
    var stage = Stage.opening
    var connection: Connection?
    var receiver: WebSocketReceiver
    var text = UTF8Validator()
    var isPaused = false
    /// Whether another thread runs code for this socket.
    var isHeld = false
    /// How it ended while it was held; told when that code has returned.
    var unheardEnd: (code: UInt16, reason: [UInt8])?
    /// What code on another thread reads a message from.
    var heldBuffer: UnsafeMutableRawPointer?
    var heldCapacity = 0
    /// Of the message that is being handed over: whether it lies in the connection's input, and how
    /// much of that is to be dropped with it.
    var isInInput = false
    var inputBytes = 0
    var waitsForWritable = false
    var message: UnsafeMutableRawPointer?
    var messageCapacity = 0
    var messageCount = 0
    var inflater: Inflater?
    var deflater: Deflater?
    var usesDeflater = false
    /// When something was heard last, when a ping was sent that is not answered, and until when a
    /// Close frame is waited for, in ticks; 0 when that is not so.
    var heardAt: UInt64 = 0
    var pingedAt: UInt64 = 0
    var closesAt: UInt64 = 0

    init(
        reactor: Reactor, options: WebSocketOptions, agreement: WebSocketAgreement,
        observer: WebSocketObserver
    ) {
        self.reactor = reactor
        self.options = options
        self.agreement = agreement
        self.observer = observer
        unsafe message = nil
        unsafe heldBuffer = nil
        receiver = WebSocketReceiver(
            allowsCompression: agreement.compression != nil,
            messageBytesMax: options.deliversPieces ? .max : options.messageBytesMax)
    }

    /// What the application set as the observer's context.
    public var context: UnsafeMutableRawPointer? { unsafe observer.context }

    /// Whether the calling thread is the one that runs the socket's reactor.
    public var isOnLoopThread: Bool { reactor.isCurrentThread }

    /// The index of the socket's reactor.
    public var reactorIndex: Int { reactor.index }

    var loop: Loop { reactor.loop }

    var compression: PerMessageDeflate? { agreement.compression }

    /// Runs the closure on the loop's thread: now if this is it, else soon.
    public func onLoop(_ body: @escaping @Sendable () -> Void) {
        let entry = loop.enter()
        if entry.isOpen {
            body()
            loop.leave(entry)
        } else if !reactor.mailbox.putControl(body) {
            body()
        }
    }

    /// The least and the most bytes of a message that is worth deflating on the loop.
    static let deflatedBytes = 64...(256 << 10)
}

extension WebSocket {
    // MARK: - Sending

    /// Sends a message; the bytes are copied before the call returns.
    public func send(
        _ kind: WebSocketMessageKind, _ bytes: UnsafeRawBufferPointer
    ) -> WebSocketResult {
        if kind == .text {
            var validator = UTF8Validator()
            guard unsafe validator.accept(bytes), validator.isComplete else { return .invalid }
        }
        return outgoing.withLock { outgoing in
            guard outgoing.isOpen else { return .closed }
            guard outgoing.piecesOf == nil else { return .outOfOrder }
            return unsafe put(kind.opcode, isFinal: true, bytes, mayDeflate: true)
        }
    }

    /// Sends a piece of a message as a frame of its own, not compressed; `isLast` ends the message.
    public func sendPiece(
        _ kind: WebSocketMessageKind, _ bytes: UnsafeRawBufferPointer, isLast: Bool
    ) -> WebSocketResult {
        outgoing.withLock { outgoing in
            guard outgoing.isOpen else { return .closed }
            guard outgoing.piecesOf == nil || outgoing.piecesOf == kind else {
                return .outOfOrder
            }
            var text = outgoing.piecesOf == nil ? UTF8Validator() : outgoing.text
            if kind == .text {
                guard unsafe text.accept(bytes), !isLast || text.isComplete else {
                    return .invalid
                }
            }
            let opcode = outgoing.piecesOf == nil ? kind.opcode : .continuation
            let result = unsafe put(opcode, isFinal: isLast, bytes)
            if result == .accepted || result == .full {
                outgoing.text = text
                outgoing.piecesOf = isLast ? nil : kind
            }
            return result
        }
    }

    /// Sends a message that goes to other sockets as well.
    public func send(_ message: WebSocketMessage) -> WebSocketResult {
        outgoing.withLock { outgoing in
            guard outgoing.isOpen else { return .closed }
            guard outgoing.piecesOf == nil else { return .outOfOrder }
            return directly { emit(message) }
                ?? putRemotely(.message(message), bytes: unsafe message.bytes.count)
        }
    }

    /// Asks the client for a sign of life.
    ///
    /// - Parameter bytes: at most 125, which the client sends back.
    public func ping(_ bytes: UnsafeRawBufferPointer) -> WebSocketResult {
        guard bytes.count <= 125 else { return .invalid }
        return outgoing.withLock { outgoing in
            guard outgoing.isOpen else { return .closed }
            return unsafe put(.ping, isFinal: true, bytes)
        }
    }

    /// Begins the closing handshake: nothing can be sent afterwards, and what the client still
    /// sends is dropped.
    ///
    /// - Parameters:
    ///   - code: 1005 sends none.
    ///   - reason: UTF-8, at most 123 bytes.
    public func close(code: UInt16, reason: UnsafeRawBufferPointer) -> WebSocketResult {
        var validator = UTF8Validator()
        let hasCode = code != WebSocketCloseCode.none
        guard unsafe WebSocketCloseCode.isSendable(code) || (!hasCode && reason.isEmpty),
            reason.count <= 123, unsafe validator.accept(reason), validator.isComplete
        else { return .invalid }
        return outgoing.withLock { outgoing in
            guard outgoing.isOpen else { return .closed }
            outgoing.isOpen = false
            let result = directly {
                unsafe beginClosing(code, reason)
                return .accepted
            }
            if let result { return result }
            return unsafe putRemotely(.close(code: code, SocketParcel(reason)), bytes: 0)
        }
    }

    /// Lets messages come again after `onMessage` has returned false.
    public func resume() {
        let isDone = directly {
            goOn()
            return .accepted
        }
        if isDone == nil { _ = putRemotely(.resume, bytes: 0) }
    }

    /// Acts at once if the thread may use the loop, unless that would overtake what other threads
    /// have sent; nil if not.
    private func directly(_ act: () -> WebSocketResult) -> WebSocketResult? {
        guard waitingActs.load(ordering: .acquiring) == 0 else { return nil }
        let entry = loop.enter()
        guard entry.isOpen else { return nil }
        defer { loop.leave(entry) }
        return act()
    }

    private func put(
        _ opcode: WebSocketOpcode, isFinal: Bool, _ bytes: UnsafeRawBufferPointer,
        mayDeflate: Bool = false
    ) -> WebSocketResult {
        let result = directly {
            unsafe emit(opcode, isFinal: isFinal, bytes, mayDeflate: mayDeflate)
        }
        if let result { return result }
        return unsafe putRemotely(
            .frame(opcode, isFinal: isFinal, SocketParcel(bytes), mayDeflate: mayDeflate),
            bytes: bytes.count)
    }

    private func putRemotely(_ act: SocketAct, bytes: Int) -> WebSocketResult {
        let waiting =
            waitingBytes.load(ordering: .relaxed) + unsentBytes.load(ordering: .relaxed)
        guard bytes == 0 || waiting <= options.queueBytesMax else { return .tooLong }
        // Set before the message is put: the loop looks at it after it has obeyed the message, so
        // no wake-up is lost.
        let isFull = waiting + bytes > reactor.loop.state.limits.outputHighWaterBytes
        if isFull && bytes > 0 { wantsRoom.store(true, ordering: .releasing) }
        waitingActs.add(1, ordering: .acquiringAndReleasing)
        waitingBytes.add(bytes, ordering: .relaxed)
        guard reactor.mailbox.put(.socket(self, act, bytes: bytes)) else {
            waitingActs.subtract(1, ordering: .acquiringAndReleasing)
            waitingBytes.subtract(bytes, ordering: .relaxed)
            return .closed
        }
        return isFull && bytes > 0 ? .full : .accepted
    }
}
