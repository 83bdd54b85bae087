#if !hasFeature(Embedded)
    import CPluginABI
    import Synchronization

    /// A WebSocket, as the task that talks over it sees it: messages come as a sequence, and may be
    /// sent from any task.
    ///
    /// ```swift
    /// for await message in socket {
    ///     if case .text(let text) = message { try await socket.send(text) }
    /// }
    /// ```
    ///
    /// The sequence ends when the socket is closed, for whatever reason, and when the plugin stops.
    /// One task reads. The value may be kept beyond the conversation; sending then throws
    /// `WebSocketError.closed`.
    ///
    /// It is Sendable because everything in it that changes is behind a lock.
    @safe
    public final class WebSocket: AsyncSequence, @unchecked Sendable {
        /// What is sent over a WebSocket.
        public enum Message: Sendable, Equatable {
            case text(String)
            case binary([UInt8])
        }

        /// What became of a message that was not waited for.
        public enum Delivery: Sendable {
            /// It is on its way.
            case sent
            /// It is on its way, but the client is slow: who sends on makes the host keep the rest.
            case slow
            /// It was dropped: too much waits for the client already.
            case dropped
            /// It was dropped: the socket is closed.
            case closed
        }

        /// How a socket ended.
        public struct End: Sendable, Equatable {
            /// The client's code, or 1006 when the connection was lost.
            public let code: UInt16
            public let reason: String
        }

        struct State: Conversation {
            var inbox = Ring<Message>()
            var inboxBytes = 0
            var isPaused = false
            var isCancelled = false
            var isWritable = true
            var end: End?
            var subprotocol = ""
            var reader: CheckedContinuation<Void, Never>?
            var writers: [CheckedContinuation<Void, Never>] = []
            var closer: CheckedContinuation<Void, Never>?
            var task: Task<Void, Never>?

            mutating func takeWaiters() -> [CheckedContinuation<Void, Never>] {
                defer { (reader, writers) = (nil, []) }
                return [reader].compactMap(\.self) + writers
            }
        }

        /// How much may wait for the reader before the host is asked to pause.
        static var inboxBytesMax: Int { 256 * 1024 }
        /// What a message weighs beside its bytes.
        static var messageBytes: Int { 64 }

        let number: UInt
        let functions: UnsafePointer<ph_websocket>
        let state = Mutex(State())
        let handle = Mutex(Handle())

        /// The host's handle. It is released when the conversation is over and nobody calls the
        /// host with it any more.
        struct Handle {
            var bits: UInt = 0
            var users = 0
            var isOver = false

            /// The handle, if this is the moment to release it.
            mutating func takeIfUnused() -> UInt {
                guard isOver, users == 0 else { return 0 }
                defer { bits = 0 }
                return bits
            }
        }

        init(number: UInt, unsafe functions: UnsafePointer<ph_websocket>) {
            self.number = number
            unsafe self.functions = functions
        }

        /// How it ended; nil as long as it is open.
        public var end: End? { state.withLock(\.end) }

        /// The subprotocol that was agreed on, empty if none was. Known once a message has come.
        public var subprotocol: String { state.withLock(\.subprotocol) }

        // MARK: - Receiving

        /// The messages of the client, in order.
        public func makeAsyncIterator() -> Iterator { Iterator(socket: self) }

        /// Walks through the messages of a client.
        public struct Iterator: AsyncIteratorProtocol {
            let socket: WebSocket

            /// The next message; nil when the socket is closed or the plugin stops.
            public mutating func next() async -> Message? { await socket.next() }

            /// The next message; nil when the socket is closed or the plugin stops.
            public mutating func next(
                isolation actor: isolated (any Actor)?
            ) async -> Message? { await socket.next() }
        }

        func next() async -> Message? {
            while true {
                let (message, isOver, resumes) = state.withLock { state in
                    let message = state.inbox.popFirst()
                    state.inboxBytes -= message.map { $0.byteCount + Self.messageBytes } ?? 0
                    let resumes = state.isPaused && state.inboxBytes < Self.inboxBytesMax / 2
                    if resumes { state.isPaused = false }
                    return (message, state.end != nil || state.isCancelled, resumes)
                }
                if resumes {
                    _ = unsafe use { functions, socket in
                        unsafe functions.pointee.resume?(socket) ?? failed
                    }
                }
                if let message { return message }
                if isOver { return nil }
                await state.wait { state, reader in
                    guard state.inbox.isEmpty, state.end == nil, !state.isCancelled else {
                        return false
                    }
                    state.reader = reader
                    return true
                }
            }
        }
    }

    extension WebSocket: Hashable {
        /// Says whether both are the same socket.
        public static func == (left: WebSocket, right: WebSocket) -> Bool { left === right }

        /// Adds which socket it is.
        public func hash(into hasher: inout Hasher) { hasher.combine(number) }
    }
#endif
