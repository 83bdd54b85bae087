/// How one WebSocket is served; every size and wait has its bound.
public struct WebSocketOptions: Sendable {
    /// The largest message that is taken, after it has been inflated; a longer one is answered with
    /// close code 1009.
    public var messageBytesMax = 16 << 20
    /// Whether messages are handed on in pieces, as they come, and not put together.
    ///
    /// Then `messageBytesMax` does not count, and nothing is compressed.
    public var deliversPieces = false
    /// Whether permessage-deflate is agreed on when the client offers it.
    public var compresses = false
    /// Whether either side may refer to its earlier messages: smaller, and some 100 KB of memory.
    public var keepsContext = false
    /// After how much silence the client is asked whether it is still there; 0 never asks.
    public var pingSeconds = 30.0
    /// How long it may take to answer.
    public var pongSeconds = 20.0
    /// How long the client may take to answer a Close frame.
    public var closeSeconds = 5.0
    /// The unsent bytes beyond which sends are refused, although the sender has been told to wait.
    public var queueBytesMax = 16 << 20

    /// Makes the default options.
    public init() {}
}

/// The functions through which an application hears of a WebSocket; all are called on the reactor's
/// thread, one at a time, and `onClosed` last.
@safe
public struct WebSocketObserver {
    /// Handed to each function.
    public var context: UnsafeMutableRawPointer?
    /// Says that the handshake is done; not called for a client that left before.
    public var onOpen: (@convention(c) (_ context: UnsafeMutableRawPointer?) -> Void)?
    /// Receives a message, or a piece of one; the bytes are valid during the call.
    ///
    /// `kind` is the raw value of a `WebSocketMessageKind`; text is UTF-8, but for a piece that
    /// ends within a character. Returns whether more may come at once; after `false` nothing comes
    /// before `resume()`.
    public var onMessage:
        (
            @convention(c) (
                _ context: UnsafeMutableRawPointer?, _ kind: UInt8, _ bytes: UnsafeRawPointer?,
                _ count: Int, _ isLast: Bool
            ) -> Bool
        )?
    /// Says that a sender that was told `.full` may go on.
    public var onWritable: (@convention(c) (_ context: UnsafeMutableRawPointer?) -> Void)?
    /// Says that it is over: nothing more comes, and nothing can be sent.
    ///
    /// `code` is the client's, or the one that it was refused with, or 1006 when the connection was
    /// lost.
    public var onClosed:
        (
            @convention(c) (
                _ context: UnsafeMutableRawPointer?, _ code: UInt16, _ reason: UnsafeRawPointer?,
                _ reasonCount: Int
            ) -> Void
        )?

    /// Makes an observer that hears nothing.
    public init() { unsafe context = nil }
}

/// What became of something that was to be sent.
public enum WebSocketResult: UInt8, Sendable {
    /// It is on its way.
    case accepted
    /// It is on its way, but send no more before `onWritable` has been called.
    case full
    /// The socket is closed, or being closed; nothing was kept.
    case closed
    /// Refused: a text that is not UTF-8, a close code that is never sent, a ping or a reason that
    /// is too long.
    case invalid
    /// Refused: a message within another one, or a piece of another kind than the one before.
    case outOfOrder
    /// Refused: more bytes than may wait.
    case tooLong
}
