import CLinux
import Glibc
import HTTPWire
import Synchronization

extension Loop {
    /// The connections that are allocated together; slots never move and are freed only with the
    /// loop.
    private static let slabCount = 64

    /// Finds a free slot.
    private func takeSlot() -> Connection {
        if state.freeConnections == nil { makeSlab() }
        guard let connection = state.freeConnections else { preconditionFailure("a slab is empty") }
        state.freeConnections = connection.state.queueNext
        return connection
    }

    private func makeSlab() {
        let stride = (MemoryLayout<ConnectionFields>.stride + 63) & ~63
        let base = UnsafeMutableRawPointer.allocate(
            byteCount: stride * Loop.slabCount, alignment: 64)
        unsafe state.slabs.append(base)
        for index in (0..<Loop.slabCount).reversed() {
            let slot = unsafe (base + index * stride).bindMemory(
                to: ConnectionFields.self, capacity: 1)
            unsafe slot.initialize(to: ConnectionFields(loop: self, limits: state.limits.wire))
            let connection = unsafe Connection(slot)
            connection.state.queueNext = state.freeConnections
            state.freeConnections = connection
        }
    }

    /// Calls `body` with every open connection.
    func forEachConnection(_ body: (Connection) -> Void) {
        let stride = (MemoryLayout<ConnectionFields>.stride + 63) & ~63
        for slab in unsafe 0..<state.slabs.count {
            let base = unsafe state.slabs[slab]
            for index in 0..<Loop.slabCount {
                let connection = unsafe Connection(
                    (base + index * stride).assumingMemoryBound(to: ConnectionFields.self))
                if connection.state.phase != .closed { body(connection) }
            }
        }
    }

    /// Takes a slot back; a slot that still waits in the queue is reused only after its turn has
    /// passed.
    func release(_ connection: Connection) {
        state.connectionCount -= 1
        withReactor {
            _ = $0.load.subtract(1, ordering: .relaxed)
        }
        if connection.state.isQueued { unlinkFromQueue(connection) }
        connection.state.queueNext = state.freeConnections
        state.freeConnections = connection
        if state.waitsForRoom { resumeAccepting() }
        if state.isDraining, state.connectionCount == 0 { state.drainDeadline = 0 }
    }

    private func unlinkFromQueue(_ connection: Connection) {
        connection.state.isQueued = false
        if state.queueFirst == connection {
            state.queueFirst = connection.state.queueNext
            if state.queueFirst == nil { state.queueLast = nil }
            return
        }
        var previous = state.queueFirst
        while let current = previous, current.state.queueNext != connection {
            previous = current.state.queueNext
        }
        previous?.state.queueNext = connection.state.queueNext
        if state.queueLast == connection { state.queueLast = previous }
    }

    /// Accepts what waits at a listener, a bounded number at a time; false when that was all.
    @discardableResult
    func accept(listener index: Int) -> Bool {
        let isSecure = state.secureListeners.contains(index)
        for _ in 0..<Loop.acceptedMax {
            guard state.isAccepting else { return false }
            if state.connectionCount >= state.limits.connectionsMax, !makeRoom() {
                waitForRoom()
                return false
            }
            let connection = takeSlot()
            let descriptor = unsafe connection.state.peer.accept(from: state.listeners[index])
            guard descriptor >= 0 else {
                connection.state.queueNext = state.freeConnections
                state.freeConnections = connection
                acceptFailed(-descriptor, listener: index)
                return false
            }
            let isPassedOn =
                !state.isDraining
                && withReactor {
                    $0.passOn(descriptor, isSecure: isSecure)
                }
            if isPassedOn {
                connection.state.queueNext = state.freeConnections
                state.freeConnections = connection
            } else {
                open(connection, descriptor, isSecure: isSecure)
            }
        }
        return true
    }

    /// The most connections that are accepted before those that are open have their turn.
    private static let acceptedMax = 64

    /// Takes over a socket that another reactor has accepted.
    func adopt(_ descriptor: Int32, isSecure: Bool) {
        guard !state.hasEnded else {
            withReactor {
                _ = $0.load.subtract(1, ordering: .relaxed)
            }
            linux_close(descriptor)
            return
        }
        let connection = takeSlot()
        connection.state.peer.ask(descriptor)
        open(connection, descriptor, isSecure: isSecure, isCounted: true)
    }

    private func open(
        _ connection: Connection, _ descriptor: Int32, isSecure: Bool, isCounted: Bool = false
    ) {
        if !isCounted {
            withReactor {
                _ = $0.load.add(1, ordering: .relaxed)
            }
        }
        state.connectionCount += 1
        let number = withReactor { $0.opened.add(1, ordering: .relaxed).newValue }
        connection.begin(descriptor, by: isSecure ? state.certificates : nil)
        guard connection.state.phase != .closed else { return }
        connection.state.number = UInt32(truncatingIfNeeded: number)
        if state.isDraining { lookOnceMore(at: connection) }
    }

    private func acceptFailed(_ reason: Int32, listener index: Int) {
        switch reason {
        case EMFILE, ENFILE, ENOBUFS, ENOMEM:
            if makeRoom() { return }
            // One client gets a clear end instead of silence; then the others wait in the backlog.
            if state.reserveDescriptor >= 0 {
                linux_close(state.reserveDescriptor)
                var peer = PeerAddress()
                let descriptor = unsafe peer.accept(from: state.listeners[index])
                if descriptor >= 0 { linux_close(descriptor) }
                state.reserveDescriptor = linux_reserve_descriptor()
            }
            pauseAccepting()
            state.acceptsAgainAt = state.tick + Loop.acceptPauseTicks
        default: return
        }
    }

    /// How long a loop accepts nothing when the process has no descriptor left.
    private static let acceptPauseTicks: UInt64 = 2

    /// Says where to accept; called before any thread runs the loop.
    func setListeners(
        _ listeners: [Int32], secure: Set<Int> = [], by certificates: TLSCertificates? = nil
    ) {
        state.secureListeners = secure
        state.certificates = certificates
        unsafe state.listeners.deallocate()
        let kept = UnsafeMutableBufferPointer<Int32>.allocate(capacity: listeners.count)
        _ = unsafe kept.initialize(from: listeners)
        unsafe state.listeners = kept
        resumeAccepting()
    }

    func pauseAccepting() {
        guard state.isAccepting else { return }
        state.isAccepting = false
        for index in unsafe 0..<state.listeners.count {
            unsafe state.poller.remove(state.listeners[index])
        }
    }

    func resumeAccepting() {
        state.acceptsAgainAt = .max
        state.waitsForRoom = false
        guard !state.isAccepting, !state.isLeaving else { return }
        state.isAccepting = true
        if state.reserveDescriptor < 0 { state.reserveDescriptor = linux_reserve_descriptor() }
        for index in unsafe 0..<state.listeners.count {
            let listener = unsafe state.listeners[index]
            _ = state.poller.add(listener, [.readable, .exclusive], token: Token.listener(index))
        }
    }

    /// The drain is over: cuts what is left and says that the loop has ended.
    ///
    /// A call that overruns in here is met by beginning again on the next thread; what has been
    /// closed stays closed.
    func closeEverything() {
        forEachConnection { connection in
            connection.state.resetsOnClose = connection.state.exchange != nil
            connection.lose(.shutdown)
        }
        tellOrphans()
        state.upstreams?.closeAll()
        var next = state.everyExchange
        while let exchange = next {
            next = exchange.state.nextOfAll
            if exchange.state.isInUse, !exchange.isHeld {
                exchange.abort()
                end(exchange)
            }
        }
        state.readyFirst = nil
        state.readyLast = nil
        state.drainDeadline = .max
        state.hasEnded = true
        state.leaves = true
    }
}

extension Connection {
    /// Starts to serve a socket in this slot.
    ///
    /// - Parameter certificates: what TLS is spoken with; nil: it is not spoken.
    func begin(_ descriptor: Int32, by certificates: TLSCertificates?) {
        state.descriptor = descriptor
        state.phase = .head
        state.isInService = false
        state.isDue = false
        state.peerHasFinished = false
        state.isBroken = false
        state.closesAfterOutput = false
        state.resetsOnClose = false
        state.lingers = false
        state.isStalledByOutput = false
        state.isSendBlocked = false
        state.owesContinue = false
        state.hasToldEnd = false
        state.exchange = nil
        state.socket = nil
        state.scanned = 0
        state.bodyRemaining = 0
        state.bodyIsChunked = false
        state.writeDeadline = 0
        state.requestCount = 0
        state.sentBytes = 0
        state.turnStart = 0
        state.takenBytesMark = 0
        state.headDeadline = loop.state.tick &+ loop.state.limits.headTicks
        state.awaitsWritable = false
        state.mayHaveInput = false
        state.endIsAhead = false
        let interest: Poller.Readiness = [.readable, .peerFinished, .onChange]
        if let certificates, !secure(by: certificates) { return close() }
        if loop.state.poller.add(descriptor, interest, token: token) < 0 { return close() }
        loop.state.wheel.schedule(self, at: state.headDeadline)
    }
}
