/// Hands out the plugins of a plan one by one, each as soon as those before it are done.
public struct StartQueue: Sendable {
    private var waits: [PluginName: Int] = [:]
    private var after: [PluginName: [PluginName]] = [:]
    /// The last one is the next.
    private var ready: [PluginName] = []

    /// - Parameter reversed: whether plugins end, and so come before what they use.
    public init(_ plan: StartPlan, reversed: Bool = false) {
        for (name, others) in plan.predecessors {
            for other in others {
                let (first, second) = reversed ? (name, other) : (other, name)
                after[first, default: []].append(second)
                waits[second, default: 0] += 1
            }
        }
        let names = reversed ? plan.names.reversed() : plan.names
        ready = names.filter { waits[$0] == nil }.reversed()
    }

    /// The next plugin that may be begun, if there is one now.
    public mutating func next() -> PluginName? { ready.popLast() }

    /// Says that a plugin is done, well or not.
    public mutating func finish(_ name: PluginName) {
        var freed: [PluginName] = []
        for other in after.removeValue(forKey: name) ?? [] {
            waits[other, default: 0] -= 1
            if waits[other] == 0 { freed.append(other) }
        }
        ready.insert(contentsOf: freed.sorted().reversed(), at: 0)
    }
}
