import Synchronization

/// A value that one thread works out while another task does something else, and then awaits it.
final class Promise<Value: Sendable>: Sendable {
    private struct State {
        var value: Value?
        var waiter: CheckedContinuation<Value, Never>?
    }

    private let state = Mutex(State())

    /// Says what the value is, once.
    func fulfil(_ value: Value) {
        let waiter = state.withLock { state in
            precondition(state.value == nil, "a promise is kept once")
            state.value = value
            return state.waiter
        }
        waiter?.resume(returning: value)
    }

    /// Waits for the value; one task does.
    nonisolated(nonsending) func value() async -> Value {
        await withCheckedContinuation { continuation in
            let value = state.withLock { state -> Value? in
                if state.value == nil { state.waiter = continuation }
                return state.value
            }
            if let value { continuation.resume(returning: value) }
        }
    }
}
