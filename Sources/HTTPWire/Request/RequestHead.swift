/// How the end of a message body is found.
///
/// - Source: RFC 9112, section 6.
public enum BodyFraming: Equatable, Sendable {
    /// No body follows the head.
    case none
    /// Exactly this many bytes follow the head.
    case length(UInt64)
    /// Chunks follow the head.
    case chunked
}

/// What a request's head says, apart from its fields; every slice is borrowed from the parsed
/// input.
public struct RequestHead: Equatable {
    /// The method, `other` when it is none of the common ones.
    public var method: Method = .other
    /// The method as it came.
    public var methodName = ByteSlice()
    /// The whole request target as it came.
    public var target = ByteSlice()
    /// The path as it came, before any `?`; `/` for an absolute form without one, `*` for the
    /// asterisk form, empty for CONNECT.
    public var path = ByteSlice()
    /// What follows the first `?`, without it.
    public var query = ByteSlice()
    /// Whether there was a `?`, which tells `/a?` from `/a`.
    public var hasQuery = false
    /// Whether the path has an escape, an empty segment or a segment that starts with a dot, and so
    /// may not be in normal form, or is missing, as it is for CONNECT.
    public var pathNeedsNormalizing = false
    /// 0 for HTTP/1.0; 1 for HTTP/1.1 and later minor versions.
    public var minorVersion: UInt8 = 1
    /// Whether the connection stays open after the response.
    public var keepAlive = true
    /// Whether the client waits for `100 Continue` before it sends the body.
    public var expectsContinue = false
    /// Whether the request asks for another protocol (`Connection: upgrade` and an `Upgrade`
    /// field).
    public var wantsUpgrade = false
    /// How the body is framed.
    public var framing: BodyFraming = .none
    /// The number of fields that were stored.
    public var fieldCount = 0
    /// The authority: the one in the target if there is one, else the value of `Host`; may be
    /// empty.
    public var host = ByteSlice()

    /// Whether the client named the request with a valid `X-Request-ID`.
    public var hasRequestID = false
    /// What the storage remembers of the heads that it has held before.
    @usableFromInline var knownHost = KnownAuthority()
    @usableFromInline var knownHostLine = KnownHostLine()

    /// Makes an empty head for the parser to fill.
    @inlinable
    public init() {}
}
