import CLinux
import Glibc
import HTTPWire
import Synchronization

extension Connection {
    /// Takes what the poller says about the socket.
    @inline(__always)
    func handle(_ readiness: Poller.Readiness) {
        state.turnStart = state.sentBytes
        state.mayHaveInput = true
        if readiness != .readable { handleUncommon(readiness) }
        service()
    }

    @inline(never)
    private func handleUncommon(_ readiness: Poller.Readiness) {
        if readiness.contains(.writable) {
            state.isSendBlocked = false
        }
        let isGone = !readiness.isDisjoint(with: [.failed, .hungUp])
        guard isGone || readiness.contains(.peerFinished) else { return }
        // The end is read after the bytes before it; it is not reported again.
        let isNews = !state.endIsAhead
        state.endIsAhead = true
        if wantsInput { return }
        if isGone {
            state.isBroken = true
        } else if isNews {
            // The client may still read. Whether it is there at all shows when something is sent,
            // or when the kernel has asked it.
            _ = linux_probe_silent_peer(state.descriptor, 10, 10, 3)
        }
    }

    /// Whether bytes from the client have a place to go now.
    @inline(__always)
    var wantsInput: Bool {
        if state.peerHasFinished { return false }
        switch state.phase {
        case .head: return !state.isStalledByOutput && !state.isQueued
        case .collecting, .discarding, .lingering: return true
        case .streaming, .tunnel: return wantsBody
        case .socket: return !state.isStalledByOutput && state.socket?.wantsInput == true
        case .waiting, .finishing, .closed: return false
        }
    }

    private var wantsBody: Bool {
        guard let exchange = state.exchange else { return false }
        return unsafe !exchange.state.isPaused && !exchange.isHeld
            && exchange.state.observer.onBody != nil
    }

    /// Does everything that can be done without waiting.
    ///
    /// Application code runs in here and nowhere else, and whatever it does to the exchange is only
    /// noted; so nothing is entered twice.
    @inline(__always)
    func service() {
        if state.isInService { return }
        state.isInService = true
        loop.state.serving = self
        var reads = 0
        repeat {
            if state.mayHaveInput, wantsInput {
                receive()
                reads &+= 1
            }
            advance()
            if pendingOutput > 0 || state.files != nil { flush() }
        } while !state.isBroken && goesOn(reads)
        state.isInService = false
        rest()
    }

    /// The most reads of one connection before others have their turn.
    private static let readsMax = 16

    /// Whether there is more to do now: input, or somebody who waited for the output to drain.
    @inline(__always)
    private func goesOn(_ reads: Int) -> Bool {
        if state.mayHaveInput, wantsInput {
            if reads < Connection.readsMax { return true }
            loop.enqueue(self)
            return false
        }
        if !state.isStalledByOutput && state.exchange == nil && state.socket == nil { return false }
        return wakeWriters()
    }

    @inline(never)
    private func wakeWriters() -> Bool {
        if state.exchange?.tellDraining() == true { return true }
        guard state.files == nil, pendingOutput <= loop.state.limits.outputLowWaterBytes else {
            return false
        }
        if state.isStalledByOutput {
            state.isStalledByOutput = false
            return true
        }
        if state.phase == .socket { return wakeSender() }
        guard let exchange = state.exchange else { return false }
        exchange.settleRemoteBytes()
        guard exchange.state.waitsForWritable, !exchange.isComplete, !exchange.isHeld,
            turnBytes < loop.state.limits.turnBytesMax
        else { return false }
        exchange.state.waitsForWritable = false
        let observer = exchange.state.observer
        unsafe observer.onWritable?(observer.context)
        return true
    }

    /// Goes from phase to phase until one of them has to wait.
    @inline(__always)
    private func advance() {
        var requests = 0
        while true {
            switch state.phase {
            case .head:
                if requests >= loop.state.limits.pipelinedMax, availableInput > 0 {
                    loop.enqueue(self)
                    return
                }
                requests &+= 1
                if !readHead() { return }
            case .collecting: if !collect() { return }
            case .streaming: if !deliver() { return }
            case .waiting:
                guard let exchange = state.exchange, exchange.isComplete else { return }
                finish(exchange)
                if awaitsRequest { return }
            case .discarding: if !discard() { return }
            case .lingering:
                linger()
                return
            case .socket:
                guard let socket = state.socket else { return }
                socket.advance(self)
                if state.phase == .socket { return }
            case .tunnel: if !carry() { return }
            case .finishing, .closed: return
            }
            if state.isBroken { return }
        }
    }

    /// Whether there is nothing to do before the client's next request, and the connection goes on.
    @inline(__always)
    private var awaitsRequest: Bool {
        state.phase == .head && availableInput == 0 && state.files == nil && !state.isBroken
            && !state.peerHasFinished && !state.closesAfterOutput
            && pendingOutput <= loop.state.limits.outputHighWaterBytes
    }

    /// Leaves the connection as it is to wait: buffers given back, poller and wheel told.
    @inline(__always)
    private func rest() {
        if state.phase == .head, availableInput == 0, pendingOutput == 0, state.files == nil,
            !state.isBroken, !state.peerHasFinished, !loop.state.isDraining,
            state.requestCount > 0
        {
            giveBackIdleBuffers()
            state.writeDeadline = 0
            let deadline = loop.state.tick &+ loop.state.limits.idleTicks
            state.deadline = deadline
            if deadline < state.linkedTick { reschedule(deadline) }
        } else {
            restUncommonly()
        }
    }

    @inline(never)
    private func reschedule(_ deadline: UInt64) {
        loop.state.wheel.schedule(self, at: deadline)
    }

    @inline(never)
    private func restUncommonly() {
        if state.isBroken { return lose(state.peerHasFinished ? .peerClosed : .peerReset) }
        let hasOutput = pendingOutput > 0 || state.files != nil
        if !hasOutput {
            if state.phase == .finishing { return finishOutput() }
            if state.phase == .head, availableInput == 0, loop.state.isDraining {
                return close()
            }
        }
        giveBackIdleBuffers()
        if state.phase == .head, availableInput > 0, !state.isStalledByOutput { shrinkInput() }
        let now = loop.state.tick
        var deadline = ownDeadline(now)
        let awaitsReader = hasOutput || hasWaitingWriter
        state.socket?.unsentBytes.store(pendingOutput, ordering: .relaxed)
        if awaitsReader, state.isSendBlocked {
            startWriteClock()
            deadline = min(deadline, state.writeDeadline)
        } else {
            state.writeDeadline = 0
        }
        if awaitsReader {
            if state.isSendBlocked { awaitWritable() } else { loop.enqueue(self) }
        }
        loop.state.wheel.schedule(self, at: deadline)
    }

    private var hasWaitingWriter: Bool {
        guard let exchange = state.exchange else {
            return state.socket?.waitsForWritable == true
        }
        return exchange.state.waitsForWritable && !exchange.isHeld
    }

    /// When the phase itself has waited long enough for the client.
    private func ownDeadline(_ now: UInt64) -> UInt64 {
        let limits = loop.state.limits
        switch state.phase {
        case .head:
            if state.isStalledByOutput || state.isQueued { return TimerWheel.never }
            if availableInput == 0, state.requestCount > 0 { return now &+ limits.idleTicks }
            if state.headDeadline == 0 { state.headDeadline = now &+ limits.headTicks }
            return state.headDeadline
        case .collecting, .discarding, .lingering: return state.bodyDeadline
        case .socket: return state.socket?.deadline(now) ?? TimerWheel.never
        case .streaming:
            guard wantsBody else { return answerDeadline(now) }
            state.answerDeadline = 0
            return state.bodyDeadline
        case .waiting: return answerDeadline(now)
        case .tunnel, .finishing, .closed: return TimerWheel.never
        }
    }

    /// When the application has kept the client waiting for too long; it has from the first time
    /// that this is asked.
    private func answerDeadline(_ now: UInt64) -> UInt64 {
        guard let exchange = state.exchange, !exchange.hasBegun else { return TimerWheel.never }
        if state.answerDeadline == 0 {
            let seconds = loop.withApplication { $0.answerSeconds(exchange) }
            state.answerDeadline =
                seconds == 0
                ? TimerWheel.never
                : now &+ UInt64(seconds) * 1_000 / TimerWheel.tickMilliseconds
        }
        return state.answerDeadline
    }

    /// Whether the time for the response is over and it has not begun.
    private var lacksAnswer: Bool {
        state.answerDeadline != 0 && state.answerDeadline <= loop.state.tick
            && state.exchange?.hasBegun == false
    }

    /// Answers in the application's stead.
    private func giveUpOnAnswer() {
        guard let exchange = state.exchange else { return }
        let detail = loop.withApplication { $0.gaveNoAnswer(exchange) }
        refuse(504, detail, reason: .answerTimeout)
    }

    /// Acts on a deadline that the wheel has found over, unless it was moved since.
    @inline(never)
    func takeDeadline() {
        state.isDue = false
        loop.state.serving = self
        if state.deadline <= loop.state.tick { expire() }
    }

    private func expire() {
        let now = loop.state.tick
        if state.writeDeadline != 0, state.writeDeadline <= now {
            if isTakingResponse() { return }
            state.resetsOnClose = true
            return lose(.writeTimeout)
        }
        if lacksAnswer { return giveUpOnAnswer() }
        switch state.phase {
        case .head:
            if availableInput == 0 { return isStillReading() ? () : closeForGood() }
            refuse(408, "The request's head took too long; send it at once.", reason: .bodyTimeout)
        case .streaming where !wantsBody: return
        case .collecting, .streaming:
            refuse(
                408, "The request's body paused for too long; send it without a pause.",
                reason: .bodyTimeout)
        case .discarding: return closeForGood()
        case .lingering:
            guard isStillReading() else { return closeForGood() }
            state.bodyDeadline = now &+ loop.state.limits.writeTicks
        case .socket:
            guard state.socket?.expire(now) == true else { return lose(.peerClosed) }
        case .waiting, .tunnel, .finishing, .closed: return
        }
    }

    /// Closes a connection whose client has been silent; with a reset if it has not even taken what
    /// it was sent, because the kernel would keep that for minutes.
    private func closeForGood() {
        state.resetsOnClose = unsentBytes > 0
        close()
    }

    /// All output is out: closes, or waits for the client to close first.
    private func finishOutput() {
        if state.resetsOnClose { return close() }
        if state.peerHasFinished || !state.lingers, !leavesLargeShare { return close() }
        finishSecurely()
        _ = linux_shutdown_write(state.descriptor)
        state.phase = .lingering
        state.inputStart = 0
        state.inputEnd = 0
        let isHasty = loop.state.isDraining
        let ticks = isHasty ? loop.state.limits.lingerHastyTicks : loop.state.limits.lingerTicks
        state.headDeadline = loop.state.tick &+ ticks
        noteBodyProgress(0)
        restUncommonly()
    }

    /// The client is gone: takes leave of the exchange and gives the slot back.
    @inline(never)
    func lose(_ reason: CloseReason) {
        let exchange = state.exchange
        if let socket = state.socket {
            state.socket = nil
            socket.connection = nil
            loop.state.orphans.append(socket)
        }
        if let exchange {
            exchange.state.isCut = true
            detach(exchange)
        }
        close()
        if let exchange { loop.bereave(exchange, reason) }
    }

    /// Parts an exchange from its connection; what the exchange's views point to goes with it.
    func detach(_ exchange: Exchange) {
        if state.pinnedEnd > 0, let input = unsafe state.input {
            unsafe exchange.state.heldInput = UnsafeMutableRawPointer(input)
            exchange.state.heldInputCapacity = state.inputCapacity
            unsafe state.input = nil
            state.inputCapacity = 0
            state.inputStart = 0
            state.inputEnd = 0
            state.pinnedEnd = 0
        }
        exchange.state.peer = state.peer
        exchange.state.connection = nil
        state.exchange = nil
    }

    /// Closes the socket and gives the slot back.
    func close() {
        if state.hasLargeShare { giveUpLargeShare() }
        if unsafe state.tls != nil { giveUpTLS() }
        if state.resetsOnClose {
            _ = linux_close_with_reset(state.descriptor)
        } else {
            _ = linux_close(state.descriptor)
        }
        loop.state.wheel.remove(self)
        if let files = state.files {
            state.files = nil
            files.close()
        }
        state.outputStart = 0
        state.outputEnd = 0
        state.inputStart = 0
        state.inputEnd = 0
        state.pinnedEnd = 0
        giveBackIdleBuffers()
        if !state.chunks.trailers.isEmpty {
            state.chunks = ChunkedDecoder(limits: loop.state.limits.wire)
        }
        state.descriptor = -1
        state.phase = .closed
        state.generation &+= 1
        loop.release(self)
    }
}
