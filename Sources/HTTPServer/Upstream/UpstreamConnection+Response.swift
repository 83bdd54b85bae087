import CLinux
import Glibc
import HTTPWire

extension UpstreamConnection {
    private var inputBytes: UnsafeRawBufferPointer {
        guard let input = unsafe input else {
            return unsafe UnsafeRawBufferPointer(start: nil, count: 0)
        }
        return unsafe UnsafeRawBufferPointer(start: input + inputStart, count: availableInput)
    }

    /// Marks input as used; when all of it is, the next bytes go to the front again.
    private func consume(_ count: Int) {
        inputStart += count
        if inputStart == inputEnd {
            inputStart = 0
            inputEnd = 0
        }
    }

    /// Reads what there is and passes it on, until there is no more or the client has to catch up.
    func receive() {
        // What is done in here may lead back here.
        guard !isReading else { return }
        isReading = true
        defer { isReading = false }
        while mayHaveInput, !isPaused, !hasEnded {
            switch stage {
            case .free, .connecting: return
            // Nothing was asked: a response that comes now could be taken for that of another
            // request. Or it is the end.
            case .idle: return close()
            case .waiting, .body, .tunnel: read()
            }
            takeInput()
        }
        if hasEnded, !isPaused { takeEnd() }
    }

    private func read() {
        let room = makeInputRoom()
        guard let input = unsafe input else { return }
        let result = unsafe linux_receive(descriptor, input + inputEnd, room)
        if result > 0 {
            inputEnd += result
            if result < room, !endIsAhead { mayHaveInput = false }
            setDeadline()
        } else if result == 0 {
            hasEnded = true
        } else if -result == Int(EAGAIN) {
            mayHaveInput = false
        } else if -result != Int(EINTR) {
            hasEnded = true
            // What has been cut off is not whole, whatever its framing says.
            wasReset = true
        }
    }

    /// Provides room behind what has been read and returns how much there is.
    private func makeInputRoom() -> Int {
        guard let input = unsafe input else {
            let (base, capacity) = unsafe loop.state.buffers.lend(BufferPool.bufferBytes)
            unsafe self.input = base.assumingMemoryBound(to: UInt8.self)
            inputCapacity = capacity
            return capacity
        }
        if inputStart > 0 {
            unsafe memmove(input, input + inputStart, availableInput)
            inputEnd -= inputStart
            inputStart = 0
        }
        guard inputEnd == inputCapacity else { return inputCapacity - inputEnd }
        // A head that is still incomplete; the parser bounds its length.
        let (base, capacity) = unsafe loop.state.buffers.lend(inputCapacity * 2)
        unsafe memcpy(base, input, inputEnd)
        unsafe loop.state.buffers.giveBack(input, capacity: inputCapacity)
        unsafe self.input = base.assumingMemoryBound(to: UInt8.self)
        inputCapacity = capacity
        return capacity - inputEnd
    }

    /// Passes on what has been read.
    func takeInput() {
        guard heldHead == nil else { return }
        while stage == .waiting, availableInput > 0, takeHead() {}
        if stage == .body { takeBodyBytes() }
        if stage == .tunnel { takeTunnelBytes() }
    }

    /// The upstream has closed the connection.
    private func takeEnd() {
        switch stage {
        case .free, .connecting: return
        case .idle: close()
        case .waiting:
            if canSendAgain, sendAgain(otherThan: lane) { return }
            fail(.gone)
        case .body:
            guard framing == .untilClose, !wasReset else { return fail(.gone) }
            complete()
        case .tunnel:
            guard !wasReset else { return fail(.gone) }
            complete()
        }
    }

    // MARK: - The head

    /// Takes one head; false when more has to come first, or nothing further is to be read as one.
    private func takeHead() -> Bool {
        guard let limits, let exchange else { return false }
        let outcome = unsafe limits.parser.parse(
            inputBytes, alreadySeen: scanned, fields: room.fields, head: &room.head)
        switch outcome {
        case .incomplete:
            scanned = availableInput
            return false
        case .invalid(let error):
            fail(.malformed(error.code))
            return false
        case .complete(let length):
            inputStart += length
            scanned = 0
            isRepeatable = false
            if pendingOutput == 0 { giveBackOutput() }
            guard room.head.status < 200 else {
                passHead(exchange)
                return false
            }
            return takeInterim(exchange)
        }
    }

    /// Takes a response that is not the final one.
    ///
    /// - Source: RFC 9110, section 15.2.
    private func takeInterim(_ exchange: Exchange) -> Bool {
        if room.head.status == 101 {
            becomeTunnel(exchange)
            return false
        }
        interimCount += 1
        guard interimCount <= (lane?.pool.upstream.options.interimMax ?? 0) else {
            fail(.refused)
            return false
        }
        consume(0)
        if room.head.status == 100 { goOnWithBody() }
        return true
    }

    /// Gives the final response's head to the client, and its body as well if all of it is there.
    private func passHead(_ exchange: Exchange) {
        let head = room.head
        framing = head.framing(answersHEAD: answersHEAD)
        keepsAlive = head.keepAlive && framing != .untilClose
        awaitsContinue = false
        if framing != .none, !ResponseRules.allowsBody(head.status) {
            // 205 has no body here; what comes all the same is not waited for.
            keepsAlive = keepsAlive && framing == .length(0)
            framing = .none
        }
        let count = filterFields(head)
        let fields = unsafe UnsafeBufferPointer(start: room.fields.baseAddress, count: count)
        if unsafe exchange.follower != nil, unsafe hold(head, fields, of: exchange) { return }
        unsafe give(head, fields, to: exchange)
    }

    /// Lets the application look at the head first, if it wants to.
    private func hold(
        _ head: ResponseHead, _ fields: UnsafeBufferPointer<HeaderField>, of exchange: Exchange
    ) -> Bool {
        let isTaken = loop.withApplication {
            unsafe $0.takesHead(exchange, status: head.status, fields: fields)
        }
        guard isTaken else { return false }
        heldHead = head
        isPaused = true
        setDeadline()
        return true
    }

    /// Goes on with the response whose head was held.
    func release(_ fields: UnsafeBufferPointer<HeaderField>) {
        guard let exchange, let head = heldHead else { return }
        heldHead = nil
        isPaused = false
        unsafe give(head, fields, to: exchange)
        guard stage != .free else { return }
        takeInput()
        if stage != .free { receive() }
    }

    /// Lets go of the exchange whose head was held, and of the response.
    func letGo() {
        guard let exchange, heldHead != nil else { return }
        _ = forget(exchange)
        close()
    }

    private func give(
        _ head: ResponseHead, _ fields: UnsafeBufferPointer<HeaderField>, to exchange: Exchange
    ) {
        let nothing = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
        switch framing {
        case .none where !answersHEAD:
            let result = unsafe exchange.respond(status: head.status, fields: fields, body: nothing)
            end(exchange, result)
        case .none:
            let result = unsafe exchange.begin(
                status: head.status, fields: fields, contentLength: head.contentLength)
            if result == .accepted { forget(exchange).finish() }
            end(exchange, result)
        case .length(let length) where length <= UInt64(availableInput):
            let body = unsafe UnsafeRawBufferPointer(rebasing: inputBytes.prefix(Int(length)))
            let result = unsafe exchange.respond(status: head.status, fields: fields, body: body)
            consume(Int(length))
            end(exchange, result)
        case .length(let length):
            remaining = length
            unsafe begin(exchange, head.status, fields, length)
        case .chunked, .untilClose: unsafe begin(exchange, head.status, fields, nil)
        }
    }

    private func begin(
        _ exchange: Exchange, _ status: UInt16, _ fields: UnsafeBufferPointer<HeaderField>,
        _ length: UInt64?
    ) {
        let result = unsafe exchange.begin(status: status, fields: fields, contentLength: length)
        guard result == .accepted else { return end(exchange, result) }
        consume(0)
        stage = .body
        setDeadline()
    }

    /// The response has been given, or could not be.
    private func end(_ exchange: Exchange, _ result: ResponseResult) {
        guard result == .accepted else { return result == .closed ? clientLeft() : fail(.refused) }
        consume(0)
        _ = forget(exchange)
        settle()
    }

    /// Hears nothing more of the exchange.
    private func forget(_ exchange: Exchange) -> Exchange {
        unsafe exchange.state.observer = ExchangeObserver()
        self.exchange = nil
        return exchange
    }

    /// Keeps the fields that go on to the client, at the front, and returns how many they are.
    private func filterFields(_ head: ResponseHead) -> Int {
        let fields = unsafe UnsafeBufferPointer(room.fields)
        let named = head.namesOptions ? namedOptions(head) : []
        let hasServer = unsafe loop.state.serverName.count > 0
        var count = 0
        for index in 0..<head.fieldCount {
            let field = unsafe fields[index]
            switch field.name.count {
            case 4: if field.name.equalsIgnoringCase("date") { continue }
            case 6: if hasServer, field.name.equalsIgnoringCase("server") { continue }
            case 10 where field.name.equalsIgnoringCase("keep-alive"):
                noteKept(field.value)
                continue
            case 14: if field.name.equalsIgnoringCase("content-length") { continue }
            default: break
            }
            if HopByHop.holds(field.name) || named.contains(where: { $0(field.name) }) { continue }
            unsafe room.fields[count] = field
            count += 1
        }
        return count
    }

    /// What says of a field whether `Connection` names it, without a view of the fields.
    private func namedOptions(_ head: ResponseHead) -> [(ByteSlice) -> Bool] {
        let fields = unsafe UnsafeBufferPointer(rebasing: room.fields[..<head.fieldCount])
        var names: [String] = []
        for index in 0..<fields.count {
            let name = unsafe fields[index].name
            if unsafe HopByHop.isNamed(name, in: fields) { names.append(String(decoding: name)) }
        }
        return names.map { name in { String(decoding: $0) == name } }
    }

    /// Takes the hint of a `Keep-Alive` field how long the upstream keeps the connection; a second
    /// less, so that no request meets the end.
    private func noteKept(_ value: ByteSlice) {
        let prefix: StaticString = "timeout="
        guard value.count > prefix.utf8CodeUnitCount, value.starts(with: prefix) else { return }
        let rest = value[prefix.utf8CodeUnitCount..<value.count]
        let digits = rest[0..<(rest.firstIndex(of: UInt8(ascii: ",")) ?? rest.count)]
        guard let seconds = digits.asInteger, seconds < 1 << 20 else { return }
        let ticks = seconds * UInt64(TimerWheel.ticksPerSecond)
        let margin = UInt64(TimerWheel.ticksPerSecond)
        keptTicks = min(keptTicks, ticks > margin ? ticks - margin : 1)
    }

    // MARK: - The body

    private func takeBodyBytes() {
        while availableInput > 0, stage == .body, !isPaused {
            switch framing {
            case .length:
                let count = Int(min(UInt64(availableInput), remaining))
                remaining -= UInt64(count)
                unsafe pass(UnsafeRawBufferPointer(rebasing: inputBytes.prefix(count)), count)
                if remaining == 0, stage == .body { return complete() }
            case .chunked:
                switch unsafe chunks.decode(inputBytes) {
                case .needMore(let consumed): consume(consumed)
                case .data(let bytes, let consumed): unsafe pass(bytes.buffer, consumed)
                case .end(let consumed):
                    consume(consumed)
                    return complete()
                case .invalid(let error): return fail(.malformed(error.code))
                }
            case .untilClose: unsafe pass(inputBytes, availableInput)
            case .none: return complete()
            }
        }
    }

    private func takeTunnelBytes() {
        while availableInput > 0, stage == .tunnel, !isPaused {
            let bytes = unsafe inputBytes
            let count = unsafe seam.take(bytes, stops: isLeaving)
            unsafe pass(UnsafeRawBufferPointer(rebasing: bytes.prefix(count)), count)
            sayGoodbye()
        }
    }

    /// Gives a piece of the body to the client, and uses up as much of the input.
    private func pass(_ bytes: UnsafeRawBufferPointer, _ consumed: Int) {
        guard let exchange else { return }
        let result = unsafe exchange.write(bytes)
        consume(consumed)
        switch result {
        case .accepted: break
        case .full:
            isPaused = true
            setDeadline()
        case .closed: clientLeft()
        case .fieldRefused, .outOfOrder, .tooLong: fail(.refused)
        }
    }

    /// The response is whole.
    func complete() {
        guard let exchange else { return }
        let trailers = chunks.trailers
        _ = forget(exchange)
        if framing != .chunked || trailers.isEmpty {
            exchange.finish()
        } else {
            Self.finish(exchange, trailers)
        }
        if stage == .tunnel { return close() }
        settle()
    }

    private static func finish(_ exchange: Exchange, _ section: [UInt8]) {
        var fields: [HeaderField] = []
        unsafe section.withUnsafeBytes { bytes in
            unsafe Trailers.forEach(ByteSlice(bytes)) { field in
                if Exchange.allows(field) { fields.append(field) }
            }
            unsafe fields.withUnsafeBufferPointer {
                if unsafe exchange.finish(trailers: $0) != .accepted { exchange.finish() }
            }
        }
    }

    /// Keeps the connection for the next request, or closes it.
    private func settle() {
        guard let lane, stage != .free else { return }
        let isClean =
            keepsAlive && requestBody == .ended && pendingOutput == 0 && !cannotSend
            && availableInput == 0 && !hasEnded && !endIsAhead && !lane.isEnded
            && lane.idle.count < lane.pool.upstream.options.idleConnectionsMax
        guard isClean else { return close() }
        leaveLane()
        stage = .idle
        giveBackOutput()
        giveBackInput()
        lane.idle.append(self)
        room.schedule(self, at: loop.state.tick &+ keptTicks)
    }

    // MARK: - The end

    /// Answers in the upstream's stead, or cuts what has been begun.
    func fail(_ fault: Upstream.Fault) { drop(fault) }

    func drop(_ fault: Upstream.Fault) {
        let (exchange, upstream) = (exchange, lane?.pool.upstream)
        close()
        if let exchange, let upstream { Exchange.refuse(exchange, fault, upstream) }
    }

    /// The client is gone: there is nobody to answer, and the upstream may stop working on it.
    func clientLeft() {
        guard let exchange else { return }
        _ = forget(exchange)
        close()
        exchange.abort()
    }

    /// The client has taken what it had to; the response goes on.
    func clientHasRoom() {
        guard isPaused, heldHead == nil else { return }
        isPaused = false
        setDeadline()
        takeInput()
        if stage != .free { receive() }
    }

    /// The loop ends.
    func abandon() { exchange == nil ? close() : clientLeft() }

    // MARK: - The tunnel

    /// Turns both connections into a tunnel, if the client has asked for what the upstream agrees
    /// to.
    ///
    /// - Source: RFC 9110, section 7.8; RFC 6455, section 4.2.2.
    private func becomeTunnel(_ exchange: Exchange) {
        let head = room.head
        let fields = unsafe UnsafeBufferPointer(rebasing: room.fields[..<head.fieldCount])
        var isWebSocket = false
        for index in 0..<fields.count
        where unsafe fields[index].name.equalsIgnoringCase("upgrade") {
            isWebSocket = unsafe fields[index].value.equalsIgnoringCase("websocket")
        }
        guard asksForTunnel, head.switchesProtocol, isWebSocket else { return fail(.refused) }
        let count = filterFields(head)
        guard
            unsafe exchange.openTunnel(
                UnsafeBufferPointer(start: room.fields.baseAddress, count: count))
        else { return fail(.refused) }
        stage = .tunnel
        listenToClient(exchange)
        setDeadline()
        if loop.state.isDraining { endTunnel() }
    }
}
