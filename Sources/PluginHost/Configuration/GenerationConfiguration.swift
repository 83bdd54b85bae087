import Synchronization

/// The configuration of one generation: the state in force, and those that it still looks at.
final class GenerationConfiguration: Sendable {
    private struct State {
        var current = ConfigurationSnapshot(.empty, revision: 0)
        var held: [ObjectIdentifier: (snapshot: ConfigurationSnapshot, count: Int)] = [:]
    }

    private let state = Mutex(State())

    /// The state in force.
    var current: ConfigurationSnapshot {
        get { state.withLock { $0.current } }
        set { state.withLock { $0.current = newValue } }
    }

    /// The state in force, kept until it is given to `release` as often.
    func acquire() -> ConfigurationSnapshot {
        state.withLock { state in
            let snapshot = state.current
            state.held[ObjectIdentifier(snapshot), default: (snapshot, 0)].count += 1
            return snapshot
        }
    }

    /// Gives back what `acquire` returned; false when it is none that is held.
    func release(_ pointer: UnsafeRawPointer) -> Bool {
        let address = UInt(bitPattern: pointer)
        // What is let go is freed after the lock.
        var last: ConfigurationSnapshot?
        let isHeld = state.withLock { state in
            let key = state.held.keys.first { UInt(bitPattern: $0) == address }
            guard let key, var hold = state.held[key] else { return false }
            hold.count -= 1
            state.held[key] = hold.count > 0 ? hold : nil
            if hold.count == 0 { last = hold.snapshot }
            return true
        }
        withExtendedLifetime(last) {}
        return isHeld
    }
}
