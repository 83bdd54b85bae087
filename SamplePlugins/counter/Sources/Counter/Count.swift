import PluginKit
import Synchronization

/// A number that many requests raise at the same time.
final class Count: Sendable {
    private let current: Atomic<Int>
    private let step = Atomic<Int>(1)

    init(_ configuration: Configuration) {
        current = Atomic(configuration.integer("start") ?? 0)
        takeStep(of: configuration)
    }

    var value: Int {
        get { current.load(ordering: .relaxed) }
        set { current.store(newValue, ordering: .relaxed) }
    }

    /// Raises the number by one step, and returns it.
    func goOn() -> Int {
        let step = step.load(ordering: .relaxed)
        return current.wrappingAdd(step, ordering: .relaxed).newValue
    }

    func takeStep(of configuration: Configuration) {
        step.store(configuration.integer("step") ?? 1, ordering: .relaxed)
    }
}
