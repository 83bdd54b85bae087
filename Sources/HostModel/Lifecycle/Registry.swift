/// Which plugins there are, and how they are: a fold over the journal.
///
/// `evolve` takes in what happened and never refuses it; `decide` judges what somebody wants to
/// happen and never changes anything. Replaying the journal therefore always gives the same
/// registry.
public struct Registry: Hashable, Sendable {
    /// The plugins that are installed.
    public private(set) var plugins: [PluginName: PluginRecord] = [:]
    /// The plugins that were removed, with their newest generation.
    public private(set) var tombstones: [PluginName: Int] = [:]
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

    /// Takes in one event.
    public mutating func evolve(_ event: LifecycleEvent) {
        switch event.fact {
        case .installed(let release):
            var record = PluginRecord(name: event.plugin, release: release, installedAt: event.time)
            record.generation = tombstones.removeValue(forKey: event.plugin) ?? 0
            plugins[event.plugin] = record
        case .removed:
            tombstones[event.plugin] = plugins.removeValue(forKey: event.plugin)?.generation ?? 0
            mounts = mounts.filter { $0.value != event.plugin }
        case .mounted(let address):
            if plugins[event.plugin] != nil { mounts[address] = event.plugin }
        case .unmounted(let address):
            if mounts[address] == event.plugin { mounts[address] = nil }
        default:
            guard var record = plugins[event.plugin] else { return }
            record.evolve(event.fact)
            record.changedAt = event.time
            plugins[event.plugin] = record
        }
    }

    /// Says that the host has just started: nothing is loaded in a new process.
    public mutating func forgetLoadedGenerations() {
        for name in plugins.keys { plugins[name]?.loadedGenerations = [] }
    }
}

extension PluginRecord {
    fileprivate mutating func evolve(_ fact: LifecycleEvent.Fact) {
        switch fact {
        case .installed, .removed, .mounted, .unmounted: break
        case .activated: isActive = true
        case .deactivated: isActive = false
        case .upgraded(_, let release): self.release = release
        case .libraryReplaced(_, let digest): release.libraryDigest = digest
        case .loaded(let number, let digest, _):
            provenDigest = digest
            generation = max(generation, number)
            loadedGenerations.append(number)
            lastError = nil
        case .loadFailed(let number, let error):
            generation = max(generation, number)
            lastError = error
        case .unloaded(let report):
            loadedGenerations.removeAll { $0 == report.generation }
            lastUnload = report
        }
    }
}
