#if !hasFeature(Embedded)
    /// Sends events to one client for as long as it listens. Several tasks may send.
    public struct EventStream: Sendable {
        private let writer: ResponseWriter

        init(_ writer: ResponseWriter) {
            self.writer = writer
        }

        /// Sends an event, and waits while the client is slow.
        ///
        /// - Throws: `CancellationError` when the client has gone or the plugin stops.
        public func send(_ event: ServerEvent) async throws {
            try await writer.write(event.bytes)
        }

        /// Sends an event that is data alone, and waits while the client is slow.
        ///
        /// - Throws: as `send(_:)`.
        public func send(_ data: String, name: String? = nil, id: String? = nil) async throws {
            try await send(ServerEvent(data, name: name, id: id))
        }

        /// Sends a line that clients skip.
        ///
        /// - Throws: as `send(_:)`.
        public func comment(_ text: String) async throws {
            try await writer.write(ServerEvent.comment(text))
        }
    }

    extension Response {
        /// A stream of events, for a browser's `EventSource`.
        ///
        /// ```swift
        /// Get("/ticks") { _, _ in
        ///     .events { stream in
        ///         for number in 1... {
        ///             try await stream.send("\(number)", id: "\(number)")
        ///             try await Task.sleep(for: .seconds(1))
        ///         }
        ///     }
        /// }
        /// ```
        ///
        /// The task is cancelled when the client goes away, when the next generation of the plugin
        /// serves, and when the plugin stops; browsers come back by themselves, with
        /// `Request.lastEventID`.
        ///
        /// - Parameters:
        ///   - heartbeat: how often the stream sends a comment: proxies keep the connection, and a
        ///     client that has vanished without a word is found out.
        ///   - lifetime: when the stream ends in any case, for the browser to come back.
        ///   - send: sends the events; the stream ends when it returns.
        public static func events(
            heartbeat: Duration = .seconds(15), lifetime: Duration = .seconds(300),
            _ send: @escaping @Sendable (EventStream) async throws -> Void
        ) -> Response {
            let response = stream(contentType: "text/event-stream") { writer in
                let stream = EventStream(writer)
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { try await send(stream) }
                    group.addTask {
                        let end = ContinuousClock.now + lifetime
                        while ContinuousClock.now + heartbeat < end {
                            try await Task.sleep(for: heartbeat)
                            try await stream.comment("")
                        }
                        try await Task.sleep(until: end)
                    }
                    group.addTask { await writer.exchange.waitUntilDraining() }
                    defer { group.cancelAll() }
                    try await group.next()
                }
            }
            return response.adding("Cache-Control", "no-cache").adding("X-Accel-Buffering", "no")
        }

        /// A stream of events that are the elements of a sequence, sent as they come.
        public static func events<Events: AsyncSequence & Sendable>(
            _ events: Events, heartbeat: Duration = .seconds(15),
            lifetime: Duration = .seconds(300)
        ) -> Response where Events.Element == ServerEvent {
            .events(heartbeat: heartbeat, lifetime: lifetime) { stream in
                for try await event in events { try await stream.send(event) }
            }
        }
    }
#endif
