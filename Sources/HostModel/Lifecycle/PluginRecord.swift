/// What the registry knows of one plugin, from its events alone.
public struct PluginRecord: Hashable, Sendable {
    public var name: PluginName
    public var release: LifecycleEvent.Release
    /// Whether the operator wants it to serve.
    public var isActive = false
    /// The number of the newest generation that was tried; it never goes back, not even when the
    /// plugin is removed and installed again.
    public var generation = 0
    /// The generations that are loaded, oldest first; the last one serves, the others drain.
    public var loadedGenerations: [Int] = []
    /// The library that was loaded last, and came up.
    public var provenDigest: Digest?
    /// Why the newest generation does not serve, until one does.
    public var lastError: HostError?
    public var lastUnload: UnloadReport?
    public var installedAt: Timestamp
    public var changedAt: Timestamp

    public init(name: PluginName, release: LifecycleEvent.Release, installedAt: Timestamp) {
        self.name = name
        self.release = release
        self.installedAt = installedAt
        changedAt = installedAt
    }
}
