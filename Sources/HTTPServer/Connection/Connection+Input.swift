import CLinux
import Glibc
import HTTPWire

extension Connection {
    /// Reads once, into the place where the phase wants the bytes.
    ///
    /// A read that fills less than its room has emptied the socket, and what comes later is
    /// reported; so a request costs one `recv` and none that only says `EAGAIN`.
    @inline(__always)
    func receive() {
        if state.phase == .collecting, let exchange = state.exchange,
            unsafe exchange.state.bodyBuffer != nil, !state.bodyIsChunked
        {
            return receiveBody(exchange)
        }
        let room = makeInputRoom()
        guard let input = unsafe state.input else { return }
        let result: Int
        if let tls = unsafe state.tls {
            result = unsafe receiveSecurely(tls, input + state.inputEnd, room)
        } else {
            result = unsafe linux_receive(state.descriptor, input + state.inputEnd, room)
            if result > 0, result < room, !state.endIsAhead { state.mayHaveInput = false }
        }
        if result > 0 {
            state.inputEnd &+= result
            if state.phase != .head { noteBodyProgress(result) }
        } else {
            note(receiveResult: result)
        }
    }

    @inline(never)
    private func note(receiveResult result: Int) {
        switch Int32(-result) {
        case 0: state.peerHasFinished = true
        case EAGAIN: state.mayHaveInput = false
        case EINTR: return
        default: state.isBroken = true
        }
    }

    /// Reads the rest of a body of known length straight into its buffer, and nothing beyond it.
    private func receiveBody(_ exchange: Exchange) {
        guard exchange.mayGrowBody(by: 1) else { return refuseForMemory() }
        exchange.growBody(atLeast: 1)
        guard let buffer = unsafe exchange.state.bodyBuffer else { return }
        let room = min(
            Int(clamping: state.bodyRemaining),
            exchange.state.bodyCapacity - exchange.state.bodyCount)
        let result: Int
        if let tls = unsafe state.tls {
            result = unsafe receiveSecurely(tls, buffer + exchange.state.bodyCount, room)
        } else {
            result = unsafe linux_receive(
                state.descriptor, buffer + exchange.state.bodyCount, room)
            if result > 0, result < room, !state.endIsAhead { state.mayHaveInput = false }
        }
        guard result > 0 else { return note(receiveResult: result) }
        exchange.state.bodyCount += result
        state.bodyRemaining -= UInt64(result)
        noteBodyProgress(result)
    }

    /// Provides room behind what has been read and returns how much there is.
    @inline(__always)
    private func makeInputRoom() -> Int {
        if unsafe state.input == nil {
            let (base, capacity) = unsafe loop.state.buffers.lend(BufferPool.bufferBytes)
            unsafe state.input = base.assumingMemoryBound(to: UInt8.self)
            state.inputCapacity = capacity
        }
        let room = state.inputCapacity &- state.inputEnd
        return room >= Connection.worthwhileBytes ? room : makeInputRoomUncommonly()
    }

    /// The least room that a read is made for, unless there cannot be more.
    private static let worthwhileBytes = 1_024

    @inline(never)
    private func makeInputRoomUncommonly() -> Int {
        guard let input = unsafe state.input else { return 0 }
        let available = availableInput
        if state.inputStart > state.pinnedEnd {
            unsafe memmove(input + state.pinnedEnd, input + state.inputStart, available)
            state.inputStart = state.pinnedEnd
            state.inputEnd = state.pinnedEnd + available
            return state.inputCapacity - state.inputEnd
        }
        let isPinned = state.pinnedEnd > 0
        if !isPinned, state.inputEnd < state.inputCapacity {
            return state.inputCapacity - state.inputEnd
        }
        let (base, capacity) = unsafe loop.state.buffers.lend(
            isPinned ? available + BufferPool.bufferBytes / 2 : state.inputCapacity * 2)
        unsafe memcpy(base, input + state.inputStart, available)
        if isPinned, let exchange = state.exchange {
            unsafe exchange.state.heldInput = UnsafeMutableRawPointer(input)
            exchange.state.heldInputCapacity = state.inputCapacity
        } else {
            unsafe loop.state.buffers.giveBack(input, capacity: state.inputCapacity)
        }
        unsafe state.input = base.assumingMemoryBound(to: UInt8.self)
        state.inputCapacity = capacity
        state.pinnedEnd = 0
        state.inputStart = 0
        state.inputEnd = available
        return capacity - available
    }

    /// Moves the beginning of a head to a small buffer, so that a slow client does not hold a large
    /// one.
    @inline(never)
    func shrinkInput() {
        guard state.pinnedEnd == 0, availableInput <= Connection.smallInputBytes / 2,
            state.inputCapacity > Connection.smallInputBytes, let input = unsafe state.input
        else { return }
        let available = availableInput
        let small = unsafe loop.state.buffers.lendSmall(Connection.smallInputBytes)
        unsafe memcpy(small, input + state.inputStart, available)
        unsafe loop.state.buffers.giveBack(input, capacity: state.inputCapacity)
        unsafe state.input = small.assumingMemoryBound(to: UInt8.self)
        state.inputCapacity = Connection.smallInputBytes
        state.inputStart = 0
        state.inputEnd = available
    }

    private static let smallInputBytes = 1_024

    /// The bytes that have been read and not used yet.
    @inline(__always)
    var input: UnsafeRawBufferPointer {
        guard let input = unsafe state.input else {
            return unsafe UnsafeRawBufferPointer(start: nil, count: 0)
        }
        return unsafe UnsafeRawBufferPointer(
            start: input + state.inputStart, count: availableInput)
    }

    /// Marks input as used; when all of it is, the next bytes go to the front again.
    @inline(__always)
    func consume(_ count: Int) {
        state.inputStart &+= count
        if state.inputStart == state.inputEnd {
            state.inputStart = state.pinnedEnd
            state.inputEnd = state.pinnedEnd
        }
    }

    /// Reads the next request's head and begins its exchange; false when the phase has to wait.
    @inline(__always)
    func readHead() -> Bool {
        if state.closesAfterOutput {
            state.phase = .finishing
            return false
        }
        if availableInput == 0 || state.files != nil
            || pendingOutput > loop.state.limits.outputHighWaterBytes
        {
            return waitForHead()
        }
        let exchange = loop.spareExchange()
        let outcome = unsafe loop.state.parser.parse(
            input, alreadySeen: state.scanned, fields: exchange.state.fields,
            head: &exchange.state.head)
        switch outcome {
        case .complete(let headLength):
            begin(exchange, headLength: headLength)
            return true
        case .incomplete:
            state.scanned = availableInput
            return waitForHead()
        case .invalid(let error):
            refuse(error)
            return true
        }
    }

    @inline(never)
    private func waitForHead() -> Bool {
        if state.files != nil || pendingOutput > loop.state.limits.outputHighWaterBytes {
            state.isStalledByOutput = true
        } else if state.peerHasFinished {
            state.phase = .finishing
        }
        return false
    }

    /// Drops what is left of a body; false when more of it has to come first.
    func discard() -> Bool {
        let limit = loop.state.limits.discardedBytesMax
        while true {
            switch nextBodyPart() {
            case .none:
                if state.peerHasFinished { state.phase = .finishing }
                return state.peerHasFinished
            case .bytes(let bytes, let isLast):
                state.discarded = Int32(clamping: Int(state.discarded) + bytes.count)
                consume(bytes.count)
                if Int(state.discarded) > limit {
                    state.lingers = true
                    state.phase = .finishing
                    return true
                }
                if isLast {
                    state.phase = .head
                    return true
                }
            case .refused:
                state.lingers = true
                state.phase = .finishing
                return true
            }
        }
    }

    /// Drops what a client sends after the last response, and closes when it has finished.
    ///
    /// However much it sends, its time is limited; a reset would take the response from a client
    /// that reads it only after it has sent its body.
    ///
    /// - Source: RFC 9112, section 9.6.
    func linger() {
        consume(availableInput)
        if state.peerHasFinished, !leavesLargeShare { state.isBroken = true }
    }
}

/// What the input has of the current request's body.
@safe
enum BodyPart {
    /// Nothing before more is read.
    case none
    /// Payload at the front of the input; the caller consumes it.
    case bytes(UnsafeRawBufferPointer, isLast: Bool)
    case refused(WireError)
}

extension Connection {
    /// Finds the next piece of payload and moves the input to its first byte.
    func nextBodyPart() -> BodyPart {
        if !state.bodyIsChunked {
            let count = Int(clamping: min(UInt64(availableInput), state.bodyRemaining))
            if count == 0, state.bodyRemaining > 0 { return .none }
            state.bodyRemaining -= UInt64(count)
            return unsafe .bytes(
                UnsafeRawBufferPointer(rebasing: input.prefix(count)),
                isLast: state.bodyRemaining == 0)
        }
        while availableInput > 0 {
            switch unsafe state.chunks.decode(input) {
            case .needMore(let consumed):
                consume(consumed)
                return .none
            case .data(let payload, let consumed):
                state.inputStart += consumed - payload.count
                return unsafe .bytes(payload.buffer, isLast: false)
            case .end(let consumed):
                consume(consumed)
                state.bodyIsChunked = false
                state.bodyRemaining = 0
                if !state.chunks.trailers.isEmpty { keepTrailers() }
                return unsafe .bytes(UnsafeRawBufferPointer(start: nil, count: 0), isLast: true)
            case .invalid(let error): return .refused(error)
            }
        }
        return .none
    }

    @inline(never)
    private func keepTrailers() {
        state.exchange?.keepTrailers(state.chunks.trailers)
        state.chunks = ChunkedDecoder(limits: loop.state.limits.wire)
    }

    /// Whether a part of the request's body has not been used yet.
    @inline(__always)
    var hasBodyLeft: Bool { state.bodyIsChunked || state.bodyRemaining > 0 }
}
