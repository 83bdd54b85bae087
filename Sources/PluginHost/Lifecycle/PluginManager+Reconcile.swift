import Glibc
import HostModel

/// What was last looked at in a plugin's directory.
struct SeenFiles: Hashable, Sendable {
    var bundle: FileMark?
    var library: FileMark?
    /// Whether the bundle is the link that the host made.
    var bundleIsLink = false
}

/// The full pass: the journal against what there is.
///
/// Changes of files are told by the kernel, and seen within milliseconds; events can be lost, and
/// files change in ways that nobody tells of. So everything is looked at now and then, by a clock
/// that cannot be set. A file that is as it was at the last look is not read again.
extension PluginManager {
    /// Looks at everything, again and again, until the host stops.
    func reconcileAgainAndAgain() async {
        while !isStopping {
            await reconcile()
            guard options.reconcileSeconds > 0 else { return }
            await Deadline.pause(for: .seconds(options.reconcileSeconds))
        }
    }

    /// Looks at everything once.
    func reconcile() async {
        guard !isFrozen else { return }
        guard Directory.isDirectory(layout.plugins), let there = try? layout.installedNames()
        else {
            // A root that is not there for a moment is no reason to remove every plugin.
            log.write(.error, "\(layout.plugins) is not there")
            return
        }
        for name in Set(there).union(registry.plugins.keys).sorted() where !isStopping {
            await reconcile(name)
        }
        await lookAtConfiguration()
        await lookIntoInbox()
        await lookAlongPath()
    }

    /// Looks at every plugin's files as if each of them had been told of.
    package func lookForChanges() async {
        for slot in slots.values { slot.seen = nil }
        await configurationChanged()
        await reconcile()
    }

    private func reconcile(_ name: PluginName) async {
        let slot = slot(name)
        // Whatever is being done to the plugin ends with a look of its own.
        guard !slot.isBusy, slot.canary == nil, registry.changes[name] == nil else { return }
        if registry[name] != nil { follow(name) }
        let directory = layout.plugin(name)
        let library = await libraryPath(name)
        let former = slot.seen
        let seen = await Blocking.run { SeenFiles(directory, library: library) }
        guard seen != former || seen == nil else { return }
        guard let found = await found(directory, seen, slot, library) else { return }
        guard !slot.isBusy, registry.changes[name] == nil else { return }
        slot.seen = seen
        for move in Reconciliation.moves(for: registry[name], found: found) {
            await make(move, name, slot)
        }
    }

    private func found(
        _ directory: PluginDirectory, _ seen: SeenFiles?, _ slot: PluginSlot, _ library: String?
    ) async -> Reconciliation.Found? {
        guard seen != nil else {
            return .init(hasDirectory: false, bundle: nil, library: nil, serving: nil)
        }
        let digests = await Blocking.run { () -> [Digest?] in
            [
                try? SHA256.digest(ofFile: directory.bundle),
                library.flatMap { try? SHA256.digest(ofFile: $0) },
            ]
        }
        return .init(
            hasDirectory: true, bundle: digests[0], library: digests[1],
            serving: slot.current?.loaded.digest)
    }

    /// The library of the release in force.
    private func libraryPath(_ name: PluginName) async -> String? {
        let installer = installer
        return await Blocking.run {
            (try? installer.installed(name)).map { $0.directory.library($0.manifest) }
        }
    }

    private func make(_ move: Reconciliation.Move, _ name: PluginName, _ slot: PluginSlot) async {
        do throws(HostError) {
            switch move {
            case .adopt: try await adoptFound(name)
            case .remove: try await disappeared(name)
            case .installBundle: await bundleChanged(name)
            case .load: await libraryChanged(name)
            case .noteLibrary(let digest): try await execute(.replaceLibrary(digest), on: name)
            }
        } catch {
            slot.lastError = error
            say(.error, error.description, name)
        }
    }

    /// A directory that somebody has put there is a plugin that rests.
    private func adoptFound(_ name: PluginName) async throws(HostError) {
        let installer = installer
        try await exclusively(name) { slot throws(HostError) in
            guard registry[name] == nil else { return }
            let installed = try await Blocking.run { () throws(HostError) in
                try installer.installed(name)
            }
            try await adopt(name, installed)
            dependencies[name] = DependencyGraph.Node(installed.manifest)
            await publish(slot)
            follow(name)
        }
        say(.info, "its directory has appeared: it is installed, and inactive", name)
    }

    /// A directory that somebody has deleted is a plugin that was removed.
    func disappeared(_ name: PluginName) async throws(HostError) {
        let path = layout.plugin(name).path
        guard registry[name] != nil, !isStopping, Directory.isDirectory(layout.plugins),
            !Directory.isDirectory(path)
        else { return }
        var policy = options.drain
        if policy.outcome == .refuse { policy.outcome = .wait }
        try await leave(name, cascades: true, policy)
        defer { left(name) }
        try await exclusively(name) { slot throws(HostError) in
            guard registry[name] != nil, !Directory.isDirectory(path) else { return }
            say(.warning, "its directory has gone: it counts as removed", name)
            unfollow(name)
            try await takeOut(slot, policy)
            try await execute(.remove(keepData: false), on: name)
            await publish(slot)
            slots[name] = nil
            dependencies[name] = nil
        }
    }
}

extension SeenFiles {
    /// Nil when the plugin has no directory.
    fileprivate init?(_ directory: PluginDirectory, library: String?) {
        guard Directory.isDirectory(directory.path) else { return nil }
        bundle = FileMark(ofFile: directory.bundle)
        self.library = library.flatMap { FileMark(ofFile: $0) }
        bundleIsLink = SymbolicLink.target(of: directory.bundle) != nil
    }
}
