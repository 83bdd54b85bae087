/// How the end of a response's body is found.
///
/// - Source: RFC 9112, section 6.3.
public enum ResponseBodyFraming: Equatable, Sendable {
    /// No body follows the head.
    case none
    /// Exactly this many bytes follow the head.
    case length(UInt64)
    /// Chunks follow the head.
    case chunked
    /// Everything up to the end of the connection.
    case untilClose
}

/// What a response's head says, apart from its fields.
public struct ResponseHead: Equatable, Sendable {
    /// From 100 to 599.
    public var status: UInt16 = 0
    /// 0 for HTTP/1.0; 1 for HTTP/1.1 and later minor versions.
    public var minorVersion: UInt8 = 1
    /// Whether the sender keeps the connection open after the response, if its body ends by itself.
    public var keepAlive = true
    /// What `Content-Length` says; also where no body follows.
    public var contentLength: UInt64?
    /// Whether the body is sent in chunks.
    public var isChunked = false
    /// Whether a field names another protocol and `Connection` says so.
    public var switchesProtocol = false
    /// Whether `Connection` names fields, which are then for this connection alone.
    public var namesOptions = false
    /// The number of fields that were stored.
    public var fieldCount = 0

    /// Makes an empty head for the parser to fill.
    public init() {}

    /// How the body is framed that follows this head.
    ///
    /// - Parameter answersHEAD: whether the request's method was HEAD.
    /// - Source: RFC 9112, section 6.3, in its order.
    public func framing(answersHEAD: Bool) -> ResponseBodyFraming {
        if answersHEAD || status < 200 || status == 204 || status == 304 { return .none }
        if isChunked { return .chunked }
        return contentLength.map { .length($0) } ?? .untilClose
    }
}
