/// What the registry knows of one plugin, from its events alone.
public struct PluginRecord: Hashable, Sendable {
    public var name: PluginName
    public var release: LifecycleEvent.Release
    /// The directory of the release in force; empty when the journal does not say.
    public internal(set) var directory = ""
    /// The releases on the disk, as they came.
    public internal(set) var versions: [PluginVersion] = []
    /// Whether the operator wants it to serve.
    public var isActive = false
    /// What the operator has granted (true) or revoked (false), by the service's id.
    public var grants: [String: Bool] = [:]
    /// Whether its processes are to be confined.
    public var isConfined = true
    /// Whether the operator's configuration wants it to rest all the same.
    public var isDisabled = false
    /// The number of the newest generation that was tried; it never goes back, not even when the
    /// plugin is removed and installed again.
    public var generation = 0
    /// The generations that are loaded, oldest first; the last one serves, the others drain.
    public var loadedGenerations: [Int] = []
    /// The library that was loaded last, and came up.
    public var provenDigest: Digest?
    /// Why it runs where it runs; nil when it has done so since it was installed.
    public internal(set) var modeReason: String?
    /// Why it is kept from serving; nil when it is not.
    public internal(set) var quarantine: Quarantine?
    /// When it brought the engine down, lately.
    public internal(set) var crashes: [Timestamp] = []
    /// Why the newest generation does not serve, until one does.
    public var lastError: HostError?
    public var lastUnload: UnloadReport?
    /// What was found of the signature of the release in force; nil: nobody has looked.
    public internal(set) var signature: SignatureNote?
    public internal(set) var tally = PluginTally()
    /// The release that was in force before the one that is being tried; nil: none is.
    public private(set) var canaryFormer: String?
    /// The generation that is being tried, or was.
    public private(set) var canaryGeneration = 0
    public var installedAt: Timestamp
    public var changedAt: Timestamp

    public init(name: PluginName, release: LifecycleEvent.Release, installedAt: Timestamp) {
        self.name = name
        self.release = release
        self.installedAt = installedAt
        changedAt = installedAt
    }

    /// The release in that directory.
    public func version(in directory: String) -> PluginVersion? {
        versions.first { $0.directory == directory }
    }

    /// The release in force among the others.
    public var current: PluginVersion? { version(in: directory) }
}

extension PluginRecord {
    mutating func putInForce(_ release: LifecycleEvent.Release, _ directory: String) {
        if directory != self.directory { signature = nil }
        if release.chosenMode != self.release.chosenMode { modeReason = nil }
        self.release = release
        self.directory = directory
        guard !directory.isEmpty, version(in: directory)?.bundleDigest != release.bundleDigest
        else { return }
        versions.removeAll { $0.directory == directory }
        versions.append(
            PluginVersion(
                directory: directory, version: release.version,
                bundleDigest: release.bundleDigest))
    }

    mutating func evolve(_ fact: LifecycleEvent.Fact, change: Change?) {
        tally.note(fact)
        switch fact {
        case .installed, .removed, .mounted, .unmounted, .began, .undone, .blocked,
            .serviceDenied, .stateHandedOver, .workerEnded, .workerRestarted, .limitExceeded,
            .limitRespected:
            break
        case .confinementChosen(let choice): isConfined = choice == .standard
        case .serviceGranted(let service): grants[service] = true
        case .serviceRevoked(let service): grants[service] = false
        case .activated: isActive = true
        case .disabled: isDisabled = true
        case .enabled: isDisabled = false
        case .deactivated: isActive = false
        case .upgraded(_, let release):
            putInForce(release, change?.target?.directory ?? "")
        case .extracted(let directory, let version, let digest):
            guard change == nil else { break }
            var release = release
            (release.version, release.bundleDigest) = (version, digest)
            putInForce(release, directory)
        case .engineCrashed: break
        case .modeChosen(let mode, let reason):
            release = LifecycleEvent.Release(
                version: release.version, bundleDigest: release.bundleDigest,
                libraryDigest: release.libraryDigest, chosen: mode)
            modeReason = reason
        case .quarantined(let quarantine): self.quarantine = quarantine
        case .quarantineLifted: quarantine = nil
        case .pruned(let directory): versions.removeAll { $0.directory == directory }
        case .libraryReplaced(_, let digest): release.libraryDigest = digest
        case .loaded(let number, let digest, _): loaded(number, digest)
        case .reattached(let number, let digest, _, _): loaded(number, digest)
        case .loadFailed(let number, let error):
            generation = max(generation, number)
            lastError = error
        case .unloaded(let report):
            loadedGenerations.removeAll { $0 == report.generation }
            lastUnload = report
            signal(.rest) { $0.generation == report.generation }
        case .lost(let generations):
            loadedGenerations.removeAll { generations.contains($0) }
            signal(.rest) { generations.contains($0.generation) }
        case .canaryStarted(let number, let directory, _):
            generation = max(generation, number)
            (canaryFormer, canaryGeneration) = (directory, number)
        case .canaryPromoted, .canaryFailed: canaryFormer = nil
        case .versionMoved(let directory, let status, _):
            for index in versions.indices where versions[index].directory == directory {
                versions[index].status = status
            }
        case .signatureChecked(let directory, let note):
            if directory == self.directory { signature = note }
        }
    }

    /// Only the last few count.
    mutating func noteCrash(at time: Timestamp) {
        crashes = crashes.suffix(CrashPolicy.forgiven) + [time]
    }

    /// Whether it has brought the engine down more often than it is forgiven.
    public func crashesTooOften(at now: Timestamp) -> Bool {
        let since = now.milliseconds - CrashPolicy.withinSeconds * 1_000
        return crashes.count { $0.milliseconds > since } > CrashPolicy.forgiven
    }

    private mutating func loaded(_ number: Int, _ digest: Digest) {
        provenDigest = digest
        if number == canaryGeneration { canaryFormer = nil }
        generation = max(generation, number)
        loadedGenerations.append(number)
        lastError = nil
        quarantine = nil
        let directory = directory
        signal(.connect) { $0.directory == directory }
        for index in versions.indices where versions[index].directory == directory {
            versions[index].generation = number
        }
    }

    /// Moves some releases, as far as there is such a move.
    private mutating func signal(
        _ signal: VersionStatus.Signal, where applies: (PluginVersion) -> Bool
    ) {
        for index in versions.indices where applies(versions[index]) {
            let status = versions[index].status
            versions[index].status = status.after(signal) ?? status
        }
    }
}
