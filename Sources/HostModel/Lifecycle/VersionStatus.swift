/// How one release of a plugin is.
///
/// - Shape: the legal moves, each named by its signal:
///   ```
///   inactive     -connect-> connected
///   connected    -miss->    disconnected   -heartbeat, connect-> connected
///   connected, disconnected -rest->        inactive
///   every other one         -retire->      retired
///   ```
///   Nothing leads out of `retired`: a heartbeat that comes late changes nothing.
public enum VersionStatus: String, Hashable, Sendable, CaseIterable {
    /// A generation of it is up, and says so in time.
    case connected
    /// A generation of it is up, and is unhealthy or does not say how it is.
    case disconnected
    /// It is on the disk, and none of its generations is up.
    case inactive
    /// It has failed, and never serves again; its bundle can be installed as a new release.
    case retired

    /// What moves a release.
    public enum Signal: String, Hashable, Sendable, CaseIterable {
        /// A generation of it has come up.
        case connect
        /// A generation says that it is well.
        case heartbeat
        /// A generation says that it is unhealthy, or says nothing.
        case miss
        /// The last of its generations was taken down.
        case rest
        /// A later failure of it must not bring it back.
        case retire
    }

    /// The status after a signal; nil when there is no such move.
    public func after(_ signal: Signal) -> VersionStatus? {
        switch (self, signal) {
        case (.retired, .retire): .retired
        case (.retired, _): nil
        case (_, .retire): .retired
        case (_, .connect): .connected
        case (.inactive, .rest): .inactive
        case (.inactive, _): nil
        case (_, .heartbeat): .connected
        case (_, .miss): .disconnected
        case (_, .rest): .inactive
        }
    }

    /// Whether a generation of the release is up.
    public var isUp: Bool { self == .connected || self == .disconnected }
}

/// A release of a plugin that is on the disk.
public struct PluginVersion: Hashable, Sendable {
    /// The name of its directory, which no other release of the plugin has.
    public let directory: String
    public let version: SemanticVersion
    public let bundleDigest: Digest
    public internal(set) var status = VersionStatus.inactive
    /// The newest generation of it that was up.
    public internal(set) var generation = 0

    public init(directory: String, version: SemanticVersion, bundleDigest: Digest) {
        self.directory = directory
        self.version = version
        self.bundleDigest = bundleDigest
    }
}
