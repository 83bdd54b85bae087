import Glibc
import HTTPWire

extension Connection {
    /// Begins the exchange whose head has just been read: the application routes it and perhaps
    /// answers at once.
    @inline(__always)
    func begin(_ exchange: Exchange, headLength: Int) {
        loop.takeSpareExchange(exchange)
        state.inputStart &+= headLength
        state.pinnedEnd = state.inputStart
        state.scanned = 0
        state.headDeadline = 0
        state.answerDeadline = 0
        state.requestCount &+= 1
        state.exchange = exchange
        state.phase = .waiting
        exchange.state.connection = self
        exchange.state.path = exchange.state.head.path
        exchange.state.keepsAlive =
            exchange.state.head.keepAlive
            && state.requestCount < loop.state.limits.requestsPerConnectionMax
        if loop.state.limits.takesRelayed {
            guard takeRelay(exchange) else { return }
        }
        exchange.state.isAccounted =
            exchange.state.head.hasRequestID || loop.state.limits.reportsExchanges
        if exchange.state.isAccounted { exchange.beginAccount(carriesID: true) }
        if exchange.state.head.framing != .none || exchange.state.head.pathNeedsNormalizing {
            guard prepareUncommon(exchange) else { return }
        }
        switch loop.withApplication({ $0.route(exchange) }) {
        case .responded:
            if !exchange.isComplete {
                refuse(500, "The application gave no answer.", reason: .bodyRefused)
            }
        case .buffered(let bodyBytesMax):
            exchange.state.owesEnded = true
            if hasBodyLeft {
                beginCollecting(exchange, bodyBytesMax: bodyBytesMax)
            } else {
                exchange.state.isHandled = true
                loop.withApplication { $0.handle(exchange) }
            }
        case .streamed:
            exchange.state.owesEnded = true
            exchange.state.isHandled = true
            state.phase = .streaming
            startBodyClock()
            loop.withApplication { $0.handle(exchange) }
        }
    }

    /// Prepares for a body and brings the path into normal form; false when the request has been
    /// refused.
    @inline(never)
    private func prepareUncommon(_ exchange: Exchange) -> Bool {
        switch exchange.state.head.framing {
        case .none: break
        case .length(let count): state.bodyRemaining = count
        case .chunked:
            state.bodyIsChunked = true
            state.chunks = ChunkedDecoder(limits: loop.state.limits.wire)
        }
        state.discarded = 0
        state.owesContinue = exchange.state.head.expectsContinue && hasBodyLeft
        guard exchange.state.head.pathNeedsNormalizing else { return true }
        if exchange.state.head.method == .connect {
            // What follows is meant for the other end of a tunnel and never read as a request.
            refuse(501, "This server opens no tunnels.", reason: .bodyRefused)
            return false
        }
        let raw = exchange.state.head.path
        // As in a request line, there is something before the path that may be read.
        let margin = 8
        let (buffer, capacity) = unsafe loop.state.buffers.lend(raw.count + margin)
        unsafe exchange.state.pathBuffer = buffer
        exchange.state.pathBufferCapacity = capacity
        do throws(WireError) {
            let count = unsafe try PathNormalizer.normalize(
                raw,
                into: UnsafeMutableRawBufferPointer(
                    start: buffer + margin, count: capacity - margin))
            unsafe exchange.state.path = ByteSlice(
                UnsafeRawBufferPointer(start: buffer + margin, count: count))
            return true
        } catch {
            refuse(error)
            return false
        }
    }

    private func beginCollecting(_ exchange: Exchange, bodyBytesMax: Int) {
        exchange.state.bodyMax = bodyBytesMax
        if !state.bodyIsChunked {
            guard state.bodyRemaining <= UInt64(max(0, bodyBytesMax)) else {
                return refuse(
                    413, "The body has more than \(bodyBytesMax) bytes; send less.",
                    reason: .bodyRefused)
            }
            let end = state.inputStart + Int(clamping: state.bodyRemaining)
            if end > state.inputCapacity {
                guard exchange.mayGrowBody(by: availableInput) else { return refuseForMemory() }
                exchange.growBody(atLeast: availableInput)
                unsafe exchange.appendBody(input)
                state.bodyRemaining -= UInt64(availableInput)
                state.inputStart = state.inputEnd
            }
        }
        state.phase = .collecting
        startBodyClock()
    }

    /// Answers that all clients together have sent more than can be kept.
    func refuseForMemory() {
        refuse(503, "Too many bodies are being sent; try again later.", reason: .bodyRefused)
    }

    /// Collects the body; false when more of it has to come first.
    func collect() -> Bool {
        guard let exchange = state.exchange else { return false }
        if state.bodyIsChunked {
            chunks: while true {
                switch nextBodyPart() {
                case .none: return waitForBody()
                case .bytes(let bytes, let isLast):
                    guard exchange.state.bodyCount + bytes.count <= exchange.state.bodyMax else {
                        refuse(
                            413,
                            "The body has more than \(exchange.state.bodyMax) bytes; send less.",
                            reason: .bodyRefused)
                        return true
                    }
                    guard exchange.mayGrowBody(by: bytes.count) else {
                        refuseForMemory()
                        return true
                    }
                    unsafe exchange.appendBody(bytes)
                    consume(bytes.count)
                    if isLast { break chunks }
                case .refused(let error):
                    refuse(error)
                    return true
                }
            }
        } else if unsafe exchange.state.bodyBuffer == nil {
            let count = Int(clamping: state.bodyRemaining)
            guard availableInput >= count else { return waitForBody() }
            unsafe exchange.state.body = UnsafeRawBufferPointer(rebasing: input.prefix(count))
            state.bodyRemaining = 0
            state.inputStart += count
            state.pinnedEnd = state.inputStart
        } else if state.bodyRemaining > 0 {
            return waitForBody()
        }
        if let buffer = unsafe exchange.state.bodyBuffer {
            unsafe exchange.state.body = UnsafeRawBufferPointer(
                start: buffer, count: exchange.state.bodyCount)
        }
        state.phase = .waiting
        exchange.state.isHandled = true
        loop.withApplication { $0.handle(exchange) }
        return true
    }

    /// Tells a client that waits for it to send the body; false, because the body has to come
    /// first.
    private func waitForBody() -> Bool {
        if state.peerHasFinished {
            state.isBroken = true
        } else if state.owesContinue {
            state.owesContinue = false
            if availableInput == 0, state.exchange?.hasBegun == false {
                append("HTTP/1.1 100 Continue\r\n\r\n")
            }
        }
        return false
    }

    /// Hands the body to the observer; false when more of it, or the application, has to come
    /// first.
    func deliver() -> Bool {
        guard let exchange = state.exchange else { return false }
        while true {
            if exchange.isComplete {
                finish(exchange)
                return true
            }
            if exchange.state.isPaused || exchange.isHeld { return false }
            let observer = exchange.state.observer
            guard let onBody = unsafe observer.onBody else { return false }
            switch nextBodyPart() {
            case .none: return waitForBody()
            case .bytes(let bytes, let isLast):
                if isLast { state.phase = .waiting }
                loop.state.pieceCount = bytes.count
                exchange.state.isResumed = false
                let goesOn = unsafe onBody(
                    observer.context, bytes.baseAddress, bytes.count, isLast)
                if !goesOn { exchange.state.isPaused = !exchange.state.isResumed }
                consume(bytes.count)
                if isLast { return true }
            case .refused(let error):
                refuse(error)
                return true
            }
        }
    }

    /// The application has completed the response: takes leave of the exchange and looks ahead.
    @inline(__always)
    func finish(_ exchange: Exchange) {
        if exchange.isHeld { part(from: exchange) }
        state.pinnedEnd = 0
        state.exchange = nil
        if hasBodyLeft || !exchange.state.keepsAlive || exchange.state.isCut {
            finishUncommonly(exchange)
        } else {
            state.phase = .head
            consume(0)
        }
        if exchange.isHeld { return }
        loop.end(exchange)
    }

    /// Lets go of an exchange whose response is complete while a call for it goes on; it ends when
    /// the call has returned.
    @inline(never)
    private func part(from exchange: Exchange) {
        if state.pinnedEnd > 0 {
            unsafe partWithInput(behind: 0) { buffer, capacity, _ in
                unsafe exchange.state.heldInput = buffer
                exchange.state.heldInputCapacity = capacity
            }
        }
        exchange.state.peer = state.peer
        exchange.state.connection = nil
    }

    @inline(never)
    private func finishUncommonly(_ exchange: Exchange) {
        consume(0)
        if let socket = state.socket { return become(socket) }
        if exchange.state.isCut {
            state.resetsOnClose = exchange.state.framing == .close
            state.phase = .finishing
        } else if !exchange.state.keepsAlive {
            state.lingers =
                state.lingers || exchange.state.head.keepAlive || hasBodyLeft || availableInput > 0
            state.phase = .finishing
        } else {
            startBodyClock()
            state.phase = .discarding
        }
    }

    /// Answers what breaks the rules of HTTP, and closes.
    @inline(never)
    func refuse(_ error: WireError) {
        let why = error.reasons.joined(separator: "; ")
        refuse(error.status, "\(why): \(error.remedy)", reason: .bodyRefused)
    }

    /// Answers a request that does not reach the application, or reaches it no further, and closes.
    @inline(never)
    func refuse(_ status: UInt16, _ detail: String, reason: CloseReason) {
        state.lingers = true
        let exchange = state.exchange
        let canAnswer = exchange?.hasBegun != true
        var hasNoBody = false
        if let exchange {
            hasNoBody = exchange.state.head.method == .head
            detach(exchange)
        }
        state.bodyIsChunked = false
        state.bodyRemaining = 0
        state.inputStart = 0
        state.inputEnd = 0
        if canAnswer {
            appendProblem(status, detail, about: exchange, withoutBody: hasNoBody)
        } else {
            state.resetsOnClose = exchange?.state.framing == .close
            state.lingers = false
        }
        state.phase = .finishing
        if let exchange { loop.bereave(exchange, reason) }
    }
}
