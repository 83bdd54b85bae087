import Glibc
import Synchronization

extension Loop {
    /// Asks for the use of the loop; see `Exchange.enterLoop`.
    @inline(__always)
    func enter() -> LoopEntry {
        let crossing = unsafe state.crossing
        let word = unsafe crossing.pointee.word.load(ordering: .acquiring)
        // Looked at after the word: whoever takes the loop becomes its runner before it changes the
        // word again, so a word of another runner is never taken for one's own.
        guard unsafe crossing.pointee.runner.load(ordering: .acquiring) == pthread_self() else {
            return LoopEntry(word: 0)
        }
        switch word & Crossing.Side.mask {
        case Crossing.Side.code:
            let isOpen = unsafe crossing.pointee.word.compareExchange(
                expected: word, desired: word &+ (Crossing.Side.callback - Crossing.Side.code),
                ordering: .acquiringAndReleasing
            ).exchanged
            return LoopEntry(word: isOpen ? word : 0)
        case Crossing.Side.taken: return LoopEntry(word: 0)
        default: return LoopEntry(word: word)
        }
    }

    /// Ends the use of the loop that `enter` granted.
    @inline(__always)
    func leave(_ entry: LoopEntry) {
        if entry.word & Crossing.Side.mask == Crossing.Side.code {
            unsafe state.crossing.pointee.word.store(entry.word, ordering: .releasing)
        }
    }

    /// Goes on after the loop was taken from a thread that was in a call; on its new thread.
    ///
    /// Everything that the former thread was about to do is in the state, but for the turn of the
    /// connection that it served: that one gets another.
    func goOn(without thread: Int32) {
        guard let exchange = state.calling else { preconditionFailure("nothing was called") }
        state.calling = nil
        let kind = state.callKind
        exchange.hold()
        if kind == .body { exchange.keepPiece(state.pieceCount) }
        if let connection = state.serving, connection.state.phase != .closed {
            connection.state.isInService = false
            enqueue(connection)
        }
        withApplication { $0.overran(exchange, kind, thread: thread) }
        let crossing = unsafe state.crossing
        unsafe crossing.pointee.word.store(
            crossing.pointee.word.load(ordering: .relaxed) & ~Crossing.Side.mask,
            ordering: .releasing)
    }

    /// Makes the calling thread the one that runs the loop.
    func becomeRunner(_ thread: Int32) {
        unsafe state.crossing.pointee.runnerID.store(thread, ordering: .relaxed)
        unsafe state.crossing.pointee.runner.store(UInt(pthread_self()), ordering: .releasing)
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
