/// The functions through which an application hears of a streamed exchange; all are called on the
/// reactor's thread.
@safe
public struct ExchangeObserver {
    /// Handed to each function.
    public var context: UnsafeMutableRawPointer?
    /// Receives `count` bytes of the body, valid during the call; `isLast` comes exactly once,
    /// perhaps without bytes.
    ///
    /// Returns whether more may come at once; after `false` nothing comes before `resumeBody()`.
    public var onBody:
        (
            @convention(c) (
                _ context: UnsafeMutableRawPointer?, _ bytes: UnsafeRawPointer?, _ count: Int,
                _ isLast: Bool
            ) -> Bool
        )?
    /// Says that a writer that was told `.full` may go on.
    public var onWritable: (@convention(c) (_ context: UnsafeMutableRawPointer?) -> Void)?
    /// Says that the client is gone; the application completes the exchange nevertheless, with any
    /// call that does so.
    ///
    /// `reason` is the raw value of a `CloseReason`.
    public var onClosed:
        (@convention(c) (_ context: UnsafeMutableRawPointer?, _ reason: UInt8) -> Void)?
    /// Says that the application waits for this exchange to end; see `Reactor.announceDraining`.
    public var onDraining: (@convention(c) (_ context: UnsafeMutableRawPointer?) -> Void)?

    /// Makes an observer; functions that are left out are not called.
    public init(
        context: UnsafeMutableRawPointer? = nil,
        onBody: (
            @convention(c) (UnsafeMutableRawPointer?, UnsafeRawPointer?, Int, Bool) -> Bool
        )? = nil,
        onWritable: (@convention(c) (UnsafeMutableRawPointer?) -> Void)? = nil,
        onClosed: (@convention(c) (UnsafeMutableRawPointer?, UInt8) -> Void)? = nil,
        onDraining: (@convention(c) (UnsafeMutableRawPointer?) -> Void)? = nil
    ) {
        unsafe self.context = context
        unsafe self.onBody = onBody
        unsafe self.onWritable = onWritable
        unsafe self.onClosed = onClosed
        unsafe self.onDraining = onDraining
    }
}

/// Why an exchange lost its client before the response was complete.
public enum CloseReason: UInt8, Sendable {
    /// The client closed the connection, perhaps within its request.
    case peerClosed
    /// The connection was reset or failed.
    case peerReset
    /// The client paused for too long within its request body.
    case bodyTimeout
    /// The client took no byte of the response for too long.
    case writeTimeout
    /// The request body broke the rules of its framing or passed a limit; the client has been told.
    case bodyRefused
    /// The response did not begin in time; the client has been told.
    case answerTimeout
    /// The server stopped and its drain time was over.
    case shutdown
}

/// What became of a part of a response.
public enum ResponseResult: UInt8, Sendable {
    /// It is on its way.
    case accepted
    /// It is on its way, but write no more before `onWritable` has been called.
    case full
    /// The client is gone; nothing was kept.
    case closed
    /// Refused: the status is no final one, a field is malformed or tries to inject lines, or it is
    /// one of those that the server writes itself (Content-Length, Transfer-Encoding, Connection,
    /// Date). Nothing was sent.
    case fieldRefused
    /// Refused: the call does not fit here, such as a second `respond` or a `write` before `begin`.
    case outOfOrder
    /// Refused: more bytes than were declared, or than may wait.
    case tooLong
}
