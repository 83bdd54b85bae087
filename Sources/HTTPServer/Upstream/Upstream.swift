public import HTTPWire
import Synchronization

/// Where requests can be forwarded to: one or more Unix sockets that speak HTTP/1.1 and of which
/// each does as well as the other.
///
/// Every reactor has connections of its own, which live in its loop: a request that is forwarded
/// changes no thread. Endpoints may come and go on any thread; a request goes to the one that has
/// the fewest of this reactor's requests.
public final class Upstream: Sendable {
    /// A Unix socket of an upstream.
    public final class Endpoint: Sendable {
        /// The path of the socket.
        public let address: String
        let inFlightCount = Atomic<Int>(0)
        let requestCount = Atomic<Int>(0)

        init(address: String) { self.address = address }

        /// Requests that have not been answered to the end.
        public var inFlight: Int { inFlightCount.load(ordering: .relaxed) }
        /// All requests that were sent there.
        public var requests: Int { requestCount.load(ordering: .relaxed) }
    }

    /// Why the host had to answer in the upstream's stead, or could not go on.
    public enum Fault: Sendable, Equatable {
        /// There is no endpoint.
        case absent
        /// All connections are taken.
        case busy
        /// The socket cannot be connected to, for this `errno`.
        case unreachable(Int32)
        /// The connection was closed or reset before the response was complete.
        case gone
        /// What came is no response.
        case malformed(WireError.Code)
        /// A response that was not asked for, or one that the client may not be shown.
        case refused
        /// It took too long to let the connection in.
        case connectTimeout
        /// No byte of a response came in time.
        case firstByteTimeout
        /// It paused for too long within a response, or left the request unread.
        case idleTimeout
    }

    /// What an upstream has come to.
    public struct Figures: Sendable, Equatable {
        /// Requests that were forwarded.
        public var requests = 0
        /// Connections that were made.
        public var connections = 0
        /// Requests that were sent a second time because the first connection was gone.
        public var retries = 0
        /// Requests that the host answered, or cut, in the upstream's stead.
        public var faults = 0
    }

    /// What the clients are told it is, such as `plugin "notes"`.
    public let name: String
    /// Its limits.
    public let options: UpstreamOptions
    let limits: UpstreamLimits
    private let onFault: @Sendable (Fault) -> Void
    private let endpointList = Mutex<[Endpoint]>([])
    /// Changes when the endpoints do, so that reactors need not ask for them each time.
    let version = Atomic<Int>(0)
    let isClosed = Atomic<Bool>(false)
    let requestCount = Atomic<Int>(0)
    let connectionCount = Atomic<Int>(0)
    let retryCount = Atomic<Int>(0)
    let faultCount = Atomic<Int>(0)

    /// Makes an upstream without endpoints.
    ///
    /// - Parameter onFault: called on a reactor's thread for each request that the upstream failed.
    public init(
        name: String, options: UpstreamOptions = UpstreamOptions(),
        onFault: @escaping @Sendable (Fault) -> Void = { _ in }
    ) {
        self.name = name
        self.options = options
        limits = UpstreamLimits(options)
        self.onFault = onFault
    }

    /// Adds an endpoint; requests go there from now on.
    ///
    /// - Shape: a path of at most 107 bytes.
    @discardableResult
    public func add(address: String) -> Endpoint {
        let endpoint = Endpoint(address: address)
        endpointList.withLock { $0.append(endpoint) }
        version.add(1, ordering: .releasing)
        return endpoint
    }

    /// Takes an endpoint out: requests that are under way there end there, others no longer come.
    public func remove(_ endpoint: Endpoint) {
        endpointList.withLock { $0.removeAll { $0 === endpoint } }
        version.add(1, ordering: .releasing)
    }

    /// Takes all endpoints out for good; the reactors forget about it in time.
    public func close() {
        endpointList.withLock { $0 = [] }
        isClosed.store(true, ordering: .relaxed)
        version.add(1, ordering: .releasing)
    }

    /// The endpoints that requests go to.
    public var endpoints: [Endpoint] { endpointList.withLock { $0 } }

    /// What it has come to so far.
    public var figures: Figures {
        Figures(
            requests: requestCount.load(ordering: .relaxed),
            connections: connectionCount.load(ordering: .relaxed),
            retries: retryCount.load(ordering: .relaxed),
            faults: faultCount.load(ordering: .relaxed))
    }

    func note(_ fault: Fault) {
        faultCount.add(1, ordering: .relaxed)
        onFault(fault)
    }
}

extension Upstream.Fault {
    /// What the client is answered if nothing has been sent yet.
    ///
    /// - Source: RFC 9110, sections 15.6.3 to 15.6.5.
    var status: UInt16 {
        switch self {
        case .absent, .busy: 503
        case .connectTimeout, .firstByteTimeout, .idleTimeout: 504
        case .unreachable, .gone, .malformed, .refused: 502
        }
    }

    /// What happened, for a client: nothing of what the upstream has sent is in it.
    func detail(_ name: String) -> String {
        switch self {
        case .absent: "There is no process of \(name) that could answer; try again soon."
        case .busy: "All connections to \(name) are taken; try again soon."
        case .unreachable: "The process of \(name) could not be reached."
        case .gone: "The process of \(name) ended the connection before it had answered."
        case .malformed, .refused: "The process of \(name) gave an answer that is no valid HTTP."
        case .connectTimeout: "The process of \(name) took no more connections in time."
        case .firstByteTimeout: "The process of \(name) did not answer in time."
        case .idleTimeout: "The process of \(name) paused for too long."
        }
    }
}
