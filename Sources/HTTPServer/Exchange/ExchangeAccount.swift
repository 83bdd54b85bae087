/// What an exchange came to, for those who follow it.
public struct ExchangeAccount: Sendable {
    /// The status that was sent; `ExchangeReport.clientLeftStatus` when the client left before.
    public let status: UInt16
    /// How much of the response's body was given to the connection, framing not counted.
    public let bodyBytes: UInt64
    /// Whether the connection ended before the response was complete.
    public let isCut: Bool
    /// How long it took, from when the head was there, or from `follow` if nobody had kept account
    /// before.
    public let durationNanoseconds: UInt64
}

extension Exchange {
    /// Has `Application.over` called when the exchange is over, whatever becomes of it; within
    /// `Application.handle`, before the response has begun.
    ///
    /// - Parameter follower: what `follower` returns from then on.
    public func follow(_ follower: UnsafeMutableRawPointer) {
        if !state.isAccounted { beginAccount(carriesID: false) }
        unsafe state.follower = follower
    }

    /// What `follow` was given; nil when nobody follows the exchange.
    public var follower: UnsafeMutableRawPointer? { unsafe state.follower }

    /// What the exchange has come to so far.
    var account: ExchangeAccount {
        let isUnanswered = state.status == 0
        return ExchangeAccount(
            status: isUnanswered ? ExchangeReport.clientLeftStatus : state.status,
            bodyBytes: state.bodyBytes, isCut: state.isCut || isUnanswered,
            durationNanoseconds: Loop.monotonicNanoseconds &- state.beganNanoseconds)
    }
}
