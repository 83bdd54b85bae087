/// Something that somebody wants to happen to a plugin.
public enum LifecycleCommand: Hashable, Sendable {
    /// Put this release on the disk: an installation, or an upgrade when the plugin is there
    /// already. A bundle that was removed comes back only if that is allowed.
    case install(LifecycleEvent.Release, allowsTombstoned: Bool = false)
    case activate
    case deactivate(reason: String)
    /// Take note that the `.so` has another content.
    case replaceLibrary(Digest)
    /// Serve it at another place as well.
    case mount(MountAddress)
    /// Give it a service, whatever the default is.
    case grant(String)
    /// Take a service from it, whatever the default is.
    case revoke(String)
    case unmount(MountAddress)
    /// Have its code run there, in the host or isolated.
    case chooseMode(PluginMode, reason: String)
    /// Keep it from serving.
    case quarantine(Quarantine)
    /// Let it serve again.
    case liftQuarantine(reason: String)
    case remove(keepData: Bool)

    /// Say that a change of several steps is under way.
    case begin(Change)
    /// Say that the files of the change are in place.
    case extract
    /// Say that the change is done.
    case finish
    /// Say that the change was taken back.
    case undo(reason: String)

    /// Take note of the directory of the release in force, where the journal does not know it.
    case adopt(directory: String, version: SemanticVersion, bundleDigest: Digest)
    /// Say that a release is no longer on the disk.
    case prune(directory: String)
    /// Move a release.
    case signal(VersionStatus.Signal, directory: String, reason: String)
}

extension PluginAggregate {
    typealias Fact = LifecycleEvent.Fact

    /// Judges a command, and returns what will have happened when it is carried out.
    ///
    /// Asking for what is already so is no error and gives no events.
    /// - Throws: `HostError` with a code that names the move:
    ///   - `plugin_not_installed`, or `plugin_installed` for an installation of what is there;
    ///   - `bundle_tombstoned` for a bundle that was removed;
    ///   - `generation_still_loaded` when a plugin is to be removed whose code is still mapped;
    ///   - `change_pending` when another change is under way, `change_missing` when none is;
    ///   - `version_unknown`, `version_retired` or `version_move_illegal` for a release.
    public func decide(_ command: LifecycleCommand) throws(HostError) -> [LifecycleEvent.Fact] {
        switch command {
        case .install(let release, let allowsTombstoned):
            return try install(release, allowsTombstoned)
        case .begin(let next): return try begin(next)
        case .finish: return try finish()
        case .undo(let reason): return change == nil ? [] : [.undone(reason: reason)]
        case .extract:
            guard let target = change?.target else { throw noChange("extracted") }
            return [
                .extracted(
                    directory: target.directory, version: target.release.version,
                    bundleDigest: target.release.bundleDigest)
            ]
        default: return try decide(command, on: try installed())
        }
    }

    private func decide(
        _ command: LifecycleCommand, on record: PluginRecord
    ) throws(HostError) -> [Fact] {
        switch command {
        case .activate: return record.isActive ? [] : [.activated]
        case .deactivate(let reason): return record.isActive ? [.deactivated(reason: reason)] : []
        case .replaceLibrary(let digest):
            let old = record.release.libraryDigest
            return old == digest ? [] : [.libraryReplaced(from: old, to: digest)]
        case .grant(let service):
            return record.grants[service] == true ? [] : [.serviceGranted(service)]
        case .revoke(let service):
            return record.grants[service] == false ? [] : [.serviceRevoked(service)]
        case .chooseMode(let mode, let reason):
            return record.release.chosenMode == mode ? [] : [.modeChosen(mode, reason: reason)]
        case .quarantine(let quarantine):
            return record.quarantine == quarantine ? [] : [.quarantined(quarantine)]
        case .liftQuarantine(let reason):
            return record.quarantine == nil ? [] : [.quarantineLifted(reason: reason)]
        case .remove(let keepsData): return try remove(record, keepsData: keepsData)
        case .adopt(let directory, let version, let digest):
            guard record.directory != directory else { return [] }
            return [.extracted(directory: directory, version: version, bundleDigest: digest)]
        case .prune(let directory):
            if directory == record.directory { throw inForce(directory) }
            return record.version(in: directory) == nil ? [] : [.pruned(directory: directory)]
        case .signal(let signal, let directory, let reason):
            let version = try release(record, directory)
            guard let next = version.status.after(signal) else {
                throw illegal(signal, version)
            }
            return next == version.status
                ? [] : [.versionMoved(directory: directory, to: next, reason: reason)]
        default: return []
        }
    }

    /// The plugin itself.
    ///
    /// - Throws: `HostError` with code `plugin_not_installed`.
    public func installed() throws(HostError) -> PluginRecord {
        if let record { return record }
        throw Self.missing(name, hint: "", isRemoved: tombstone?.digests.isEmpty == false)
    }

    static func missing(_ name: PluginName, hint: String, isRemoved: Bool) -> HostError {
        HostError(
            "plugin_not_installed", what: "plugin \"\(name)\" is not installed" + hint,
            why: isRemoved ? "it was removed" : "there is none of that name",
            fix: "install it with: host install FILE.tar.gz")
    }

    private func install(
        _ release: LifecycleEvent.Release, _ allowsTombstoned: Bool
    ) throws(HostError) -> [Fact] {
        let isTombstoned = tombstone?.digests.contains(release.bundleDigest) == true
        guard !isTombstoned || allowsTombstoned else {
            throw HostError(
                "bundle_tombstoned",
                what: "plugin \"\(name)\" \(release.version) was not installed",
                why: "this very bundle was removed (SHA-256 \(release.bundleDigest))",
                fix: "if you want it back: host install FILE.tar.gz --allow-tombstoned")
        }
        guard let record else { return [.installed(release)] }
        return record.release == release
            ? [] : [.upgraded(from: record.release.version, to: release)]
    }

    private func begin(_ next: Change) throws(HostError) -> [Fact] {
        if let change {
            throw HostError(
                "change_pending", what: "\(next.kind.rawValue) of plugin \"\(name)\" did not begin",
                why: "its \(change.kind.rawValue) is not done", fix: "try again")
        }
        switch next {
        case .install:
            guard record == nil else {
                throw HostError(
                    "plugin_installed", what: "plugin \"\(name)\" was not installed anew",
                    why: "it is there", fix: "upgrade it with: host install FILE.tar.gz")
            }
        case .removal(let keepsData): _ = try remove(try installed(), keepsData: keepsData)
        case .upgrade: _ = try installed()
        case .rollback(_, let directory, _):
            let record = try installed()
            guard let version = record.version(in: directory) else { break }
            guard version.status != .retired else { throw retired(version) }
        }
        return [.began(next)]
    }

    private func finish() throws(HostError) -> [Fact] {
        guard let change else { throw noChange("finished") }
        switch change {
        case .install(let release, _, let activates, let grants):
            return [.installed(release)] + granted(grants) + (activates ? [.activated] : [])
        case .upgrade(let release, _, _, let activates, let grants):
            let record = try installed()
            let upgraded = Fact.upgraded(from: record.release.version, to: release)
            return [upgraded] + granted(grants)
                + (activates && !record.isActive ? [.activated] : [])
        case .rollback(let release, _, _):
            return [.upgraded(from: try installed().release.version, to: release)]
        case .removal(let keepsData): return try remove(try installed(), keepsData: keepsData)
        }
    }

    /// What giving the plugin services comes to.
    private func granted(_ services: [String]) -> [Fact] {
        services.filter { record?.grants[$0] != true }.map { .serviceGranted($0) }
    }

    private func remove(_ record: PluginRecord, keepsData: Bool) throws(HostError) -> [Fact] {
        guard record.loadedGenerations.isEmpty else {
            let numbers = record.loadedGenerations.map(String.init).joined(separator: ", ")
            throw HostError(
                "generation_still_loaded", what: "plugin \"\(name)\" was not removed",
                why: "its code is still loaded (generation \(numbers))",
                fix: "deactivate it and wait until it is unloaded")
        }
        let removed: [Fact] = [.removed(dataKept: keepsData)]
        return record.isActive ? [.deactivated(reason: "removed")] + removed : removed
    }

    private func release(
        _ record: PluginRecord, _ directory: String
    ) throws(HostError) -> PluginVersion {
        if let version = record.version(in: directory) { return version }
        throw HostError(
            "version_unknown", what: "plugin \"\(name)\" has no release \(directory)",
            why: "there are \(record.versions.map(\.directory).joined(separator: ", "))")
    }

    private func retired(_ version: PluginVersion) -> HostError {
        HostError(
            "version_retired", what: "plugin \"\(name)\" was not rolled back",
            why: "\(name)@\(version.version) failed while it was in force, and is retired",
            fix: "install its bundle again if you want it all the same")
    }

    private func illegal(_ signal: VersionStatus.Signal, _ version: PluginVersion) -> HostError {
        HostError(
            "version_move_illegal",
            what: "\(name)@\(version.version) stays \(version.status.rawValue)",
            why: "\(signal.rawValue) leads nowhere from there")
    }

    private func inForce(_ directory: String) -> HostError {
        HostError(
            "version_in_force", what: "release \(directory) of plugin \"\(name)\" stays",
            why: "it is in force", fix: "put another one in force first: host rollback \(name)")
    }

    private func noChange(_ what: String) -> HostError {
        HostError(
            "change_missing", what: "nothing of plugin \"\(name)\" was \(what)",
            why: "no change is under way")
    }
}
