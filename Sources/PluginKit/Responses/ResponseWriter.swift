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
            let isTaken = try unsafe bytes.withUnsafeBufferPointer { bytes in
                try unsafe exchange.write(bytes)
            }
            if !isTaken { try await exchange.waitUntilWritable() }
        }

        /// Appends text to the body, and waits while the client is slow.
        ///
        /// - Throws: as `write(_:)` of bytes.
        public func write(_ text: String) async throws {
            try await write(Array(text.utf8))
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
