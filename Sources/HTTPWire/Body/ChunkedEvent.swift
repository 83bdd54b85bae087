/// What a piece of a chunked body turned out to be.
///
/// - Units: `consumed` counts bytes of the input that was given to the call; the next call takes
///   what follows them.
public enum ChunkedEvent: Equatable {
    /// All bytes are consumed and the body goes on.
    case needMore(consumed: Int)
    /// Payload, a slice of the input; it is among the consumed bytes.
    case data(ByteSlice, consumed: Int)
    /// The body and its trailers have ended; what follows belongs to the next message.
    case end(consumed: Int)
    /// The body is refused; answer with the error's status if that is still possible, and close.
    case invalid(WireError)
}
