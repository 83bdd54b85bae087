#if !hasFeature(Embedded)
    /// A route that speaks WebSocket:
    ///
    /// ```swift
    /// Socket("/rooms/{room}") { plugin, request in
    ///     let room = request.parameters["room"]
    ///     return { socket in
    ///         for await message in socket { await plugin.rooms.say(message, in: room) }
    ///     }
    /// }
    /// ```
    ///
    /// The outer function looks at the request, at once, on the event loop that read it; what it
    /// throws is the answer, and there is no WebSocket. The function that it returns talks, in a
    /// task of its own: when it returns, the socket is closed. The manifest asks for `.webSocket`.
    ///
    /// Use it through the name that `Plugin` gives it: `Socket`.
    public struct SocketRoute<Owner: Plugin> {
        /// Looks at a request and returns what is to be said.
        public typealias Opening =
            @Sendable (Owner, Request) throws -> @Sendable (WebSocket) async throws -> Void

        @usableFromInline let route: Route<Owner>

        /// Makes a route.
        ///
        /// - Parameters:
        ///   - pattern: as with the other routes.
        ///   - opening: answers within 10 ms; other connections wait for it.
        @inlinable
        public init(
            _ pattern: StaticString, options: WebSocketOptions = WebSocketOptions(),
            _ opening: @escaping Opening
        ) {
            route = Route(socket: pattern, options, opening)
        }
    }

    extension Plugin {
        /// A route that speaks WebSocket.
        public typealias Socket = SocketRoute<Self>
    }

    extension RouteBuilder {
        @inlinable
        public static func buildExpression(_ route: SocketRoute<Owner>) -> RouteList<Owner> {
            RouteList([route.route])
        }
    }

    extension Service {
        /// WebSockets: `Plugin.Socket`.
        public static var webSocket: Service { Service("ph.websocket/1") }
    }
#endif
