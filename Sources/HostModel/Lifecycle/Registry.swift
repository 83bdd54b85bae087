/// Which plugins there are, and how they are: a fold over the journal.
///
/// Each plugin is an aggregate of its own (`PluginAggregate`); what they share, the places where
/// they are mounted, is kept here. Replaying the journal always gives the same registry.
public struct Registry: Hashable, Sendable {
    /// The plugins that are installed.
    public private(set) var plugins: [PluginName: PluginRecord] = [:]
    /// What has begun and is not done.
    public private(set) var changes: [PluginName: Change] = [:]
    /// What was removed.
    public private(set) var tombstones: [PluginName: Tombstone] = [:]
    /// The places that operators have given to plugins.
    public private(set) var mounts: [MountAddress: PluginName] = [:]

    public init() {}

    /// Replays events in order.
    public init(_ events: some Sequence<LifecycleEvent>) {
        for event in events { evolve(event) }
    }

    /// The plugin of that name, if it is installed.
    public subscript(name: PluginName) -> PluginRecord? { plugins[name] }

    /// The installed plugins by name.
    public var sorted: [PluginRecord] { plugins.values.sorted { $0.name < $1.name } }

    /// The places of one plugin, in order.
    public func mounts(of name: PluginName) -> [MountAddress] {
        mounts.filter { $0.value == name }.keys.sorted()
    }

    /// All that the events of one plugin tell.
    public func aggregate(_ name: PluginName) -> PluginAggregate {
        PluginAggregate(
            name: name, record: plugins[name], change: changes[name], tombstone: tombstones[name])
    }

    /// Takes in one event.
    public mutating func evolve(_ event: LifecycleEvent) {
        let name = event.plugin
        switch event.fact {
        case .mounted(let address): if plugins[name] != nil { mounts[address] = name }
        case .unmounted(let address): if mounts[address] == name { mounts[address] = nil }
        default:
            if case .removed = event.fact { mounts = mounts.filter { $0.value != name } }
            var aggregate = aggregate(name)
            aggregate.evolve(event)
            plugins[name] = aggregate.record
            changes[name] = aggregate.change
            tombstones[name] = aggregate.tombstone
        }
    }

    /// What has to be written when a host starts: nothing is loaded in a new process.
    public func lostGenerations() -> [(name: PluginName, fact: LifecycleEvent.Fact)] {
        sorted.filter { !$0.loadedGenerations.isEmpty }.map { record in
            (record.name, .lost(generations: record.loadedGenerations))
        }
    }
}
