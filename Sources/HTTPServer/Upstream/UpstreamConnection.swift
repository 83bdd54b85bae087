import CLinux
import Glibc
import HTTPWire
import Synchronization

/// One connection of a loop to an upstream, and the request that it has.
///
/// It lives as long as its loop and is used for one socket after another. Requests pass without an
/// allocation: the buffers are the loop's, and what is kept between two requests is the socket.
@safe
final class UpstreamConnection {
    enum Stage {
        /// There is no socket.
        case free
        /// The upstream's backlog is full; it is tried again.
        case connecting
        /// No request is under way.
        case idle
        /// The response's head is awaited.
        case waiting
        /// The response's body is passed on.
        case body
        /// Bytes pass in both directions.
        case tunnel
    }

    /// What is sent of the request's body.
    enum RequestBody {
        /// Nothing more.
        case ended
        /// As it comes.
        case plain
        /// In chunks.
        case chunked
    }

    unowned let room: UpstreamRoom
    let loop: Loop
    var stage = Stage.free
    var lane: UpstreamLane?
    var descriptor: Int32 = -1
    /// Counts the sockets; part of the poller's token, so that an event of an earlier one is
    /// dropped.
    var generation: UInt16 = 0
    var deadline = TimerWheel.never

    /// The request that is under way; its response is owed by this connection.
    var exchange: Exchange?
    var answersHEAD = false
    var asksForTunnel = false
    var requestBody = RequestBody.ended
    /// Whether the body is kept back until the upstream asks for it.
    var awaitsContinue = false
    /// Whether the same bytes may be sent once more if no answer has come.
    var isRepeatable = false
    var attempts = 0
    /// When the upstream must have let the connection in.
    var connectDeadline: UInt64 = 0
    /// How long it is kept after this request, in ticks.
    var keptTicks: UInt64 = 0

    var output: UnsafeMutablePointer<UInt8>?
    var outputCapacity = 0
    var outputStart = 0
    var outputEnd = 0
    /// The bytes of the request that the kernel has taken.
    var sentBytes = 0
    var isSendBlocked = false
    var awaitsWritable = false
    /// Whether the client waits until there is room in the output.
    var hasPausedClient = false
    /// Whether the upstream takes nothing more.
    var cannotSend = false
    /// Whether the write side is to be closed once all output is out.
    var finishesSending = false

    var input: UnsafeMutablePointer<UInt8>?
    var inputCapacity = 0
    var inputStart = 0
    var inputEnd = 0
    /// How much of a head that is still incomplete has been looked at.
    var scanned = 0
    var mayHaveInput = false
    /// Whether the end of the input is ahead or has been reached.
    var endIsAhead = false
    var hasEnded = false
    /// Whether the end was no orderly one.
    var wasReset = false
    /// Whether the client takes no more of the response for now.
    var isPaused = false
    var isReading = false
    /// The final head, while somebody looks at it before the client has it.
    var heldHead: ResponseHead?
    var interimCount = 0
    var framing = ResponseBodyFraming.none
    /// What is still to come of a body of known length.
    var remaining: UInt64 = 0
    var chunks: ChunkedDecoder
    /// Where the frames end that the upstream sends through a tunnel.
    var seam = FrameSeam()
    /// Whether the tunnel is to end because the server stops.
    var isLeaving = false
    /// Whether the upstream keeps the connection after this response.
    var keepsAlive = false

    init(_ room: UpstreamRoom) {
        self.room = room
        loop = room.loop
        unsafe output = nil
        unsafe input = nil
        chunks = ChunkedDecoder(limits: WireLimits())
    }

    var pendingOutput: Int { outputEnd &- outputStart }
    var availableInput: Int { inputEnd &- inputStart }
    var limits: UpstreamLimits? { lane?.pool.upstream.limits }

    /// The poller's token: the address, a tag and the generation.
    private var token: UInt64 {
        let address = unsafe UInt(bitPattern: Unmanaged.passUnretained(self).toOpaque())
        return UInt64(address) | Token.upstreamTag | UInt64(generation) << 48
    }

    /// What is handed to an exchange's observer.
    var context: UnsafeMutableRawPointer { unsafe Unmanaged.passUnretained(self).toOpaque() }

    static func of(_ context: UnsafeMutableRawPointer?) -> UpstreamConnection? {
        guard let context = unsafe context else { return nil }
        return unsafe Unmanaged<UpstreamConnection>.fromOpaque(context).takeUnretainedValue()
    }

    /// The connection that a token means, unless its socket has been closed since.
    static func of(token: UInt64) -> UpstreamConnection? {
        let address = UInt(token & 0x0000_FFFF_FFFF_FFF0)
        guard let connection = unsafe of(UnsafeMutableRawPointer(bitPattern: address)),
            connection.generation == UInt16(truncatingIfNeeded: token >> 48),
            connection.stage != .free
        else { return nil }
        return connection
    }

    // MARK: - The socket

    /// Connects to the lane's endpoint.
    ///
    /// - Returns: 0, or the `errno`; `EAGAIN` when the backlog is full.
    func connect() -> Int32 {
        guard let lane else { return EINVAL }
        if descriptor < 0 {
            let result = linux_unix_socket()
            guard result >= 0 else { return -result }
            descriptor = result
        }
        let result = unsafe linux_connect_unix(descriptor, lane.endpoint.address)
        guard result >= 0 else { return -result }
        lane.pool.upstream.connectionCount.add(1, ordering: .relaxed)
        awaitsWritable = false
        isSendBlocked = false
        cannotSend = false
        mayHaveInput = false
        endIsAhead = false
        hasEnded = false
        wasReset = false
        let added = loop.state.poller.add(
            descriptor, [.readable, .peerFinished, .onChange], token: token)
        return added < 0 ? -added : 0
    }

    /// Closes the socket and lets the slot be used again; whatever exchange it had is no longer
    /// its business.
    func close() {
        guard stage != .free else { return }
        if stage == .idle { lane?.idle.removeAll { $0 === self } } else { leaveLane() }
        if descriptor >= 0 { linux_close(descriptor) }
        descriptor = -1
        stage = .free
        generation &+= 1
        deadline = TimerWheel.never
        exchange = nil
        lane = nil
        giveBackOutput()
        giveBackInput()
        room.giveBack(self)
    }

    /// Counts the request out.
    func leaveLane() {
        guard let lane else { return }
        lane.busy -= 1
        lane.endpoint.inFlightCount.subtract(1, ordering: .relaxed)
    }

    func awaitWritable() {
        if awaitsWritable { return }
        awaitsWritable = true
        loop.state.poller.change(
            descriptor, [.readable, .writable, .peerFinished, .onChange], token: token)
    }

    /// Takes what the poller says about the socket.
    func handle(_ readiness: Poller.Readiness) {
        mayHaveInput = true
        if readiness != .readable {
            if !readiness.isDisjoint(with: [.failed, .hungUp, .peerFinished]) { endIsAhead = true }
            if readiness.contains(.writable) {
                isSendBlocked = false
                flush()
            }
        }
        if stage != .free { receive() }
    }

    // MARK: - Output

    /// Makes room for `count` bytes behind what waits to be sent, and returns where they go.
    func makeRoom(_ count: Int) -> UnsafeMutablePointer<UInt8> {
        let pending = pendingOutput
        if let output = unsafe output {
            if outputCapacity - outputEnd >= count { return unsafe output + outputEnd }
            if outputCapacity >= pending + count, !isRepeatable {
                unsafe memmove(output, output + outputStart, pending)
                outputStart = 0
                outputEnd = pending
                return unsafe output + pending
            }
        }
        let kept = isRepeatable ? 0 : outputStart
        let (base, capacity) = unsafe loop.state.buffers.lend(outputEnd - kept + count)
        let bytes = unsafe base.assumingMemoryBound(to: UInt8.self)
        if let output = unsafe output {
            unsafe memcpy(bytes, output + kept, outputEnd - kept)
            unsafe loop.state.buffers.giveBack(output, capacity: outputCapacity)
        }
        unsafe output = bytes
        outputCapacity = capacity
        outputStart -= kept
        outputEnd -= kept
        return unsafe bytes + outputEnd
    }

    func append(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress, bytes.count > 0 else { return }
        unsafe memcpy(makeRoom(bytes.count), base, bytes.count)
        outputEnd += bytes.count
    }

    func append(_ text: StaticString) {
        unsafe append(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// Sends what waits, as far as the upstream takes it.
    ///
    /// What may have to be sent again stays in the buffer until an answer begins.
    func flush() {
        while pendingOutput > 0, !isSendBlocked, !cannotSend, let output = unsafe output {
            let pending = pendingOutput
            let result = unsafe linux_send(descriptor, output + outputStart, pending, 0)
            if result > 0 {
                sentBytes += result
                outputStart += result
                if result < pending {
                    isSendBlocked = true
                    awaitWritable()
                }
            } else if -result == Int(EAGAIN) {
                isSendBlocked = true
                awaitWritable()
            } else if -result != Int(EINTR) {
                // It may have answered before it left; what it has said is read first.
                cannotSend = true
                mayHaveInput = true
            }
        }
        if pendingOutput == 0, !isRepeatable {
            outputStart = 0
            outputEnd = 0
        }
        if finishesSending, pendingOutput == 0, !cannotSend {
            finishesSending = false
            _ = linux_shutdown_write(descriptor)
        }
        if hasPausedClient, pendingOutput * 2 <= highWaterBytes || cannotSend {
            hasPausedClient = false
            exchange?.resumeBody()
        }
        setDeadline()
    }

    var highWaterBytes: Int { lane?.pool.upstream.options.outputHighWaterBytes ?? 0 }

    func giveBackOutput() {
        if let output = unsafe output {
            unsafe loop.state.buffers.giveBack(output, capacity: outputCapacity)
            unsafe self.output = nil
        }
        outputCapacity = 0
        outputStart = 0
        outputEnd = 0
    }

    func giveBackInput() {
        if let input = unsafe input {
            unsafe loop.state.buffers.giveBack(input, capacity: inputCapacity)
            unsafe self.input = nil
        }
        inputCapacity = 0
        inputStart = 0
        inputEnd = 0
        scanned = 0
    }

    // MARK: - Time

    /// Sets when it has waited long enough for what it waits for now.
    func setDeadline() {
        guard let limits else { return }
        let now = loop.state.tick
        let at: UInt64
        switch stage {
        case .free, .connecting, .idle: return
        case .waiting where heldHead != nil: at = TimerWheel.never
        case .waiting where awaitsContinue: at = now &+ limits.continueTicks
        case .waiting where pendingOutput > 0 && isSendBlocked: at = now &+ limits.idleTicks
        case .waiting:
            // While the client sends its body, the client's time runs.
            let isSent = requestBody == .ended || cannotSend
            at = isSent ? now &+ limits.firstByteTicks : TimerWheel.never
        case .body: at = isPaused ? TimerWheel.never : now &+ limits.idleTicks
        case .tunnel: at = now &+ limits.tunnelTicks
        }
        room.schedule(self, at: at)
    }

    /// Acts on a deadline that is over.
    func expire() {
        deadline = TimerWheel.never
        switch stage {
        case .free: return
        case .idle: close()
        case .connecting: connectAgain()
        case .waiting where awaitsContinue: goOnWithBody()
        case .waiting: fail(pendingOutput > 0 && isSendBlocked ? .idleTimeout : .firstByteTimeout)
        case .body, .tunnel: fail(.idleTimeout)
        }
    }
}
