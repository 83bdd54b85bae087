/// What became of an attempt to read a head.
public enum HeadOutcome: Equatable, Sendable {
    /// The head has not ended yet and nothing is wrong so far.
    case incomplete
    /// The head takes up the first `headLength` bytes of the input, leading empty lines included.
    case complete(headLength: Int)
    /// The head is refused; answer with the error's status and close.
    case invalid(WireError)
}
