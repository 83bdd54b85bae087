import PluginKit
import Synchronization

/// Tells every open page what has changed, as it happens.
final class Changes: Sendable {
    private struct State {
        var listeners: [Int: AsyncStream<ServerEvent>.Continuation] = [:]
        var next = 0
    }

    private let state = Mutex(State())

    /// What happens from now on. A listener that does not keep up misses the oldest changes.
    func listen() -> AsyncStream<ServerEvent> {
        let (events, listener) = AsyncStream.makeStream(
            of: ServerEvent.self, bufferingPolicy: .bufferingNewest(100))
        let number = state.withLock { state in
            state.next += 1
            state.listeners[state.next] = listener
            return state.next
        }
        listener.onTermination = { [weak self] _ in
            let left = self?.state.withLock { $0.listeners.removeValue(forKey: number) }
            _ = left
        }
        // Pages are back one second after the connection was lost.
        listener.yield(ServerEvent("", name: "hello", retryMilliseconds: 1_000))
        return events
    }

    func tell(_ what: String, _ id: Int) {
        let change: JSON = ["what": .string(what), "id": .integer(id)]
        let event = ServerEvent(String(decoding: change.bytes, as: UTF8.self), name: "change")
        for listener in state.withLock({ $0.listeners.values }) { listener.yield(event) }
    }
}
