#if !hasFeature(Embedded)
    /// The body of a request as it arrives, on a route with `body: .streamed`.
    ///
    /// The host reads no further than a little ahead of the handler, so a slow handler slows the
    /// client down and holds no more than 64 KiB. On other routes there is one piece: the whole.
    ///
    /// ```swift
    /// for try await piece in request.pieces { size += piece.count }
    /// ```
    public struct BodyPieces: AsyncSequence, Sendable {
        enum Source: Sendable {
            case whole([UInt8])
            case arriving(Exchange)
        }

        let source: Source
        private let wholeTrailers: [Header]

        init(_ source: Source, trailers: [Header] = []) {
            self.source = source
            wholeTrailers = trailers
        }

        /// What the client sent behind the body; empty before the last piece has been read.
        public var trailers: [Header] {
            if case .arriving(let exchange) = source { return exchange.receivedTrailers }
            return wholeTrailers
        }

        /// Reads the pieces one after the other.
        public struct AsyncIterator: AsyncIteratorProtocol {
            var source: Source

            /// The next piece; nil at the end of the body.
            ///
            /// - Throws: `CancellationError` when the client goes away before the end.
            public mutating func next() async throws -> [UInt8]? {
                switch source {
                case .arriving(let exchange): return try await exchange.nextPiece()
                case .whole(let bytes):
                    source = .whole([])
                    return bytes.isEmpty ? nil : bytes
                }
            }
        }

        public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(source: source) }
    }

    extension Request {
        /// The body, piece by piece. It may be handed to the response, which outlives the handler.
        public var pieces: BodyPieces {
            if let exchange = unsafe exchange?.takeUnretainedValue(), exchange.streamsBody {
                return BodyPieces(.arriving(exchange))
            }
            return BodyPieces(.whole(body.array), trailers: trailers)
        }
    }
#endif
