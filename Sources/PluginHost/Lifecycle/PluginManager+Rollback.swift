import HTTPServer
package import HostModel

/// Going back to a release that was in force before.
extension PluginManager {
    /// Puts the release before the one in force back in force, or the newest one of a version, and
    /// serves it.
    ///
    /// As with an upgrade its code is up before anything on the disk or in the table changes: what
    /// fails on the way leaves the release in force as it is. The plugin's data stay as they are.
    ///
    /// - Parameter cascades: whether plugins that cannot use that version may be stopped.
    /// - Throws: `plugin_not_installed`; `release_missing`, naming those that are there; or
    ///   `HostError` of the step that failed.
    package func rollback(
        _ name: PluginName, to version: SemanticVersion? = nil, cascades: Bool = false
    ) async throws(HostError) -> PluginStatus {
        let former = try await exclusively(name) { slot throws(HostError) -> HostedImage? in
            let former = slot.current
            try await rollback(slot, to: version, cascades: cascades)
            return former
        }
        if let former { await waitUntilGone(former, slot(name), .seconds(1)) }
        return try await status(name)
    }

    private func rollback(
        _ slot: PluginSlot, to version: SemanticVersion?, cascades: Bool
    ) async throws(HostError) {
        let name = slot.name
        let wasTried = slot.canary != nil
        await supersedeCanary(slot)
        // That has brought the release before back.
        if wasTried, version == nil { return }
        let record = try registry.installed(name)
        let installer = installer
        let begin = clock.now
        let retired = Set(
            record.versions.filter { $0.status == .retired }.map(\.directory))
        let target = try await Blocking.run { () throws(HostError) in
            try installer.earlierRelease(
                of: name, version: version, except: version == nil ? retired : [])
        }
        let library = target.releaseDirectory + "/lib/" + target.manifest.library.file
        var source = Source(
            manifest: target.manifest, library: library, mode: record.release.chosenMode,
            unless: nil, release: target.releaseName, files: target.releaseDirectory)
        source.pinned = options.pinsLibraries ? target.installedLibraryDigest : nil
        let judgement = try await judge(&source, of: name)
        slot.isLoading = true
        defer {
            slot.isLoading = false
            settled(slot)
        }
        let isWanted = record.isActive && !record.isDisabled && server != nil
        let serves = isWanted ? try await admit(target.manifest, slot, cascades: cascades) : false
        let release = LifecycleEvent.Release(
            version: target.manifest.version, bundleDigest: target.bundleDigest,
            libraryDigest: target.installedLibraryDigest,
            mode: record.release.mode, isInsisted: record.release.isInsisted)
        let former = await current(name)
        let image = try await carryOut(
            .rollback(release, directory: target.releaseName, from: former), slot
        ) { () async throws(HostError) in
            if serves { return try await bringUp(source, slot) }
            try await examine(source, slot)
            return nil
        } apply: { () throws(HostError) in
            try installer.enforce(target)
            return target
        }
        dependencies[name] = DependencyGraph.Node(target.manifest)
        follow(name)
        if let image { try await enter(image, slot, since: begin, policy: options.drain) }
        await note(judgement, of: name)
    }
}
