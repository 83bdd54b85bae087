internal import HTTPServer
import Synchronization

/// Requests to one plugin that wait while its state is handed over.
///
/// They are counted on a generation of its own, whose routes are those of the generation that
/// served; when they are let go, they move to whatever serves then.
final class RequestHold: Sendable {
    private struct State {
        var isOver = false
        var waiting: [Exchange] = []
    }

    private let state = Mutex(State())

    /// How many wait.
    var count: Int { state.withLock { $0.waiting.count } }

    /// Lets a request wait, as one that another thread runs code for; false, and nothing done, when
    /// the waiting is over. On the loop's thread.
    func keep(_ exchange: Exchange) -> Bool {
        state.withLock { state in
            guard !state.isOver else { return false }
            exchange.hold()
            state.waiting.append(exchange)
            return true
        }
    }

    /// Ends the waiting: each loop hears that its requests are back, after it has been given a
    /// table with what serves.
    func end() {
        let waiting = state.withLock { state in
            state.isOver = true
            defer { state.waiting = [] }
            return state.waiting
        }
        for exchange in waiting { exchange.endRemoteCall(result: 0) }
    }
}
