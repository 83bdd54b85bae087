import CLinux
import HTTPWire

/// What a loop does when there are more clients than it may have connections, or when it shall take
/// leave of them.
extension Loop {
    /// Closes connections of which nothing is owed, those first that have been idle for longest;
    /// false when there are none.
    ///
    /// An eighth of them goes at once, so that not every new client costs a look at all others.
    func makeRoom() -> Bool {
        var idle: [(since: UInt64, connection: Connection)] = []
        forEachConnection { connection in
            if connection.isExpendable { idle.append((connection.state.deadline, connection)) }
        }
        idle.sort { $0.since < $1.since }
        var isDone = false
        for (_, connection) in idle.prefix(max(1, min(idle.count / 8, Loop.expendedMax))) {
            connection.close()
            isDone = true
        }
        return isDone
    }

    /// The most connections that are closed to make room for others.
    private static let expendedMax = 1_024

    /// Accepts nothing until a connection ends by itself, or for a while: by then some may be idle.
    func waitForRoom() {
        pauseAccepting()
        state.waitsForRoom = true
        state.acceptsAgainAt = state.tick + Loop.roomPauseTicks
    }

    private static let roomPauseTicks: UInt64 = 10

    /// Cuts off clients that leave much of their responses unread when a connection wants more
    /// memory than the buffers may take up: those first that have not read for longest, and the one
    /// that it is wanted for if that is not enough.
    @inline(never)
    func makeMemory(_ count: Int, for connection: Connection) {
        let most = state.limits.bufferBytesMax
        guard state.buffers.bytes + count > most else { return }
        var slow: [Connection] = []
        forEachConnection { other in
            if other != connection, other.holdsUnreadOutput { slow.append(other) }
        }
        slow.sort { $0.state.writeDeadline < $1.state.writeDeadline }
        for other in slow {
            // Some more than is wanted, so that not every response costs a look at all clients.
            if state.buffers.bytes + count <= most - most / 16 { break }
            other.dropOutput()
        }
        if state.buffers.bytes + count > most {
            connection.state.isBroken = true
            connection.state.resetsOnClose = true
        }
    }

    /// Accepts no more, and answers the next request on each connection as its last; idle
    /// connections stay, because a request may be on its way.
    func beginLeaving() {
        state.isLeaving = true
        pauseAccepting()
        state.waitsForRoom = false
        state.acceptsAgainAt = .max
    }

    /// Accepts no more and lets what runs come to its end.
    ///
    /// A request that has arrived by now is answered, also on a connection that nobody has accepted
    /// yet; idle connections are closed.
    func drain(_ milliseconds: UInt64) {
        state.isDraining = true
        state.isLeaving = true
        for index in unsafe 0..<state.listeners.count { while accept(listener: index) {} }
        pauseAccepting()
        state.waitsForRoom = false
        state.acceptsAgainAt = .max
        state.drainDeadline = state.tick + milliseconds / TimerWheel.tickMilliseconds + 1
        forEachConnection { connection in
            switch connection.state.phase {
            case .head where connection.availableInput == 0:
                lookOnceMore(at: connection)
            case .lingering: connection.lingerLess()
            case .socket:
                connection.state.socket?.close(WebSocketCloseCode.goingAway, "the server stops")
            default: break
            }
        }
        state.upstreams?.endTunnels()
        if state.connectionCount == 0 { state.drainDeadline = 0 }
    }

    /// Has the connection read once more, and then closed if nothing has come.
    func lookOnceMore(at connection: Connection) {
        connection.state.mayHaveInput = true
        enqueue(connection)
    }
}

extension Connection {
    /// Whether the client is owed nothing and has sent nothing that is waiting to be read.
    fileprivate var isExpendable: Bool {
        // What the kernel has of a large share would be lost.
        if leavesLargeShare { return false }
        switch state.phase {
        case .lingering: return true
        case .head:
            return state.requestCount > 0 && availableInput == 0 && pendingOutput == 0
                && state.files == nil && !state.isQueued && !state.isInService
                && state.deadline <= loop.state.tick &+ idleRest
                && linux_unread_bytes(state.descriptor) <= 0
        default: return false
        }
    }

    /// Whether a large part of a response waits for the client, and nobody is writing it just now.
    fileprivate var holdsUnreadOutput: Bool {
        state.isSendBlocked && state.writeDeadline != 0 && !state.isInService && !state.isBroken
            && pendingOutput > BufferPool.bufferBytes && (state.exchange?.state.reserved ?? 0) == 0
    }

    /// Drops what the client has not taken, and cuts the connection at its next turn.
    fileprivate func dropOutput() {
        state.isBroken = true
        state.resetsOnClose = true
        // What else the client has asked for will not be looked at.
        if state.exchange == nil { state.phase = .finishing }
        state.outputStart = 0
        state.outputEnd = 0
        giveBackIdleBuffers()
        loop.enqueue(self)
    }

    /// How far away the deadline is of a connection that has been idle for as long as it is kept.
    private var idleRest: UInt64 {
        let limits = loop.state.limits
        return limits.idleTicks - min(limits.idleTicks, limits.idleKeptTicks)
    }

    /// Ends the lingering soon.
    fileprivate func lingerLess() {
        let end = loop.state.tick &+ loop.state.limits.lingerHastyTicks
        state.headDeadline = min(state.headDeadline, end)
        noteBodyProgress(0)
        loop.state.wheel.schedule(self, at: state.bodyDeadline)
    }
}
