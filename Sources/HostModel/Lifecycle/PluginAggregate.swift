/// What a removed plugin leaves in the registry.
public struct Tombstone: Hashable, Sendable {
    /// The newest generation that was tried; numbers are not given twice.
    public internal(set) var generation = 0
    /// The bundles that were removed and have not been let in again.
    public internal(set) var digests: Set<Digest> = []
}

/// One plugin, as its own events tell it: from before it is installed until after it is removed.
///
/// `decide` judges what somebody wants to happen and never changes anything; `evolve` takes in what
/// happened and never refuses it.
public struct PluginAggregate: Hashable, Sendable {
    public let name: PluginName
    /// Nil when it is not installed.
    public private(set) var record: PluginRecord?
    /// What has begun and is not done.
    public private(set) var change: Change?
    /// Nil when nothing of that name was ever removed.
    public private(set) var tombstone: Tombstone?

    public init(name: PluginName) { self.name = name }

    init(name: PluginName, record: PluginRecord?, change: Change?, tombstone: Tombstone?) {
        self.name = name
        self.record = record
        self.change = change
        self.tombstone = tombstone
    }

    /// Takes in one event.
    public mutating func evolve(_ event: LifecycleEvent) {
        switch event.fact {
        case .began(let change): self.change = change
        case .undone: change = nil
        case .installed(let release): install(release, event.time)
        case .removed: remove()
        default:
            if case .engineCrashed = event.fact { record?.noteCrash(at: event.time) }
            record?.evolve(event.fact, change: change)
            record?.changedAt = event.time
        }
        if case .upgraded(_, let release) = event.fact, record != nil {
            change = nil
            letIn(release)
        }
    }

    private mutating func install(_ release: LifecycleEvent.Release, _ time: Timestamp) {
        var record = PluginRecord(name: name, release: release, installedAt: time)
        record.generation = tombstone?.generation ?? 0
        record.putInForce(release, change?.target?.directory ?? "")
        self.record = record
        change = nil
        letIn(release)
    }

    /// A bundle that was removed is in force again.
    private mutating func letIn(_ release: LifecycleEvent.Release) {
        tombstone?.digests.remove(release.bundleDigest)
        if tombstone?.digests.isEmpty == true { tombstone = nil }
    }

    private mutating func remove() {
        change = nil
        guard let record else { return }
        var tombstone = tombstone ?? Tombstone()
        tombstone.generation = record.generation
        tombstone.digests.insert(record.release.bundleDigest)
        tombstone.digests.formUnion(record.versions.map(\.bundleDigest))
        self.tombstone = tombstone
        self.record = nil
    }
}
