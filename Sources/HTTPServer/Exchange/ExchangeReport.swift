import Glibc
public import HTTPWire

/// What became of one request, for whoever keeps account; its views are valid during the call.
@safe
public struct ExchangeReport {
    /// The status of a request whose client left before it was answered.
    ///
    /// - Source: nginx, which is where operators know it from; no client ever sees it.
    public static let clientLeftStatus: UInt16 = 499

    /// The request; nil when it could not be read.
    public let exchange: Exchange?
    /// The index of the reactor that had it.
    public let reactorIndex: Int
    /// What the application has hung on that reactor.
    public let applicationState: UnsafeMutableRawPointer?
    /// What the request is called.
    public let requestID: ByteSlice
    /// The status that was sent.
    public let status: UInt16
    /// How much of the response's body was given to the connection, framing not counted.
    public let bodyBytes: UInt64
    /// Whether the connection ended before the response was complete.
    public let isCut: Bool
    /// Whether `Application.handle` had a part in it, or would have had: `ended` follows.
    public let reachedApplication: Bool
    /// The peer's numeric address, `unix` for a Unix socket, and its port.
    public let remoteAddress: ByteSlice
    public let remotePort: UInt16
    /// When it was over, by the monotonic clock.
    public let endedNanoseconds: UInt64
    /// How long it took, from the last byte of the head on.
    public let durationNanoseconds: UInt64
}

extension Exchange {
    /// Notes when the request began.
    @inline(never)
    func beginAccount(carriesID: Bool) {
        state.isAccounted = true
        state.carriesID = carriesID
        state.bodyBytes = 0
        state.beganNanoseconds = Loop.monotonicNanoseconds
    }

    /// Has the head of the response say the request's name.
    func carryID() {
        if !state.isAccounted { beginAccount(carriesID: true) }
        state.carriesID = true
    }

    /// Notes what the head of the response says, and adds the request's name to it unless the
    /// application has.
    @inline(never)
    func noteHead(
        _ framing: ResponseFraming, _ length: UInt64?,
        _ fields: UnsafeBufferPointer<HeaderField>, _ writer: inout ResponseWriter
    ) {
        state.bodyBytes = framing == .none ? 0 : length ?? 0
        guard state.carriesID else { return }
        for index in 0..<fields.count
        where unsafe fields[index].name.equalsIgnoringCase("x-request-id") {
            return
        }
        _ = writer.field("X-Request-ID", requestID)
    }
}

extension Loop {
    static var monotonicNanoseconds: UInt64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }

    /// Tells those who keep account what became of an exchange; false when it has to wait for one
    /// of them.
    @inline(never)
    func closeAccount(_ exchange: Exchange) -> Bool {
        if unsafe exchange.state.follower != nil {
            guard withApplication({ $0.over(exchange, exchange.account) }) else { return false }
            unsafe exchange.state.follower = nil
        }
        if state.limits.reportsExchanges { report(exchange) }
        return true
    }

    /// Tells the application what became of an exchange.
    private func report(_ exchange: Exchange) {
        let now = Loop.monotonicNanoseconds
        let account = exchange.account
        let report = unsafe ExchangeReport(
            exchange: exchange, reactorIndex: state.index,
            applicationState: state.crossing.pointee.applicationState,
            requestID: exchange.requestID,
            status: account.status, bodyBytes: account.bodyBytes, isCut: account.isCut,
            reachedApplication: exchange.state.owesEnded,
            remoteAddress: exchange.remoteAddress, remotePort: exchange.remotePort,
            endedNanoseconds: now,
            durationNanoseconds: account.durationNanoseconds)
        withApplication { $0.report(report) }
    }
}

extension Connection {
    /// Tells the application of a request that could not be read.
    func reportUnread(_ status: UInt16, bodyBytes: UInt64, requestID: String) {
        var requestID = requestID
        requestID.withUTF8 { text in
            let report = unsafe ExchangeReport(
                exchange: nil, reactorIndex: loop.state.index,
                applicationState: loop.state.crossing.pointee.applicationState,
                requestID: ByteSlice(UnsafeRawBufferPointer(text)),
                status: status, bodyBytes: bodyBytes, isCut: false, reachedApplication: false,
                remoteAddress: state.peer.text, remotePort: state.peer.port,
                endedNanoseconds: Loop.monotonicNanoseconds, durationNanoseconds: 0)
            loop.withApplication { $0.report(report) }
        }
    }
}
