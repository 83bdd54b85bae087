#if !hasFeature(Embedded)
    /// Writes the body of a streamed response, at the pace at which the client takes it.
    public struct ResponseWriter: Sendable {
        let exchange: Exchange

        /// Appends bytes to the body, and waits while the client is slow.
        ///
        /// - Throws: `CancellationError` when the client has gone or the plugin stops;
        ///   `StreamError` when there is more than the declared length.
        public func write(_ bytes: [UInt8]) async throws {
            guard !bytes.isEmpty else { return }
            let waits = try unsafe bytes.withUnsafeBufferPointer { bytes in
                try unsafe exchange.write(bytes)
            }
            if let waits { try await exchange.waitUntilWritable(since: waits) }
        }

        /// Appends text to the body, and waits while the client is slow.
        ///
        /// - Throws: as `write(_:)` of bytes.
        public func write(_ text: String) async throws {
            try await write(Array(text.utf8))
        }

        /// Whether the host waits for this response to end, because the next generation of the
        /// plugin serves or the plugin is to stop: the moment to end a body that would go on for
        /// ever.
        public var isDraining: Bool { exchange.isDraining }

        /// Adds a field that follows the body, such as a checksum that is only known at its end.
        ///
        /// Clients that did not say `TE: trailers` do not get it. What steers a response, such as
        /// Content-Type or Set-Cookie, cannot come so late: it is left out and logged.
        public func addTrailer(_ name: String, _ value: String) {
            exchange.addTrailer(Header(name, value))
        }
    }

    /// Why a piece of a streamed response was not taken.
    public enum StreamError: Error, Sendable {
        /// It is longer than the length that was declared.
        case tooLong
        /// The response is completed, or was never begun.
        case refused
    }
#endif
