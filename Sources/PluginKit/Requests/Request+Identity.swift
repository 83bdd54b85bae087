import CPluginABI

extension Request {
    /// What the request is called in the host's logs and in the response's X-Request-ID: the
    /// client's own X-Request-ID if it is valid, else a name that the host makes when it is first
    /// asked for. Empty under a host of ABI 1.0.
    public var id: String { responder.requestID }

    /// The request's place in a trace, to be sent along with requests that this one causes: the
    /// client's `traceparent` if it is valid, else that of a new trace. Empty under a host of ABI
    /// 1.0.
    ///
    /// - Source: W3C Trace Context.
    public var traceparent: String { responder.traceparent }

    /// What vendors add to the client's `traceparent`, to be sent along with it; nil when there is
    /// none, or when `traceparent` is not the client's.
    ///
    /// - Source: W3C Trace Context, section 3.3.
    public var tracestate: String? {
        let parent = headers.text("traceparent")
        guard responder.isTraceparent(parent) else { return nil }
        var state: String?
        for value in headers.values("tracestate") { state = (state.map { $0 + "," } ?? "") + value }
        return state
    }

    /// What the client sent behind a chunked body; empty on a route that streams it, where
    /// `BodyPieces.trailers` has it.
    public var trailers: [Header] { responder.requestTrailers }

    /// The id of the last event that a client of an event stream has seen; nil on its first visit.
    ///
    /// - Source: WHATWG HTML, section 9.2.4.
    public var lastEventID: String? { headers["Last-Event-ID"] }
}

extension Header {
    /// Copies a field that the host lends.
    init(_ field: ph_header) {
        unsafe self.init(
            String(BorrowedText(unsafe: field.name)), String(BorrowedText(unsafe: field.value)))
    }
}
