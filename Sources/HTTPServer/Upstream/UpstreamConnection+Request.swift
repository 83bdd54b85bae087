import Glibc
public import HTTPWire
import Synchronization

/// How a request is passed on to an upstream.
@safe
public struct ForwardedRequest {
    /// The path that the upstream is asked for, decoded and in normal form; escaped as it must be
    /// when it is sent. The query is the client's.
    public var path: ByteSlice
    /// Fields that the request gets; those of the client with the same names are left out, however
    /// it writes them.
    public var fields: UnsafeBufferPointer<HeaderField>
    /// Whether the connection may become a tunnel for a WebSocket if the client asks for that.
    public var allowsWebSocket = true
    /// Whether the upstream may read fields as variables, in which `_` stands for a hyphen.
    ///
    /// Then the client's `X_Own` is left out where the request gets `X-Own`, and so are
    /// `Content_Length` and `Transfer_Encoding`.
    ///
    /// - Source: RFC 3875, section 4.1.18.
    public var readsUnderscoresAsHyphens = false

    /// Describes how a request is passed on.
    public init(path: ByteSlice, fields: UnsafeBufferPointer<HeaderField>) {
        self.path = path
        unsafe self.fields = unsafe fields
    }
}

extension Exchange {
    /// Passes the request on to an upstream and its response to the client; within
    /// `Application.handle`, or later on the reactor's thread as long as the response is owed.
    ///
    /// From here on the exchange is the upstream's: it is completed whatever happens, with an error
    /// of the server's own if need be, and `Application.ended` follows. A body that the application
    /// streams goes on with back-pressure, one that it has collected is sent as it is. What both
    /// sides say about their connection stays behind. A request is sent a second time, on another
    /// connection, if the first one was gone before it had taken a byte; and if it had, but had not
    /// answered, where the method is idempotent and there is no body.
    ///
    /// Nothing of `request` is needed after the call.
    public func forward(_ request: ForwardedRequest, to upstream: Upstream) {
        let room = state.loop.upstreams
        let pool = room.pool(of: upstream)
        upstream.requestCount.add(1, ordering: .relaxed)
        guard let lane = pool.lane() else { return Self.refuse(self, .absent, upstream) }
        guard let connection = lane.take(room) else { return Self.refuse(self, .busy, upstream) }
        connection.begin(self, request)
    }

    /// Answers in an upstream's stead; what has been begun is cut.
    static func refuse(_ exchange: Exchange, _ fault: Upstream.Fault, _ upstream: Upstream) {
        upstream.note(fault)
        unsafe exchange.state.observer = ExchangeObserver()
        guard !exchange.hasBegun else { return exchange.abort() }
        var body = ProblemDocument.json(
            status: fault.status, detail: fault.detail(upstream.name), about: exchange)
        var fields = [
            HeaderField(
                name: ByteSlice("Content-Type"), value: ByteSlice("application/problem+json"))
        ]
        if fault.status == 503 {
            fields.append(HeaderField(name: ByteSlice("Retry-After"), value: ByteSlice("1")))
        }
        unsafe fields.withUnsafeBufferPointer { fields in
            body.withUTF8 { text in
                _ = unsafe exchange.respond(
                    status: fault.status, fields: fields, body: UnsafeRawBufferPointer(text))
            }
        }
    }
}

extension UpstreamLane {
    /// A connection for a request: one that is kept, or one that has yet to be made; nil when there
    /// are enough.
    func take(_ room: UpstreamRoom) -> UpstreamConnection? {
        guard let kept = idle.popLast() else { return takeFresh(room) }
        countIn()
        return kept
    }

    /// A connection that has yet to be made; nil when there are enough.
    func takeFresh(_ room: UpstreamRoom) -> UpstreamConnection? {
        guard busy < pool.upstream.options.connectionsMax else { return nil }
        let connection = room.take()
        connection.lane = self
        countIn()
        return connection
    }

    private func countIn() {
        busy += 1
        endpoint.inFlightCount.add(1, ordering: .relaxed)
        endpoint.requestCount.add(1, ordering: .relaxed)
    }
}

extension UpstreamConnection {
    /// Starts to forward a request.
    func begin(_ exchange: Exchange, _ request: ForwardedRequest) {
        guard let lane else { return }
        reset()
        attempts = 0
        self.exchange = exchange
        let head = exchange.head
        let connection = exchange.state.connection
        let isStreamed = connection?.state.phase == .streaming
        answersHEAD = head.method == .head
        asksForTunnel = request.allowsWebSocket && Self.asksForWebSocket(exchange)
        let hasBody = unsafe isStreamed ? connection?.hasBodyLeft == true : exchange.body.count > 0
        let isIdempotent =
            switch head.method {
            case .get, .head, .options, .trace, .put, .delete: true
            default: false
            }
        isRepeatable = isIdempotent && !hasBody
        chunks = ChunkedDecoder(limits: lane.pool.upstream.options.wire)
        guard writeHead(exchange, request, isStreamed: isStreamed, hasBody: hasBody) else {
            return drop(.refused)
        }
        if !isStreamed, hasBody {
            unsafe append(exchange.body)
            requestBody = .ended
        }
        var observer = unsafe ExchangeObserver(context: context)
        unsafe observer.onWritable = { unsafe UpstreamConnection.of($0)?.clientHasRoom() }
        unsafe observer.onClosed = { context, _ in
            unsafe UpstreamConnection.of(context)?.clientLeft()
        }
        if isStreamed, !awaitsContinue {
            unsafe observer.onBody = UpstreamConnection.takeBody
        }
        exchange.observe(observer)
        stage = .waiting
        if descriptor < 0 { return open() }
        // With a body to come, head and first piece go together.
        if requestBody == .ended || awaitsContinue { flush() } else { setDeadline() }
        if cannotSend { receive() }
    }

    private func reset() {
        requestBody = .ended
        awaitsContinue = false
        isRepeatable = false
        sentBytes = 0
        hasPausedClient = false
        finishesSending = false
        scanned = 0
        isPaused = false
        heldHead = nil
        interimCount = 0
        framing = .none
        remaining = 0
        seam = FrameSeam()
        isLeaving = false
        keepsAlive = false
        keptTicks = limits?.idleKeptTicks ?? 0
        connectDeadline = 0
    }

    /// Connects, and sends what waits; tries another endpoint if this one is not there.
    private func open() {
        let failure = connect()
        switch failure {
        case 0:
            stage = .waiting
            if requestBody == .ended || awaitsContinue || attempts > 0 {
                flush()
            } else {
                setDeadline()
            }
            if cannotSend { receive() }
        case EAGAIN:
            stage = .connecting
            let now = loop.state.tick
            if connectDeadline == 0 { connectDeadline = now &+ (limits?.connectTicks ?? 1) }
            guard now < connectDeadline else { return drop(.connectTimeout) }
            room.schedule(self, at: now &+ 1)
        default:
            if attempts == 0, let lane, lane.pool.lane(otherThan: lane) !== lane,
                sendAgain(otherThan: lane)
            {
                return
            }
            drop(.unreachable(failure))
        }
    }

    func connectAgain() { open() }

    /// Hands the request to another connection, which sends all of it once more; false when there
    /// is none.
    func sendAgain(otherThan lane: UpstreamLane?) -> Bool {
        guard attempts == 0, let exchange, let pool = self.lane?.pool,
            let next = pool.lane(otherThan: lane), let fresh = next.takeFresh(room)
        else { return false }
        pool.upstream.retryCount.add(1, ordering: .relaxed)
        fresh.reset()
        fresh.attempts = attempts + 1
        fresh.exchange = exchange
        fresh.answersHEAD = answersHEAD
        fresh.asksForTunnel = asksForTunnel
        fresh.requestBody = requestBody
        fresh.awaitsContinue = awaitsContinue
        fresh.isRepeatable = isRepeatable
        fresh.chunks = ChunkedDecoder(limits: pool.upstream.options.wire)
        unsafe fresh.output = unsafe output
        fresh.outputCapacity = outputCapacity
        fresh.outputEnd = outputEnd
        fresh.hasPausedClient = hasPausedClient
        unsafe output = nil
        outputCapacity = 0
        unsafe exchange.state.observer.context = fresh.context
        fresh.stage = .waiting
        close()
        fresh.open()
        return true
    }

    /// Whether nothing is lost if the request goes to another connection.
    var canSendAgain: Bool {
        attempts == 0 && interimCount == 0 && availableInput == 0
            && (isRepeatable || sentBytes == 0 && outputStart == 0)
    }

    // MARK: - The head

    private static func asksForWebSocket(_ exchange: Exchange) -> Bool {
        guard exchange.head.wantsUpgrade, exchange.head.method == .get,
            exchange.head.framing == .none
        else { return false }
        return exchange.firstValue(named: "upgrade")?.equalsIgnoringCase("websocket") == true
    }

    /// Writes request line and fields; false when they cannot be said.
    private func writeHead(
        _ exchange: Exchange, _ request: ForwardedRequest, isStreamed: Bool, hasBody: Bool
    ) -> Bool {
        let head = exchange.head
        let fields = unsafe exchange.fields
        var needed =
            UpstreamConnection.ownFieldBytesMax + head.methodName.count + 3 * request.path.count
            + head.query.count + head.host.count
        for index in 0..<fields.count {
            needed &+= unsafe fields[index].name.count &+ fields[index].value.count &+ 4
        }
        let own = unsafe request.fields
        for index in 0..<own.count {
            needed &+= unsafe own[index].name.count &+ own[index].value.count &+ 4
        }
        let start = unsafe makeRoom(needed)
        var writer = unsafe ResponseWriter(
            UnsafeMutableRawBufferPointer(start: start, count: needed))
        _ = writer.verbatim(head.methodName)
        _ = writer.verbatim(ByteSlice(" "))
        let pathCount = unsafe Self.escape(request.path, to: start + writer.count)
        writer.skip(pathCount)
        if head.hasQuery {
            _ = writer.verbatim(ByteSlice("?"))
            _ = writer.verbatim(head.query)
        }
        _ = writer.verbatim(ByteSlice(" HTTP/1.1\r\n"))
        // A client of HTTP/1.0 need not have said one; HTTP/1.1 wants one.
        let host = head.host.isEmpty ? ByteSlice("localhost") : head.host
        guard writer.field("Host", host) else { return false }
        let hasOptions = unsafe HopByHop.namesOptions(in: fields)
        for index in 0..<fields.count {
            let field = unsafe fields[index]
            if unsafe Self.staysBehind(field.name, own) { continue }
            if unsafe request.readsUnderscoresAsHyphens
                && Self.posesAsAnother(field.name, own)
            {
                continue
            }
            if hasOptions, unsafe HopByHop.isNamed(field.name, in: fields) { continue }
            guard writer.field(field.name, field.value) else { return false }
        }
        for index in 0..<own.count {
            guard unsafe writer.field(own[index].name, own[index].value) else { return false }
        }
        writeFraming(exchange, &writer, isStreamed: isStreamed, hasBody: hasBody)
        if asksForTunnel {
            _ = writer.verbatim(ByteSlice("Connection: Upgrade\r\nUpgrade: websocket\r\n"))
        } else if Self.wantsTrailers(exchange) {
            _ = writer.verbatim(ByteSlice("Connection: TE\r\nTE: trailers\r\n"))
        }
        _ = writer.endOfHead()
        outputEnd += writer.count
        return true
    }

    /// The most bytes of what the server itself adds to a head.
    private static let ownFieldBytesMax = 256

    /// Says how the body will come.
    private func writeFraming(
        _ exchange: Exchange, _ writer: inout ResponseWriter, isStreamed: Bool, hasBody: Bool
    ) {
        let head = exchange.head
        if !isStreamed {
            switch head.method {
            case .get, .head, .options, .trace, .delete:
                if unsafe exchange.body.count > 0 {
                    _ = unsafe writer.contentLength(UInt64(exchange.body.count))
                }
            default: _ = unsafe writer.contentLength(UInt64(exchange.body.count))
            }
            return
        }
        switch head.framing {
        case .none:
            if head.method == .post || head.method == .put || head.method == .patch {
                _ = writer.contentLength(0)
            }
        case .length(let count):
            _ = writer.contentLength(count)
            requestBody = count > 0 ? .plain : .ended
        case .chunked:
            _ = writer.field("Transfer-Encoding", ByteSlice("chunked"))
            requestBody = .chunked
        }
        if requestBody != .ended, exchange.state.connection?.state.owesContinue == true,
            exchange.state.connection?.availableInput == 0
        {
            _ = writer.field("Expect", ByteSlice("100-continue"))
            awaitsContinue = true
        }
    }

    /// Whether a field of the client's is not passed on: it is about the client's connection, or
    /// the server says it itself.
    @inline(__always)
    private static func staysBehind(
        _ name: ByteSlice, _ own: UnsafeBufferPointer<HeaderField>
    ) -> Bool {
        switch name.count {
        case 4: if name.equalsIgnoringCase("host") { return true }
        case 6: if name.equalsIgnoringCase("expect") { return true }
        case 14: if name.equalsIgnoringCase("content-length") { return true }
        default: if HopByHop.holds(name) { return true }
        }
        for index in 0..<own.count where unsafe own[index].name.count == name.count {
            if unsafe own[index].name.equalsIgnoringCase(name) { return true }
        }
        return false
    }

    /// Whether a name with underscores is one that the server says, once they are hyphens.
    private static func posesAsAnother(
        _ name: ByteSlice, _ own: UnsafeBufferPointer<HeaderField>
    ) -> Bool {
        let underscore = UInt8(ascii: "_")
        guard name.firstIndex(of: underscore) != nil else { return false }
        func isRead(as other: ByteSlice) -> Bool {
            guard name.count == other.count else { return false }
            return (0..<name.count).allSatisfy { index in
                name[index] == underscore
                    ? other[index] == UInt8(ascii: "-")
                    : name[index..<(index + 1)].equalsIgnoringCase(other[index..<(index + 1)])
            }
        }
        for index in 0..<own.count where unsafe isRead(as: own[index].name) { return true }
        return isRead(as: ByteSlice("content-length")) || isRead(as: ByteSlice("transfer-encoding"))
    }

    private static func wantsTrailers(_ exchange: Exchange) -> Bool {
        guard let te = exchange.firstValue(named: "te") else { return false }
        return Trailers.areWanted(te)
    }

    /// Writes a path as it stands in a request line, and returns its length.
    ///
    /// What was decoded is escaped again. `%2F`, which stays as it is in a normal form, stays so
    /// here as well.
    ///
    /// - Shape: at most three times as long as the path.
    /// - Source: RFC 3986, section 3.3.
    private static func escape(_ path: ByteSlice, to out: UnsafeMutablePointer<UInt8>) -> Int {
        var count = 0
        for index in 0..<path.count {
            let byte = path[index]
            if isPathByte(byte) || byte == UInt8(ascii: "%") && isSlash(path, index) {
                unsafe out[count] = byte
                count += 1
                continue
            }
            unsafe out[count] = UInt8(ascii: "%")
            unsafe out[count + 1] = hexDigit(byte >> 4)
            unsafe out[count + 2] = hexDigit(byte & 15)
            count += 3
        }
        return count
    }

    private static func isSlash(_ path: ByteSlice, _ index: Int) -> Bool {
        index + 2 < path.count && path[index + 1] == UInt8(ascii: "2")
            && path[index + 2] | 0x20 == UInt8(ascii: "f")
    }

    private static func hexDigit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "A") - 10 + value
    }

    /// Whether a byte stands for itself in a path: `pchar` without `%`, and the slash.
    @inline(__always)
    private static func isPathByte(_ byte: UInt8) -> Bool {
        let table: StaticString = """
            ................................\
            .p..p.pppppppppppppppppppppp.p..\
            ppppppppppppppppppppppppppp....p\
            .pppppppppppppppppppppppppp...p.
            """
        return unsafe byte < 0x80 && table.utf8Start[Int(byte)] == UInt8(ascii: "p")
    }

    // MARK: - The body

    /// Takes a piece of the client's body, or of what it sends through a tunnel.
    private static let takeBody:
        @convention(c) (UnsafeMutableRawPointer?, UnsafeRawPointer?, Int, Bool) -> Bool = {
            context, bytes, count, isLast in
            guard let connection = unsafe UpstreamConnection.of(context) else { return true }
            return unsafe connection.take(
                UnsafeRawBufferPointer(start: bytes, count: count), isLast: isLast)
        }

    private func take(_ bytes: UnsafeRawBufferPointer, isLast: Bool) -> Bool {
        guard let exchange, !cannotSend else { return true }
        if stage == .tunnel {
            unsafe append(bytes)
            finishesSending = isLast
        } else {
            switch requestBody {
            case .ended: return true
            case .plain: unsafe append(bytes)
            case .chunked:
                unsafe appendChunk(bytes)
                if isLast { unsafe appendEnd(exchange.trailers) }
            }
            if isLast { requestBody = .ended }
        }
        // Until there is a socket, what comes waits.
        guard stage != .connecting else {
            hasPausedClient = pendingOutput > highWaterBytes
            return !hasPausedClient
        }
        flush()
        if cannotSend { receive() }
        if self.exchange == nil || pendingOutput <= highWaterBytes { return true }
        hasPausedClient = true
        return false
    }

    private func appendChunk(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count > 0 else { return }
        let length = ResponseWriter.chunkSizeLengthMax
        var writer = unsafe ResponseWriter(
            UnsafeMutableRawBufferPointer(start: makeRoom(length), count: length))
        _ = writer.chunkSize(UInt64(bytes.count))
        outputEnd += writer.count
        unsafe append(bytes)
        append("\r\n")
    }

    private func appendEnd(_ trailers: UnsafeBufferPointer<HeaderField>) {
        var needed = 5
        for index in 0..<trailers.count {
            needed += unsafe trailers[index].name.count + trailers[index].value.count + 4
        }
        var writer = unsafe ResponseWriter(
            UnsafeMutableRawBufferPointer(start: makeRoom(needed), count: needed))
        _ = writer.verbatim(ByteSlice("0\r\n"))
        for index in 0..<trailers.count {
            _ = unsafe writer.field(trailers[index].name, trailers[index].value)
        }
        _ = writer.endOfHead()
        outputEnd += writer.count
    }

    /// Has what the client sends from now on go to the upstream.
    func listenToClient(_ exchange: Exchange) {
        var observer = exchange.state.observer
        unsafe observer.onBody = UpstreamConnection.takeBody
        exchange.observe(observer)
    }

    /// Lets the client send the body that was kept back.
    func goOnWithBody() {
        guard awaitsContinue, let exchange else { return }
        awaitsContinue = false
        listenToClient(exchange)
        setDeadline()
    }
}
