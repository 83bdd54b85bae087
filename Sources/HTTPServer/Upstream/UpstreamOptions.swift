public import HTTPWire

/// The limits and timeouts of an upstream; every buffer and wait has one.
public struct UpstreamOptions: Sendable {
    /// How long a connection may wait to be let in when the backlog is full.
    public var connectTimeoutSeconds = 5.0
    /// How long the first byte of the response may take, from the last byte of the request on.
    public var firstByteTimeoutSeconds = 60.0
    /// How long the upstream may pause within a response, or leave a request unread.
    public var idleTimeoutSeconds = 60.0
    /// How long the body is kept back from an upstream that a client wants to hear `100 Continue`
    /// from.
    public var continueTimeoutSeconds = 1.0
    /// How long a connection is kept open between two requests. An upstream that names a shorter
    /// time with `Keep-Alive` gets that.
    public var idleKeptSeconds = 60.0
    /// How long neither side of a tunnel may send anything.
    public var tunnelIdleTimeoutSeconds = 3_600.0
    /// The most connections of one reactor to one endpoint.
    public var connectionsMax = 512
    /// The most of them that are kept while nothing is asked.
    public var idleConnectionsMax = 64
    /// How much of a request waits for the upstream before the client has to.
    public var outputHighWaterBytes = 64 << 10
    /// The most informational responses before the final one.
    public var interimMax = 16
    /// The bounds of heads, chunks and trailers.
    public var wire = WireLimits()

    /// Makes the default options.
    public init() {}
}

/// The options in the units of the loop.
struct UpstreamLimits {
    let connectTicks: UInt64
    let firstByteTicks: UInt64
    let idleTicks: UInt64
    let continueTicks: UInt64
    let idleKeptTicks: UInt64
    let tunnelTicks: UInt64
    let parser: ResponseParser

    init(_ options: UpstreamOptions) {
        func ticks(_ seconds: Double) -> UInt64 {
            max(1, UInt64(max(0, seconds) * 1000) / TimerWheel.tickMilliseconds)
        }
        connectTicks = ticks(options.connectTimeoutSeconds)
        firstByteTicks = ticks(options.firstByteTimeoutSeconds)
        idleTicks = ticks(options.idleTimeoutSeconds)
        continueTicks = ticks(options.continueTimeoutSeconds)
        idleKeptTicks = ticks(options.idleKeptSeconds)
        tunnelTicks = ticks(options.tunnelIdleTimeoutSeconds)
        parser = ResponseParser(limits: options.wire)
    }
}
