import CLinux
import HTTPWire
import Synchronization

/// The numbers that a request's way needs, worked out once.
struct LoopLimits {
    let idleTicks: UInt64
    let idleKeptTicks: UInt64
    let headTicks: UInt64
    let bodyTicks: UInt64
    let writeTicks: UInt64
    let lingerTicks: UInt64
    let lingerIdleTicks: UInt64
    let lingerHastyTicks: UInt64
    let bodyBytesPerSecondMin: Int
    let responseBytesPerSecondMin: Int
    let bufferBytesMax: Int
    let discardedBytesMax: Int
    let connectionsMax: Int
    let requestsPerConnectionMax: Int
    let pipelinedMax: Int
    let outputHighWaterBytes: Int
    let outputLowWaterBytes: Int
    let outputBytesMax: Int
    let turnBytesMax: Int
    let reportsExchanges: Bool
    let takesRelayed: Bool
    let wire: WireLimits

    init(_ configuration: ServerConfiguration) {
        func ticks(_ seconds: Double) -> UInt64 {
            max(1, UInt64(max(0, seconds) * 1000) / TimerWheel.tickMilliseconds)
        }
        idleTicks = ticks(configuration.idleTimeoutSeconds)
        idleKeptTicks = ticks(configuration.idleKeptSeconds)
        headTicks = ticks(configuration.headTimeoutSeconds)
        bodyTicks = ticks(configuration.bodyTimeoutSeconds)
        writeTicks = ticks(configuration.writeTimeoutSeconds)
        lingerTicks = ticks(configuration.lingerSeconds)
        lingerIdleTicks = ticks(configuration.lingerSeconds / 6)
        lingerHastyTicks = ticks(min(configuration.lingerSeconds, 2))
        bodyBytesPerSecondMin = configuration.bodyBytesPerSecondMin
        responseBytesPerSecondMin = configuration.responseBytesPerSecondMin
        bufferBytesMax = configuration.bufferBytesMax
        discardedBytesMax = configuration.discardedBytesMax
        connectionsMax = configuration.connectionsMax
        requestsPerConnectionMax =
            configuration.requestsPerConnectionMax == 0
            ? .max : configuration.requestsPerConnectionMax
        pipelinedMax = max(1, configuration.pipelinedMax)
        outputHighWaterBytes = configuration.outputHighWaterBytes
        outputLowWaterBytes = configuration.outputLowWaterBytes
        outputBytesMax = configuration.outputBytesMax
        turnBytesMax = configuration.turnBytesMax
        reportsExchanges = configuration.reportsExchanges
        takesRelayed = configuration.takesRelayed
        wire = configuration.wire
    }
}

/// The state of a reactor's loop.
@safe
struct LoopFields: ~Copyable {
    var poller: Poller
    let limits: LoopLimits
    let parser: RequestParser
    let application: Unmanaged<Application>
    /// Set right after the state has been made.
    var reactor: Unmanaged<Reactor>?
    /// Whose turn it is on the thread, and what is called.
    let crossing: UnsafeMutablePointer<Crossing>
    /// The length of the piece of a body that `.body` was called with.
    /// The WebSocket that code is being called for, instead.
    var callingSocket: Unmanaged<WebSocket>?
    var socketCallKind = SocketCallKind.open
    /// WebSockets that have lost their connection and have not been told so.
    var orphans: [WebSocket] = []
    var pieceCount = 0
    /// The connection that has its turn, or had the last one.
    var serving: Connection?
    /// Of the thread that runs the loop.
    var seat: Unmanaged<ReactorThread.Seat>?
    let index: Int
    let serverName: UnsafeRawBufferPointer

    var nowMilliseconds: UInt64
    /// The same in ticks; the wheel follows when the events have been taken.
    var tick: UInt64
    var wheel: TimerWheel
    var buffers = BufferPool()
    var compression = CompressionPool()
    var largeShares = LargeShares()
    /// Connections to upstreams, once there has been one, and when one of them is to be visited.
    var upstreams: UpstreamRoom?
    var upstreamDeadline = TimerWheel.never
    /// The status line for 200, `Date`, and `Server` if there is a name: the lines that nearly
    /// every response of this second begins with.
    var preamble: UnsafeMutablePointer<UInt8>
    var preambleCount = 0
    var preambleSecond: Int64 = -1

    /// The events of the current turn; kept here so that another thread could go on with them.
    var eventIndex = 0
    var eventCount = 0
    var leaves = false

    var listeners: UnsafeMutableBufferPointer<Int32>
    /// The listeners, by index, whose connections speak TLS, and what they show.
    var secureListeners: Set<Int> = []
    var certificates: TLSCertificates?
    let alarm: Int32
    /// The tick that the alarm is set to.
    var alarmTick = TimerWheel.never
    var isAccepting = false
    var acceptsAgainAt = UInt64.max
    /// Whether nothing is accepted because all connections are taken and none of them is idle.
    var waitsForRoom = false
    var reserveDescriptor: Int32

    var connectionCount = 0
    var freeConnections: Connection?
    var slabs: [UnsafeMutableRawPointer] = unsafe []
    var queueFirst: Connection?
    var queueLast: Connection?

    var exchangeCount = 0
    var freeExchanges: Exchange?
    var everyExchange: Exchange?
    var readyFirst: Exchange?
    var readyLast: Exchange?

    /// Whether no more clients are accepted, and each response is the last on its connection.
    var isLeaving = false
    var isDraining = false
    var hasEnded = false
    var drainDeadline = UInt64.max
}

/// A handle of a reactor's loop: everything that runs on its thread reaches the shared state
/// through it.
@safe
struct Loop {
    let address: UnsafeMutablePointer<LoopFields>

    init(_ address: UnsafeMutablePointer<LoopFields>) {
        unsafe self.address = address
    }

    @inline(__always)
    var state: LoopFields {
        unsafeAddress { unsafe UnsafePointer(address) }
        nonmutating unsafeMutableAddress { unsafe address }
    }

    /// Tells the time; called once a turn, so that a request costs no clock call.
    @inline(__always)
    func readClock() {
        let now = linux_monotonic_milliseconds()
        if now == state.nowMilliseconds { return }
        state.nowMilliseconds = now
        state.tick = now / TimerWheel.tickMilliseconds
        let second = linux_realtime_seconds()
        if second != state.preambleSecond { writePreamble(second) }
    }

    /// What every response of this second has behind its status line.
    var commonLines: ByteSlice {
        unsafe ByteSlice(
            state.preamble + Loop.okLineBytes, count: state.preambleCount - Loop.okLineBytes)
    }

    /// The length of the status line for 200, with which the preamble begins.
    static let okLineBytes = 17

    /// Writes the lines that responses of this second begin with.
    @inline(never)
    func writePreamble(_ second: Int64) {
        state.preambleSecond = second
        let name = unsafe ByteSlice(state.serverName)
        var writer = unsafe ResponseWriter(
            UnsafeMutableRawBufferPointer(start: state.preamble, count: Loop.preambleBytesMax))
        _ = writer.statusLine(200)
        _ = writer.date(secondsSinceEpoch: second)
        if !name.isEmpty { _ = writer.field("Server", name) }
        state.preambleCount = writer.count
    }

    /// The most bytes of the status line, `Date` and `Server`.
    static let preambleBytesMax = 256

    /// The application, without touching its reference count.
    @inline(__always)
    func withApplication<R>(_ body: (Application) -> R) -> R {
        unsafe state.application._withUnsafeGuaranteedRef { body($0) }
    }

    /// The reactor that owns this state, without touching its reference count.
    @inline(__always)
    func withReactor<R>(_ body: (Reactor) -> R) -> R {
        unsafe state.reactor.unsafelyUnwrapped._withUnsafeGuaranteedRef { body($0) }
    }
}
