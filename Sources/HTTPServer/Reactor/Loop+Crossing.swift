import CLinux
import Synchronization

extension Loop {
    /// Asks for the use of the loop; see `Exchange.enterLoop`.
    @inline(__always)
    func enter() -> LoopEntry { unsafe state.crossing.pointee.enter() }

    /// Ends the use of the loop that `enter` granted.
    @inline(__always)
    func leave(_ entry: LoopEntry) { unsafe state.crossing.pointee.leave(entry) }

    /// Goes on after the loop was taken from a thread that was in a call; on its new thread.
    ///
    /// Everything that the former thread was about to do is in the state, but for the turn of the
    /// connection that it served: that one gets another.
    func goOn(without thread: Int32) {
        let called = holdCalled()
        if let connection = state.serving, connection.state.phase != .closed {
            connection.state.isInService = false
            enqueue(connection)
        }
        switch called {
        case .exchange(let exchange, let kind):
            withApplication { $0.overran(exchange, kind, thread: thread) }
        case .socket(let socket, let kind):
            withApplication { $0.overran(socket, kind, thread: thread) }
        }
        let crossing = unsafe state.crossing
        unsafe crossing.pointee.word.store(
            crossing.pointee.word.load(ordering: .relaxed) & ~Crossing.Side.mask,
            ordering: .releasing)
    }

    private enum Called {
        case exchange(Exchange, CallKind)
        case socket(WebSocket, SocketCallKind)
    }

    /// Holds what the former thread called code for.
    private func holdCalled() -> Called {
        if let called = unsafe state.callingSocket {
            unsafe state.callingSocket = nil
            let socket = unsafe called.takeUnretainedValue()
            socket.hold(state.socketCallKind)
            return .socket(socket, state.socketCallKind)
        }
        let crossing = unsafe state.crossing
        guard let called = unsafe crossing.pointee.calling else {
            preconditionFailure("nothing was called")
        }
        let exchange = unsafe Exchange(opaque: called)
        let kind = unsafe crossing.pointee.kind
        switch kind {
        case .leave: exchange.holdAtEnd()
        case .body:
            exchange.hold()
            exchange.keepPiece(state.pieceCount)
        case .handle, .writable, .closed, .draining, .enter, .head: exchange.hold()
        }
        return .exchange(exchange, kind)
    }

    /// Makes the calling thread the one that runs the loop.
    func becomeRunner(_ thread: Int32) {
        linux_set_runs_loop()
        unsafe state.crossing.pointee.runnerID.store(thread, ordering: .relaxed)
        unsafe state.crossing.pointee.runner.store(linux_this_thread(), ordering: .releasing)
    }

    /// Ends what `becomeRunner` began.
    func resignAsRunner() {
        unsafe state.crossing.pointee.runner.store(0, ordering: .releasing)
    }

    @inline(never)
    func wakeWatchdog() {
        guard unsafe state.crossing.pointee.watchdogSleeps.exchange(false, ordering: .relaxed)
        else { return }
        withReactor { $0.bell.pass() }
    }
}
