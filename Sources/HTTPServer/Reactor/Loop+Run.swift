import CLinux
import Glibc

/// What a poller's token means when it is no connection: connections' tokens are multiples of 16.
enum Token {
    static let wakeup: UInt64 = 1
    static let listenerTag: UInt64 = 2
    static let alarm: UInt64 = 3
    /// The tag of a connection to an upstream, beside its address.
    static let upstreamTag: UInt64 = 4

    static func listener(_ index: Int) -> UInt64 { UInt64(index) << 8 | listenerTag }
}

extension Loop {
    /// Runs the loop on the calling thread until a message tells it to leave.
    ///
    /// Everything that the loop knows is in its state and nothing on the stack, so any thread can
    /// go on with it.
    func run() {
        while !state.leaves {
            if state.eventIndex == state.eventCount { wait() }
            readClock()
            while state.eventIndex < state.eventCount {
                let index = state.eventIndex
                state.eventIndex = index &+ 1
                take(state.poller.token(index), state.poller.readiness(index))
            }
            if hasQueue { serveQueue() }
            if hasDeadlineOver { passTime() }
        }
        state.leaves = false
    }

    /// Whether `serveQueue` has something to do.
    @inline(__always)
    private var hasQueue: Bool {
        state.queueFirst != nil || state.readyFirst != nil || !state.orphans.isEmpty
    }

    @inline(__always)
    private func wait() {
        let hasWork = hasQueue
        if !hasWork {
            let wakeAt = min(
                min(state.wheel.nextTick, state.upstreamDeadline),
                min(state.acceptsAgainAt, state.drainDeadline))
            if wakeAt < state.alarmTick { setAlarm(wakeAt) }
        }
        state.eventIndex = 0
        state.eventCount = state.poller.wait(timeoutMilliseconds: hasWork ? 0 : -1)
    }

    /// Sets the alarm to an earlier tick. It stays set while deadlines move away, which they do
    /// with each request: a wait with a timeout would have the kernel set and cancel a timer every
    /// time.
    @inline(never)
    private func setAlarm(_ tick: UInt64) {
        state.alarmTick = tick
        // The wheel turns by the coarse clock, which lags behind the timer's by a few milliseconds.
        let lag: UInt64 = 5
        _ = linux_alarm_set(state.alarm, tick &* TimerWheel.tickMilliseconds &+ lag)
    }

    @inline(__always)
    private func take(_ token: UInt64, _ readiness: Poller.Readiness) {
        if token & 15 == 0 {
            if let connection = Connection(token: token) { connection.handle(readiness) }
        } else if token == Token.wakeup {
            openMailbox()
        } else if token == Token.alarm {
            _ = linux_alarm_clear(state.alarm)
            state.alarmTick = TimerWheel.never
        } else if token & 15 == Token.upstreamTag {
            UpstreamConnection.of(token: token)?.handle(readiness)
        } else {
            accept(listener: Int(token >> 8))
        }
    }

    /// Gives everyone in the queue a turn, and takes leave of exchanges that were completed after
    /// their client left.
    ///
    /// Application code may be called here and by `take`, nowhere else: each time with all that is
    /// still to be done in the loop's state, so that another thread can go on with it.
    @inline(never)
    private func serveQueue() {
        if !state.orphans.isEmpty { tellOrphans() }
        while let exchange = state.readyFirst {
            state.readyFirst = exchange.state.next
            if state.readyFirst == nil { state.readyLast = nil }
            exchange.state.isReady = false
            if exchange.state.isResuming {
                goOn(exchange)
            } else if exchange.isHeld {
                continue
            } else if exchange.isComplete {
                end(exchange)
            } else if let reason = exchange.state.unheardReason {
                exchange.state.unheardReason = nil
                state.serving = nil
                tell(exchange, reason)
            }
        }
        guard let last = state.queueLast else { return }
        while let connection = state.queueFirst {
            state.queueFirst = connection.state.queueNext
            if state.queueFirst == nil { state.queueLast = nil }
            connection.state.isQueued = false
            if connection.state.phase != .closed {
                connection.state.turnStart = connection.state.sentBytes
                if connection.state.isDue { connection.takeDeadline() }
                connection.service()
            }
            if connection == last { return }
        }
    }

    /// Lets the application go on with an exchange that it has been waiting to go on with.
    @inline(never)
    private func goOn(_ exchange: Exchange) {
        exchange.state.isResuming = false
        exchange.state.isHeld = false
        state.serving = nil
        withApplication { $0.resumed(exchange) }
        if exchange.isComplete { exchange.schedule() }
    }

    /// Tells WebSockets that their connections are gone.
    @inline(never)
    func tellOrphans() {
        while let socket = state.orphans.popLast() {
            state.serving = nil
            socket.lost()
        }
    }

    /// Whether `passTime` has something to do.
    @inline(__always)
    private var hasDeadlineOver: Bool {
        let tick = state.tick
        return tick > state.wheel.now || state.upstreamDeadline <= tick
            || state.acceptsAgainAt <= tick || state.drainDeadline <= tick
    }

    /// Gives those a turn whose deadlines are over.
    @inline(never)
    private func passTime() {
        let tick = state.tick
        if tick > state.wheel.now {
            for passed in state.wheel.advance(to: tick) {
                state.wheel.visit(passed) { connection in
                    connection.state.isDue = true
                    enqueue(connection)
                }
            }
        }
        if state.upstreamDeadline <= tick { state.upstreams?.passTime(tick) }
        if state.acceptsAgainAt <= tick { resumeAccepting() }
        if state.drainDeadline <= tick { closeEverything() }
    }

    private func openMailbox() {
        var messages = withReactor { $0.mailbox.take() }
        // Each is let go of before the next, with all its bytes.
        messages.reverse()
        while let message = messages.popLast() { obey(message) }
    }

    func obey(_ message: Message) {
        switch message {
        case .call(let body), .control(let body): body()
        case .adopt(let descriptor, let isSecure): adopt(descriptor, isSecure: isSecure)
        case .exchange(let exchange, let generation, let act):
            exchange.obey(act, generation: generation)
        case .returned(let exchange, let kind, let result):
            exchange.comeBack(kind, result: result)
        case .socket(let socket, let act, let bytes): socket.obey(act, bytes: bytes)
        case .socketReturned(let socket, let kind, let result):
            socket.comeBack(kind, result: result)
        case .leave: state.leaves = true
        case .drain(let milliseconds): drain(milliseconds)
        }
    }

    /// Puts a connection into the queue for a turn after the current events.
    func enqueue(_ connection: Connection) {
        guard !connection.state.isQueued else { return }
        connection.state.isQueued = true
        connection.state.queueNext = nil
        if let last = state.queueLast {
            last.state.queueNext = connection
        } else {
            state.queueFirst = connection
        }
        state.queueLast = connection
    }

    /// Notes an exchange without a client that may have been completed.
    func enqueueReady(_ exchange: Exchange) {
        guard !exchange.state.isReady else { return }
        exchange.state.isReady = true
        exchange.state.next = nil
        if let last = state.readyLast {
            last.state.next = exchange
        } else {
            state.readyFirst = exchange
        }
        state.readyLast = exchange
    }
}
