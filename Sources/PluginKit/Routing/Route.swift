/// The error that a handler may throw: any error, and in Embedded Swift `HTTPError`.
#if hasFeature(Embedded)
    public typealias HandlerError = HTTPError
#else
    public typealias HandlerError = any Error
#endif

/// One kind of request that a plugin answers, and the function that answers it.
public struct Route<Owner: Plugin> {
    /// A handler that answers at once, on the event loop that read the request.
    public typealias Inline = @Sendable (Owner, Request) throws(HandlerError) -> Response
    #if !hasFeature(Embedded)
        /// A handler that may wait, in a task of its own.
        public typealias Waiting = @Sendable (Owner, Request) async throws -> Response
        /// What a WebSocket's route is made of.
        public typealias Opening = SocketRoute<Owner>.Opening
    #endif

    @usableFromInline
    enum Handler {
        case inline(Inline)
        #if !hasFeature(Embedded)
            case waiting(Waiting)
            case socket(WebSocketOptions, Opening)
        #endif
    }

    @usableFromInline let shape: RouteShape
    @usableFromInline let handler: Handler

    /// Makes a route whose handler answers at once.
    ///
    /// - Parameters:
    ///   - method: `GET`, `POST`, any token, or `*` for every method.
    ///   - pattern: begins with `/`; `{name}` stands for one segment, and `{name...}` at the end
    ///     for all the rest.
    ///   - body: how the request's body is handed over.
    ///   - blocks: whether the handler may take its time: then it is called on threads that the
    ///     host keeps for such calls of this plugin, many at the same time.
    ///   - answer: answers within 10 ms, or else other connections wait for it until the host has
    ///     noticed; from then on it is called as if it had said `blocks`.
    @inlinable
    public init(
        _ method: StaticString, _ pattern: StaticString, body: BodyMode = .whole,
        blocks: Bool = false, _ answer: @escaping Inline
    ) {
        shape = RouteShape(method: method, pattern: pattern, body: body, blocks: blocks)
        handler = .inline(answer)
    }

    #if !hasFeature(Embedded)
        /// Makes a route whose handler may wait: it runs in a task on the plugin's own threads.
        ///
        /// The task is cancelled when the client goes away and when the plugin stops.
        @inlinable
        public init(
            _ method: StaticString, _ pattern: StaticString, body: BodyMode = .whole,
            _ answer: @escaping Waiting
        ) {
            shape = RouteShape(method: method, pattern: pattern, body: body, blocks: false)
            handler = .waiting(answer)
        }

        @inlinable
        init(
            socket pattern: StaticString, _ options: WebSocketOptions,
            _ opening: @escaping Opening
        ) {
            shape = RouteShape(method: "GET", pattern: pattern, body: .whole, blocks: false)
            handler = .socket(options, opening)
        }
    #endif
}

/// How the body of a request is handed to a handler.
public struct BodyMode: Sendable {
    @usableFromInline let streams: Bool
    @usableFromInline let bytesMax: UInt32

    @inlinable
    init(streams: Bool, bytesMax: UInt32) {
        self.streams = streams
        self.bytesMax = bytesMax
    }

    /// The handler is called once the whole body has arrived; the host's limit applies.
    @inlinable public static var whole: BodyMode { BodyMode(streams: false, bytesMax: 0) }

    /// As `whole`, with a limit of its own. A longer body is refused with 413.
    @inlinable
    public static func whole(bytesMax: UInt32) -> BodyMode {
        BodyMode(streams: false, bytesMax: bytesMax)
    }

    #if !hasFeature(Embedded)
        /// The handler is called with the head of the request, and reads `Request.pieces`.
        @inlinable public static var streamed: BodyMode { BodyMode(streams: true, bytesMax: 0) }

        /// As `streamed`, with a limit of its own.
        @inlinable
        public static func streamed(bytesMax: UInt32) -> BodyMode {
            BodyMode(streams: true, bytesMax: bytesMax)
        }
    #endif
}

/// What the host needs to know of a route.
@usableFromInline
struct RouteShape: Sendable {
    @usableFromInline let method: StaticString
    @usableFromInline let pattern: StaticString
    @usableFromInline let body: BodyMode
    @usableFromInline let blocks: Bool

    @inlinable
    init(method: StaticString, pattern: StaticString, body: BodyMode, blocks: Bool) {
        self.method = method
        self.pattern = pattern
        self.body = body
        self.blocks = blocks
    }
}
