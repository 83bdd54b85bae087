public import HTTPWire

/// How an exchange goes on once its head is known.
public enum Disposition: Sendable {
    /// The response has been given within `route`; nothing more is called for this exchange.
    case responded
    /// `handle` is called when the whole body is there, at once if there is none.
    ///
    /// - Units: `bodyBytesMax` counts payload bytes; a longer body is answered with 413.
    case buffered(bodyBytesMax: Int)
    /// `handle` is called at once; the body goes to the observer that it sets.
    case streamed
}

/// What answers the requests of a server; subclass it.
///
/// Each method is called on the reactor's thread with a borrowed exchange and must return soon;
/// code that may not is called between `Exchange.beginCall` and `endCall`. No method is called
/// while another one runs on the same reactor, and no method of `Exchange` calls back into the
/// application before it returns.
///
/// `@unchecked Sendable` because one instance serves all reactors: a subclass keeps what changes
/// per reactor in `Reactor.applicationState` and guards whatever else it changes.
open class Application: @unchecked Sendable {
    /// Makes an application.
    public init() {}

    /// Decides about a request whose head is complete and whose path is in normal form.
    open func route(_ exchange: Exchange) -> Disposition {
        .responded
    }

    /// Answers a request, now or later; called once unless the client leaves before its body is
    /// complete.
    open func handle(_ exchange: Exchange) {}

    /// Takes leave of an exchange for which `route` returned `buffered` or `streamed`.
    ///
    /// Called exactly once, after the application has completed the response, or when the client
    /// left before `handle`. No callback comes after it and the handle is no longer valid; the
    /// client may still be reading.
    open func ended(_ exchange: Exchange) {}

    /// Takes account of a request that is over, answered or not; called for each one, before
    /// `ended`, if `ServerConfiguration.reportsExchanges`.
    open func report(_ report: ExchangeReport) {}

    /// Takes leave of a request that `Exchange.follow` was called for, when it is over; before
    /// `report` and `ended`.
    ///
    /// - Returns: false if the exchange has to wait for code on another thread: then it was held
    ///   with `holdAtEnd`, and this is called again when that code has returned.
    open func over(_ exchange: Exchange, _ account: ExchangeAccount) -> Bool { true }

    /// Takes the final head of a response that an upstream gives, before the client has it; only
    /// for an exchange that `Exchange.follow` was called for.
    ///
    /// Whoever takes it has the exchange held and looks at the head on another thread, on copies of
    /// the fields. Within `returned`, the response then goes on with `giveHead`, or is another one
    /// after `dropHead`.
    ///
    /// - Returns: whether it is taken; else the client is given it as it is.
    open func takesHead(
        _ exchange: Exchange, status: UInt16, fields: UnsafeBufferPointer<HeaderField>
    ) -> Bool {
        false
    }

    /// Hears that a call overran its time and lost its loop, which goes on here, on another thread.
    ///
    /// The exchange is held: until `returned`, only the code that was called may use it, through
    /// `remote`.
    ///
    /// - Parameter thread: the kernel's id of the thread that is still in the call.
    open func overran(_ exchange: Exchange, _ kind: CallKind, thread: Int32) {}

    /// Goes on with an exchange that `Exchange.resume` was called for, as if within `handle`.
    open func resumed(_ exchange: Exchange) {}

    /// Hears that a call for a held exchange has returned, with what `surrender` or `endRemoteCall`
    /// was given; the exchange is the loop's again.
    ///
    /// After `.body`, the body is paused: it goes on with `resumeBody`.
    open func returned(_ exchange: Exchange, _ kind: CallKind, result: Int32) {}

    /// Hears that a call for a WebSocket overran its time and lost its loop, which goes on here, on
    /// another thread. The socket is held until `returned`: no function of its observer is called.
    ///
    /// - Parameter thread: the kernel's id of the thread that is still in the call.
    open func overran(_ socket: WebSocket, _ kind: SocketCallKind, thread: Int32) {}

    /// Hears that a call for a held WebSocket has returned, with what `surrender` was given.
    ///
    /// After `.message`, the socket is paused: it goes on with `resume`.
    open func returned(_ socket: WebSocket, _ kind: SocketCallKind, result: Int32) {}

    /// How long the response to a request that `handle` was called for may take to begin; 0: as
    /// long as it likes. Time in which the client sends the body does not count.
    open func answerSeconds(_ exchange: Exchange) -> Int { 0 }

    /// Hears that this time is over, and says what the client is told with the status 504; the
    /// response is still owed.
    open func gaveNoAnswer(_ exchange: Exchange) -> String { "" }
}
