#if !hasFeature(Embedded)
    /// How a route speaks WebSocket.
    public struct WebSocketOptions: Sendable {
        /// Whether messages are compressed, if the client can do it.
        public enum Compression: Sendable {
            case off
            /// Each message for itself: nothing is kept between them.
            case eachMessage
            /// Messages refer to earlier ones: smaller, and some 100 KB of memory a socket.
            case acrossMessages
        }

        /// Whether messages are compressed.
        public var compression = Compression.off
        /// The largest message that is taken; a longer one ends the socket with code 1009.
        ///
        /// - Units: bytes; 0 leaves it at the host's 16 MiB.
        public var messageBytesMax: UInt64 = 0
        /// The subprotocols that are spoken, the best first.
        public var subprotocols: [StaticString] = []
        /// Whether pages of other origins may connect. A browser sends its user's cookies with the
        /// handshake whatever page begins it, so this is for what asks for no login.
        public var allowsForeignOrigins = false
        /// After how much silence the client is asked for a sign of life; 0 leaves it at the host's
        /// 30 seconds.
        public var pingSeconds: UInt32 = 0

        /// Makes the default options.
        public init() {}
    }
#endif
