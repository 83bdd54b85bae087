public import HTTPWire
import Synchronization

/// How the end of a response's body is marked.
enum ResponseFraming: UInt8 {
    /// There is none: HEAD, 204, 205, 304.
    case none
    case length
    case chunked
    /// By the end of the connection, for HTTP/1.0.
    case close
}

/// How far the application has come with its response.
enum ResponseProgress: UInt8 {
    case none, begun, complete
}

/// The state of one exchange: pooled, never freed while its server lives, at a fixed address.
@usableFromInline
@safe
struct ExchangeFields {
    /// Stands first, so that its address is the handle's.
    @usableFromInline var head = RequestHead()
    @usableFromInline var path = ByteSlice()
    @usableFromInline var body: UnsafeRawBufferPointer
    @usableFromInline let fields: UnsafeMutableBufferPointer<HeaderField>
    @usableFromInline let applicationStorage: UnsafeMutableRawPointer
    /// Whose turn it is on the loop's thread; the loop's own, at hand.
    @usableFromInline let crossing: UnsafeMutablePointer<Crossing>
    /// The index of the loop's reactor, at hand.
    @usableFromInline let reactorIndex: Int
    let loop: Loop

    var connection: Connection?
    /// Counts the uses of the storage, so that what comes too late from another thread is dropped.
    var generation: UInt32 = 0
    /// The use whose observer is to be told that the application waits for its end; another one
    /// than `generation` when nobody is.
    var drainingGeneration: UInt32 = .max
    // Those that each request sets stand together, so that they are cleared by two stores.
    var isInUse = false
    /// Whether `handle` has been called, and so `ended` waits for the application.
    var isHandled = false
    var owesEnded = false
    var isReady = false
    var response = ResponseProgress.none
    var framing = ResponseFraming.none
    var isCut = false
    var isPaused = false
    var waitsForWritable = false
    /// The status that was given; 0 for none.
    @usableFromInline var status: UInt16 = 0
    var keepsAlive = false
    /// Whether the head of the response and the end of the exchange are looked at.
    var isAccounted = false
    /// Whether the response's head says `X-Request-ID`; only looked at while accounted.
    var carriesID = false
    /// Whether `Application.resumed` is to be called.
    var isResuming = false
    /// Whether the body was told to go on since the last piece.
    var isResumed = false
    /// Whether another thread runs code for the exchange.
    var isHeld = false
    /// Why the client is gone, when the observer could not be told because the exchange is held.
    var unheardReason: CloseReason?
    /// What `follow` was given.
    var follower: UnsafeMutableRawPointer?
    /// What the account of the exchange wants, where one is kept: how much of the body was given,
    /// and when the head was there.
    var bodyBytes: UInt64 = 0
    var beganNanoseconds: UInt64 = 0
    var identity = ExchangeIdentity()
    var responseRemaining: UInt64 = 0
    var reserved = 0
    var observer = unsafe ExchangeObserver()

    /// The input buffer with the head, once the connection has given it up.
    var heldInput: UnsafeMutableRawPointer?
    var heldInputCapacity = 0
    /// The buffer that a call on another thread reads a piece of the body from.
    var lentInput: UnsafeMutableRawPointer?
    var lentInputCapacity = 0
    /// The buffer with the path in normal form, when that differs from what came.
    var pathBuffer: UnsafeMutableRawPointer?
    var pathBufferCapacity = 0
    var bodyBuffer: UnsafeMutableRawPointer?
    var bodyCapacity = 0
    var bodyCount = 0
    var bodyMax = 0
    /// A block with the number of the request's trailers, the trailers and their text.
    var trailers: UnsafeMutableRawPointer?
    /// The peer's address, once the connection is gone.
    var peer = PeerAddress()

    var next: Exchange?
    var nextOfAll: Exchange?

    /// What of `remote.bytes` is in the connection's output.
    var remoteBytesHeld = 0
    let remote: UnsafeMutablePointer<RemoteCounters>

    init(
        loop: Loop, fields: UnsafeMutableBufferPointer<HeaderField>,
        applicationStorage: UnsafeMutableRawPointer, remote: UnsafeMutablePointer<RemoteCounters>
    ) {
        self.loop = loop
        unsafe crossing = loop.state.crossing
        reactorIndex = loop.state.index
        unsafe self.fields = fields
        unsafe self.applicationStorage = applicationStorage
        unsafe self.remote = remote
        unsafe body = UnsafeRawBufferPointer(start: nil, count: 0)
        unsafe heldInput = nil
        unsafe lentInput = nil
        unsafe pathBuffer = nil
        unsafe bodyBuffer = nil
        unsafe trailers = nil
        unsafe follower = nil
    }
}

/// What other threads and the loop both count.
struct RemoteCounters: ~Copyable {
    /// The bytes that other threads have written and the connection has not sent yet.
    let bytes = Atomic<Int>(0)
    /// Whether a writer was told `.full` and has not been woken since.
    let waits = Atomic<Bool>(false)
    let isClosed = Atomic<Bool>(false)
    /// Which of the exchange's names have been made, by whatever thread asked first.
    let namesMade = ExchangeIdentity.Made()
    /// Whether another thread has a handle of the exchange.
    let isInUse = Atomic<Bool>(false)
}

extension ExchangeFields {
    static let applicationStorageBytes = 576

    /// Makes storage for an exchange: the state, the application's bytes and the fields in one
    /// piece.
    static func make(loop: Loop, fieldCountMax: Int) -> Exchange {
        func rounded(_ count: Int) -> Int { (count + 63) & ~63 }
        let stateBytes = rounded(MemoryLayout<ExchangeFields>.size)
        let remoteBytes = rounded(MemoryLayout<RemoteCounters>.size)
        let base = UnsafeMutableRawPointer.allocate(
            byteCount: stateBytes + remoteBytes + applicationStorageBytes
                + fieldCountMax * MemoryLayout<HeaderField>.stride,
            alignment: 64)
        let remote = unsafe (base + stateBytes).bindMemory(to: RemoteCounters.self, capacity: 1)
        unsafe remote.initialize(to: RemoteCounters())
        let storage = unsafe base + stateBytes + remoteBytes
        let fields = unsafe (storage + applicationStorageBytes).bindMemory(
            to: HeaderField.self, capacity: fieldCountMax)
        unsafe fields.initialize(repeating: HeaderField(), count: fieldCountMax)
        let state = unsafe base.bindMemory(to: ExchangeFields.self, capacity: 1)
        unsafe state.initialize(
            to: ExchangeFields(
                loop: loop,
                fields: UnsafeMutableBufferPointer(start: fields, count: fieldCountMax),
                applicationStorage: storage, remote: remote))
        return unsafe Exchange(state)
    }
}

extension Exchange {
    /// Frees the storage, with whatever it has lent.
    func releaseStorage() {
        reset()
        unsafe state.remote.deinitialize(count: 1)
        unsafe address.deinitialize(count: 1)
        unsafe UnsafeMutableRawPointer(address).deallocate()
    }
}
