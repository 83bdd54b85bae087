/// What a handler answers: a status, header fields, and a body.
///
/// A response made of literals is sent from where the literal lies in the image: nothing is
/// allocated and nothing built.
public struct Response: Sendable {
    @usableFromInline
    enum Body: Sendable {
        case none
        case literal(StaticString)
        case text(String)
        case bytes([UInt8])
        #if hasFeature(Embedded)
            case events(@Sendable (EventStream) -> Void)
        #else
            case stream(length: UInt64, @Sendable (ResponseWriter) async throws -> Void)
        #endif
    }

    /// The status.
    public var status: Status
    /// The media type of the body; empty when there is no body.
    public var contentType: StaticString
    /// The other header fields, in order.
    ///
    /// The host writes Content-Length, Transfer-Encoding, Connection and Date itself and refuses
    /// them here.
    public var headers: [Header]
    @usableFromInline var body: Body

    @inlinable
    init(status: Status, contentType: StaticString, body: Body, headers: [Header] = []) {
        self.status = status
        self.contentType = contentType
        self.headers = headers
        self.body = body
    }

    /// A response without a body.
    @inlinable
    public static func empty(_ status: Status = .noContent) -> Response {
        Response(status: status, contentType: "", body: .none)
    }

    /// A fixed text.
    @inlinable
    public static func text(literal text: StaticString, status: Status = .ok) -> Response {
        Response(status: status, contentType: "text/plain; charset=utf-8", body: .literal(text))
    }

    /// A text.
    @inlinable
    public static func text(_ text: String, status: Status = .ok) -> Response {
        Response(status: status, contentType: "text/plain; charset=utf-8", body: .text(text))
    }

    /// A page. What comes from outside must have been escaped, for instance by `escapedForHTML`.
    @inlinable
    public static func html(_ page: String, status: Status = .ok) -> Response {
        Response(status: status, contentType: "text/html; charset=utf-8", body: .text(page))
    }

    /// A fixed JSON document, sent as it is.
    @inlinable
    public static func json(literal document: StaticString, status: Status = .ok) -> Response {
        Response(status: status, contentType: "application/json", body: .literal(document))
    }

    /// A JSON value: `.json(["id": 7, "title": .string(title)])`.
    @inlinable
    public static func json(_ value: JSON, status: Status = .ok) -> Response {
        Response(status: status, contentType: "application/json", body: .bytes(value.bytes))
    }

    /// A JSON document that has been encoded already, for instance by `JSONEncoder`.
    @inlinable
    public static func json(
        encoded document: some Sequence<UInt8>, status: Status = .ok
    ) -> Response {
        Response(status: status, contentType: "application/json", body: .bytes(Array(document)))
    }

    /// Bytes of any media type.
    @inlinable
    public static func bytes(
        _ bytes: [UInt8], contentType: StaticString = "application/octet-stream",
        status: Status = .ok
    ) -> Response {
        Response(status: status, contentType: contentType, body: .bytes(bytes))
    }

    /// Sends the client to another place.
    public static func redirect(to location: String, status: Status = .seeOther) -> Response {
        Response(
            status: status, contentType: "", body: .none, headers: [Header("Location", location)])
    }

    /// What is wrong, as RFC 9457 says it (`application/problem+json`).
    ///
    /// The same as throwing the error.
    public static func problem(_ error: HTTPError) -> Response {
        Response(
            status: error.status, contentType: "application/problem+json",
            body: .bytes(error.document), headers: error.headers)
    }

    #if hasFeature(Embedded)
        /// A stream of events, for a browser's `EventSource`.
        ///
        /// Streams that are open when the plugin stops are ended.
        ///
        /// - Parameter opened: keeps the stream, for whoever has something to say.
        public static func events(_ opened: @escaping @Sendable (EventStream) -> Void) -> Response {
            Response(
                status: .ok, contentType: "text/event-stream", body: .events(opened),
                headers: [Header("Cache-Control", "no-cache")])
        }
    #endif

    #if !hasFeature(Embedded)
        /// A body that is made piece by piece, at the pace at which the client takes it.
        ///
        /// - Parameters:
        ///   - contentType: the media type of the body.
        ///   - status: the status, sent before the first piece.
        ///   - contentLength: the length in bytes when it is known; a body of another length cuts
        ///     the connection.
        ///   - write: writes the pieces; the response ends when it returns. If it throws, the
        ///     connection is cut, so that the client can tell.
        public static func stream(
            contentType: StaticString = "application/octet-stream", status: Status = .ok,
            contentLength: UInt64? = nil,
            _ write: @escaping @Sendable (ResponseWriter) async throws -> Void
        ) -> Response {
            Response(
                status: status, contentType: contentType,
                body: .stream(length: contentLength ?? UInt64.max, write))
        }

        /// A body that is the elements of a sequence, sent as they come.
        public static func stream<Pieces: AsyncSequence & Sendable>(
            _ pieces: Pieces, contentType: StaticString = "application/octet-stream",
            status: Status = .ok
        ) -> Response where Pieces.Element == [UInt8] {
            stream(contentType: contentType, status: status) { writer in
                for try await piece in pieces { try await writer.write(piece) }
            }
        }
    #endif

    /// Returns the response with one more header field.
    public func adding(_ name: String, _ value: String) -> Response {
        var response = self
        response.headers.append(Header(name, value))
        return response
    }
}

extension String {
    /// The text with the characters that mean something in HTML replaced, for use in a page and in
    /// quoted attributes.
    public var escapedForHTML: String {
        var output: [UInt8] = []
        for byte in utf8 {
            switch byte {
            case UInt8(ascii: "&"): output += Array("&amp;".utf8)
            case UInt8(ascii: "<"): output += Array("&lt;".utf8)
            case UInt8(ascii: ">"): output += Array("&gt;".utf8)
            case UInt8(ascii: "\""): output += Array("&quot;".utf8)
            case UInt8(ascii: "'"): output += Array("&#39;".utf8)
            default: output.append(byte)
            }
        }
        return String(decoding: output, as: UTF8.self)
    }
}
