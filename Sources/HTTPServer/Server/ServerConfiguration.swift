import Glibc
public import HTTPWire

/// The limits and timeouts of a server; every queue, buffer and wait has one.
public struct ServerConfiguration: Sendable {
    /// The number of reactors, each with a thread of its own.
    public var reactorCount = max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
    /// How long application code may keep a reactor before the reactor goes on with another thread;
    /// 0: as long as it likes.
    ///
    /// - Source: `Exchange.beginCall`.
    public var inlineBudgetMilliseconds = 10
    /// How long a connection may stay open between two requests.
    public var idleTimeoutSeconds = 75.0
    /// How long a request's head may take from its first byte, or from the connection's start, to
    /// its last.
    public var headTimeoutSeconds = 15.0
    /// How long a client may pause within a request body that the server waits for.
    public var bodyTimeoutSeconds = 30.0
    /// How many bytes a second win back the time that a client has paused within a body; one that
    /// stays below uses that time up, however it spreads its bytes. With 0 any byte wins all of it
    /// back.
    public var bodyBytesPerSecondMin = 240
    /// How long a client may leave a response unread.
    public var writeTimeoutSeconds = 30.0
    /// How many bytes a second a client must take of a response that waits for it, on the average
    /// of `writeTimeoutSeconds`; with 0 any byte will do.
    public var responseBytesPerSecondMin = 240
    /// How long a client may go on sending after the last response, which it would lose to a reset;
    /// it may pause for a sixth of that.
    public var lingerSeconds = 30.0
    /// The largest body that is collected when an application names no limit of its own.
    public var bodyBytesMax = 1 << 20
    /// The most memory that the buffers of one reactor take. Beyond it a request whose body is
    /// collected is answered with 503.
    public var bufferBytesMax = 512 << 20
    /// How much of a request body is read and dropped after the response, so that the connection
    /// can go on.
    public var discardedBytesMax = 64 << 10
    /// How long a connection may be idle before it is closed when others need its place.
    public var idleKeptSeconds = 1.0
    /// The most connections of one reactor. When a further client comes, those that have been idle
    /// for longest are closed; where there is none, it waits in the listener's backlog.
    public var connectionsMax = 65_536
    /// The most requests on one connection, 0 for no limit.
    public var requestsPerConnectionMax = 0
    /// The most pipelined requests that are answered before other connections have their turn.
    public var pipelinedMax = 64
    /// The unsent output from which on a writer is told to wait.
    public var outputHighWaterBytes = 256 << 10
    /// The unsent output below which a waiting writer is woken.
    public var outputLowWaterBytes = 64 << 10
    /// The unsent output beyond which writes are refused although the writer has been told to wait.
    public var outputBytesMax = 16 << 20
    /// The most bytes that one connection sends before other connections have their turn.
    public var turnBytesMax = 1 << 20
    /// The most bytes of responses that wait for one reactor after other threads have given them;
    /// beyond it those threads wait.
    public var remoteBytesMax = 64 << 20
    /// The most closures that wait for one reactor.
    public var postedMax = 16_384
    /// The clients that may wait in a listener's backlog.
    public var backlogMax = 4_096
    /// The bounds of heads, chunks and trailers.
    public var wire = WireLimits()
    /// Whether `Application.report` is called for every exchange, as an access log needs it; every
    /// response has `X-Request-ID` then.
    public var reportsExchanges = false
    /// Whether every request comes from another server of this kind, which says at the end of its
    /// head whom it has it from; see `Exchange.writeRelay`.
    public var takesRelayed = false
    /// The value of the `Server` field; none is sent when it is empty.
    public var serverName = "PluginHost"

    /// Makes the default configuration.
    public init() {}
}
