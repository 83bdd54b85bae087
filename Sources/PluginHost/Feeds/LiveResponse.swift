internal import HTTPServer
internal import HTTPWire
internal import Synchronization

/// A response that goes on for as long as its client listens: server-sent events.
///
/// Pieces are written from any thread and never waited for; a client that does not keep up is told
/// of by the result.
///
/// - Source: the HTML standard, section 9.2, "Server-sent events".
final class LiveResponse: Sendable {
    /// What became of a piece.
    enum Outcome: Sendable {
        case sent
        /// It was sent, and `onWritable` is called when there is room for more.
        case sentAsLast
        /// There is no room for it now; `onWritable` is called.
        case refused
        case closed
    }

    private struct State {
        var isOver = false
        var onWritable: (@Sendable () -> Void)?
    }

    /// Responses by number: what the server is given instead of an address, so that a call that
    /// comes late finds nothing.
    private static let all = Mutex<(last: UInt, responses: [UInt: LiveResponse])>((0, [:]))

    private let remote: RemoteExchange
    /// Kept, because the exchange lives in its memory.
    private let reactor: Reactor
    private let number: UInt
    private let state = Mutex(State())

    /// Begins the response; on the exchange's loop thread.
    ///
    /// - Returns: nil when nothing will follow, as the client has gone or asked for the head only.
    static func begin(_ exchange: Exchange) -> LiveResponse? {
        let fields = [
            ("Content-Type", "text/event-stream"), ("Cache-Control", "no-store"),
            ("X-Accel-Buffering", "no"),
        ]
        let result = unsafe OwnedFields.with(fields) {
            unsafe exchange.begin(status: 200, fields: $0, contentLength: nil)
        }
        if result != .accepted || exchange.head.method == .head {
            exchange.finish()
            return nil
        }
        let response = all.withLock { all in
            all.last += 1
            let response = LiveResponse(exchange, number: all.last)
            all.responses[all.last] = response
            return response
        }
        exchange.observe(
            unsafe ExchangeObserver(
                context: UnsafeMutableRawPointer(bitPattern: response.number),
                onWritable: { context in
                    LiveResponse.find(UInt(bitPattern: context))?.becameWritable()
                },
                onClosed: { context, _ in
                    LiveResponse.find(UInt(bitPattern: context))?.finish()
                }))
        return response
    }

    private init(_ exchange: Exchange, number: UInt) {
        remote = exchange.remote
        reactor = exchange.reactor
        self.number = number
    }

    private static func find(_ number: UInt) -> LiveResponse? {
        all.withLock { $0.responses[number] }
    }

    /// Whether a request asks for such a response.
    static func isWanted(_ exchange: Exchange) -> Bool {
        let accepts = exchange.firstValue(named: "Accept").map { String(decoding: $0) }
        return accepts?.lowercased().contains("text/event-stream") == true
    }

    var isOver: Bool { state.withLock { $0.isOver } }

    /// Names who is told when there is room.
    func whenWritable(_ body: @escaping @Sendable () -> Void) {
        state.withLock { $0.onWritable = body }
    }

    func write(_ text: String) -> Outcome {
        if state.withLock({ $0.isOver }) { return .closed }
        var text = text
        let result = text.withUTF8 { unsafe remote.write(UnsafeRawBufferPointer($0)) }
        switch result {
        case .accepted: return .sent
        case .full: return .sentAsLast
        case .tooLong: return .refused
        case .closed, .fieldRefused, .outOfOrder:
            finish()
            return .closed
        }
    }

    /// Ends the response; also when the client has gone.
    func finish() {
        let wasOver = state.withLock { state in
            defer {
                state.isOver = true
                state.onWritable = nil
            }
            return state.isOver
        }
        guard !wasOver else { return }
        Self.all.withLock { $0.responses[number] = nil }
        remote.finish()
    }

    private func becameWritable() {
        let body = state.withLock { $0.onWritable }
        body?()
    }
}
