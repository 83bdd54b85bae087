import CPluginABI

/// A request, read where the host keeps it.
///
/// Nothing is copied: a request and all that is borrowed from it live until the response has been
/// completed, and the compiler does not let them escape the handler. What shall live longer is
/// copied, for instance with `String(request.path)`.
///
/// It is Sendable because the host never writes to a request that it has handed over.
@safe
public struct Request: ~Escapable, @unchecked Sendable {
    let raw: UnsafePointer<ph_request>
    let pattern: StaticString
    let responder: Responder

    #if hasFeature(Embedded)
        @_lifetime(immortal)
        init(
            unsafe raw: UnsafePointer<ph_request>, pattern: StaticString, responder: Responder
        ) {
            unsafe self.raw = raw
            self.pattern = pattern
            self.responder = responder
        }
    #else
        let exchange: Unmanaged<Exchange>?

        @_lifetime(immortal)
        init(
            unsafe raw: UnsafePointer<ph_request>, pattern: StaticString, responder: Responder,
            exchange: Unmanaged<Exchange>? = nil
        ) {
            unsafe self.raw = raw
            self.pattern = pattern
            self.responder = responder
            unsafe self.exchange = exchange
        }
    #endif

    /// The method, such as `GET`.
    public var method: BorrowedText {
        @_lifetime(copy self)
        get { unsafe borrowed(unsafe raw.pointee.method) }
    }

    /// The path below the plugin's mount, percent-decoded, without dot segments.
    public var path: BorrowedText {
        @_lifetime(copy self)
        get { unsafe borrowed(unsafe raw.pointee.path) }
    }

    /// The query of the URL, decoded when it is read.
    public var query: Query {
        @_lifetime(copy self)
        get {
            let query = unsafe Query(unsafe: raw.pointee.query)
            return unsafe _overrideLifetime(query, copying: self)
        }
    }

    /// The segments that the route's pattern names, percent-decoded.
    public var parameters: Parameters {
        @_lifetime(copy self)
        get {
            let parameters = unsafe Parameters(unsafe: raw, pattern: pattern)
            return unsafe _overrideLifetime(parameters, copying: self)
        }
    }

    /// The header fields.
    public var headers: RequestHeaders {
        @_lifetime(copy self)
        get {
            let headers = unsafe RequestHeaders(unsafe: raw)
            return unsafe _overrideLifetime(headers, copying: self)
        }
    }

    /// The whole body; empty on a route that streams it.
    public var body: RequestBody {
        @_lifetime(copy self)
        get {
            let body = unsafe RequestBody(unsafe: raw.pointee.body)
            return unsafe _overrideLifetime(body, copying: self)
        }
    }

    /// The length of the body as the client declared it; nil when it is not known beforehand.
    ///
    /// - Units: bytes.
    public var contentLength: UInt64? {
        let length = unsafe raw.pointee.content_length
        return length == UInt64.max ? nil : length
    }

    /// Where the request came from: `203.0.113.7:49152`, `[2001:db8::1]:49152`, or `unix`.
    public var remoteAddress: BorrowedText {
        @_lifetime(copy self)
        get { unsafe borrowed(unsafe raw.pointee.remote_address) }
    }

    @_lifetime(copy self)
    private func borrowed(_ text: ph_text) -> BorrowedText {
        let view = unsafe BorrowedText(unsafe: text)
        return unsafe _overrideLifetime(view, copying: self)
    }
}
