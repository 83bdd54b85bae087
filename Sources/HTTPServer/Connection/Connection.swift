import CLinux
import HTTPWire

/// What a connection is doing.
enum Phase: UInt8 {
    /// Waiting for a request's head, or in the middle of one.
    case head
    /// Collecting the body of a buffered exchange.
    case collecting
    /// Handing the body of a streamed exchange to its observer.
    case streaming
    /// Waiting for the application to complete the response; nothing more is read.
    case waiting
    /// Dropping what is left of a request body whose response is complete.
    case discarding
    /// The last response is on its way out; nothing more is read.
    case finishing
    /// The last response is out; what the client still sends is dropped, so that no reset destroys
    /// what it reads.
    case lingering
    /// A WebSocket has the connection.
    case socket
    /// What comes goes to the exchange's observer as it is, and what the exchange writes goes out.
    case tunnel
    /// The slot is free.
    case closed
}

/// The state of one connection: small, because an idle connection consists of nothing else.
///
/// What every request reads or writes stands first and takes four lines of the cache; with the
/// peer's endpoint, which plugins are shown, it is five. With thousands of connections that is what
/// a request has to fetch from memory.
@safe
struct ConnectionFields {
    let loop: Loop
    /// What speaks TLS on the socket; nil where nothing does.
    var tls: OpaquePointer?
    var descriptor: Int32 = -1
    var phase = Phase.closed
    /// Whether the poller has been asked to tell when the socket takes output again.
    var awaitsWritable = false
    /// Whether a read may yield something; the poller tells only what changes.
    var mayHaveInput = false
    /// Whether the end of the input has been reported; it is found by reading on.
    var endIsAhead = false
    /// Counts the uses of the slot; part of the poller's token, so that an event of an earlier use
    /// is dropped.
    var generation: UInt16 = 0

    var isInService = false
    /// Whether the connection waits in the loop's list for its next turn.
    var isQueued = false
    /// Whether its deadline was over when the wheel came by; its next turn begins with that.
    var isDue = false
    var peerHasFinished = false
    var isBroken = false
    var closesAfterOutput = false
    var resetsOnClose = false
    /// Whether the client may still be sending when the connection is closed.
    var lingers = false
    var isStalledByOutput = false
    var isSendBlocked = false
    var owesContinue = false
    /// Whether the observer of a tunnel knows that the client sends nothing more.
    var hasToldEnd = false
    var bodyIsChunked = false
    /// Whether the kernel takes large responses of this connection as a whole.
    var hasLargeShare = false

    var exchange: Exchange?
    /// The WebSocket that the connection is, or is about to become.
    var socket: WebSocket?

    var input: UnsafeMutablePointer<UInt8>?
    var inputCapacity = 0
    var inputStart = 0
    var inputEnd = 0
    /// Bytes before this offset belong to the head of the current exchange and stay where they are.
    var pinnedEnd = 0
    /// How much of a head that is still incomplete has been looked at.
    var scanned = 0
    /// The payload bytes of the request body that are still to come, when its length is known.
    var bodyRemaining: UInt64 = 0

    var output: UnsafeMutablePointer<UInt8>?
    var outputCapacity = 0
    var outputStart = 0
    var outputEnd = 0
    /// Everything that has been sent, and how much that was when the loop gave this connection its
    /// turn.
    var sentBytes = 0
    var turnStart = 0
    var files: FileTransfer?

    /// When the client must have sent the rest of a head, or have taken more output; 0 when that is
    /// not awaited. While the connection lingers, the first one ends that.
    var headDeadline: UInt64 = 0
    var writeDeadline: UInt64 = 0
    /// When the response must have begun; 0 while that is not waited for.
    var answerDeadline: UInt64 = 0
    var deadline = TimerWheel.never
    var linkedTick = TimerWheel.unlinked
    var requestCount = 0

    // From here on: what few requests touch, and the peer in a line of its own.

    var timerNext: Connection?
    var timerPrevious: Connection?
    /// The next in the loop's list of free slots, or of connections that wait for a turn.
    var queueNext: Connection?
    /// Which one it is of those that its loop has had, from 1 on.
    var number: UInt32 = 0
    /// Bytes of a body, in ticks' worth of the least rate, that have not won any time yet.
    var bodyBytesUncounted: Int32 = 0
    var bodyDeadline: UInt64 = 0
    var peer = PeerAddress()
    /// The bytes of a body that have been dropped.
    var discarded: Int32 = 0
    /// What the client had taken when its time to take more began.
    var takenBytesMark = 0
    var chunks: ChunkedDecoder

    init(loop: Loop, limits: WireLimits) {
        self.loop = loop
        unsafe input = nil
        unsafe output = nil
        unsafe tls = nil
        chunks = ChunkedDecoder(limits: limits)
    }
}

/// A peer's numeric address as text, kept where it is used: no allocation, and no system call to
/// ask for it.
struct PeerAddress {
    /// The address with its port, written when it is first asked for.
    var endpoint: InlineArray<56, UInt8> = .init(repeating: 0)
    /// 0 until it has been written.
    var endpointCount: UInt8 = 0
    var count: UInt8 = 0
    var port: UInt16 = 0
    var characters: InlineArray<48, CChar> = .init(repeating: 0)

    /// The text; valid as long as this value stays where it is.
    var text: ByteSlice {
        mutating get {
            let count = Int(count)
            return unsafe withUnsafeBytes(of: &characters) {
                unsafe ByteSlice(UnsafeRawBufferPointer(rebasing: $0.prefix(count)))
            }
        }
    }

    /// Accepts a socket and fills in its peer.
    mutating func accept(from listener: Int32) -> Int32 {
        unsafe withUnsafeMutableBytes(of: &characters) {
            guard let text = unsafe $0.baseAddress?.assumingMemoryBound(to: CChar.self) else {
                return -1
            }
            endpointCount = 0
            return unsafe linux_accept(listener, text, &count, &port)
        }
    }

    /// Fills in the peer of a connected socket.
    mutating func ask(_ descriptor: Int32) {
        unsafe withUnsafeMutableBytes(of: &characters) {
            guard let text = unsafe $0.baseAddress?.assumingMemoryBound(to: CChar.self) else {
                return
            }
            endpointCount = 0
            _ = unsafe linux_peer_address(descriptor, text, &count, &port)
        }
    }
}

/// A handle of one connection's state, which never moves.
///
/// A connection belongs to one loop for life and is touched by no other thread. Nothing in it is
/// reference-counted, so a request passes without a retain or an allocation.
@safe
struct Connection: Equatable {
    let address: UnsafeMutablePointer<ConnectionFields>

    init(_ address: UnsafeMutablePointer<ConnectionFields>) {
        unsafe self.address = address
    }

    static func == (left: Connection, right: Connection) -> Bool {
        unsafe left.address == right.address
    }

    @inline(__always)
    var state: ConnectionFields {
        unsafeAddress { unsafe UnsafePointer(address) }
        nonmutating unsafeMutableAddress { unsafe address }
    }

    @inline(__always)
    var loop: Loop { state.loop }

    /// The poller's token: the slot's address and, in the 16 bits that addresses leave free, its
    /// generation.
    var token: UInt64 {
        unsafe UInt64(UInt(bitPattern: address)) | UInt64(state.generation) << 48
    }

    /// The connection that a token means, unless its slot has been given up since.
    @inline(__always)
    init?(token: UInt64) {
        guard
            let address = unsafe UnsafeMutablePointer<ConnectionFields>(
                bitPattern: UInt(token & 0x0000_FFFF_FFFF_FFFF))
        else { return nil }
        guard unsafe address.pointee.generation == UInt16(truncatingIfNeeded: token >> 48),
            unsafe address.pointee.phase != .closed
        else { return nil }
        unsafe self.address = address
    }

    /// What has been sent since the loop gave this connection its turn.
    @inline(__always)
    var turnBytes: Int { state.sentBytes &- state.turnStart }

    @inline(__always)
    var pendingOutput: Int { state.outputEnd &- state.outputStart }

    @inline(__always)
    var availableInput: Int { state.inputEnd &- state.inputStart }

    /// Asks the poller to tell when the socket takes output again; it keeps telling from then on.
    @inline(never)
    func awaitWritable() {
        if state.awaitsWritable { return }
        state.awaitsWritable = true
        loop.state.poller.change(
            state.descriptor, [.readable, .writable, .peerFinished, .onChange], token: token)
    }
}
