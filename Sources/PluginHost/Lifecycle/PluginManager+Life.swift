import HTTPServer
package import HostModel

/// The host's own start and end, and what it notices by itself.
extension PluginManager {
    // MARK: - Start

    /// Finishes or undoes what a crash interrupted, and makes the journal agree with the disk.
    func recover() async throws(HostError) {
        let installer = installer
        let cleared = try await Blocking.run { () throws(HostError) in try installer.recover() }
        if !cleared.isEmpty {
            let list = cleared.joined(separator: ", ")
            log.write(.info, "cleared what an earlier run left behind: \(list)")
        }
        batch = []
        try await settleEnabled()
        for (name, lost) in registry.lostGenerations() { try await record([lost], on: name) }
        for name in registry.changes.keys.sorted() {
            do throws(HostError) {
                try await settleChange(name)
            } catch {
                // The next change of the plugin tries again, and so does the next start.
                slot(name).lastError = error
                say(.error, error.description, name)
            }
        }
        let names = try layout.installedNames()
        for name in names where registry.changes[name] == nil {
            do throws(HostError) {
                let run = layout.plugin(name).run
                let kept = options.inheritance?.files(of: name) ?? []
                try await Blocking.run { () throws(HostError) in
                    if Directory.isDirectory(run) { try Directory.empty(run, keeping: kept) }
                }
                let installed = try await Blocking.run { () throws(HostError) in
                    try installer.installed(name)
                }
                dependencies[name] = DependencyGraph.Node(installed.manifest)
                try await adopt(name, installed)
                try await settleInterruptedCanary(name)
                // The upgrade before may have been cut short.
                if let count = registry[name]?.versions.count, count > Installer.releasesKept + 1 {
                    await prune(name)
                }
            } catch {
                slot(name).lastError = error
                say(.error, error.description, name)
            }
        }
        for name in registry.plugins.keys where !names.contains(name) {
            say(.warning, "its directory has gone: it counts as removed", name)
            try await execute(.remove(keepData: false), on: name)
        }
        do throws(HostError) {
            try await writeBatch()
        } catch {
            // A full disk is no reason not to serve; the next start finds the same.
            log.write(.error, error.description)
        }
    }

    /// What was done to the release in force by hand, while no host ran, is written down now.
    func adopt(
        _ name: PluginName, _ installed: InstalledPlugin
    ) async throws(HostError) {
        let record = registry[name]
        guard record?.release.bundleDigest != installed.bundleDigest else {
            return try await adopt(installed)
        }
        let release = LifecycleEvent.Release(
            version: installed.manifest.version, bundleDigest: installed.bundleDigest,
            libraryDigest: installed.installedLibraryDigest, chosen: record?.release.chosenMode)
        try await execute(.install(release), on: name)
        try await adopt(installed)
    }

    private func adopt(_ installed: InstalledPlugin) async throws(HostError) {
        try await execute(
            .adopt(
                directory: installed.releaseName, version: installed.manifest.version,
                bundleDigest: installed.bundleDigest), on: installed.manifest.name)
    }

    /// Loads every plugin that is meant to serve, and begins to watch for changes.
    ///
    /// A plugin begins after what it requires, and beside others that it has nothing to do with.
    /// One that cannot be loaded is told of in its status and in the log, and holds up nobody but
    /// those who require it.
    package func start() async throws(HostError) {
        guard server != nil else { return }
        try makeWatcher()
        batch = []
        let plan = dependencies.graph.startPlan(among: wanted)
        await inTurn(StartQueue(plan), atOnce: options.concurrentLoadsMax) {
            await self.loadAtStart($0)
        }
        // What lacks something, or cannot be read, is told of in its status.
        for name in wanted.subtracting(plan.names).sorted() { await loadAtStart(name) }
        endRestOfInheritance()
        table = table.replacing(slots.values.compactMap { mount(of: $0) })
        settleTable()
        try await writeBatch()
        await publishTable()
        readiness.set(.serving)
        followEverything()
        Task(executorPreference: control) { await self.reconcileAgainAndAgain() }
        Task(executorPreference: control) { await self.monitorAgainAndAgain() }
        Task(executorPreference: control) { await self.lookForStuckThreadsAgainAndAgain() }
    }

    func makeWatcher() throws(HostError) {
        watcher = try DirectoryWatcher { [weak self] directory, file in
            guard let self else { return }
            Task(executorPreference: control) { await self.changed(directory, file) }
        }
    }

    func followEverything() {
        for name in registry.plugins.keys { follow(name) }
        followSources()
        followConfiguration()
    }

    private func followConfiguration() {
        do throws(HostError) {
            try watcher?.watch(layout.configuration)
        } catch {
            log.write(.warning, error.description)
        }
    }

    private func loadAtStart(_ name: PluginName) async {
        // A failure has been kept for `status` and logged.
        try? await exclusively(name) { slot throws(HostError) in try await load(slot) }
    }

    // MARK: - End

    /// Drains, stops and closes every plugin, none before those that require it; what a plugin does
    /// not finish in time is cut off.
    package func stop() async {
        isStopping = true
        readiness.set(.stopping)
        watcher = nil
        let policy = DrainPolicy(seconds: options.shutdownDrainSeconds, outcome: .quarantine)
        let plan = dependencies.graph.startPlan(
            among: Set(slots.values.filter { $0.current != nil }.map(\.name)))
        await inTurn(StartQueue(plan, reversed: true), atOnce: .max) {
            await self.stopOne($0, policy)
        }
        for name in slots.keys { await stopOne(name, policy) }
        log.flush()
    }

    private func stopOne(_ name: PluginName, _ policy: DrainPolicy) async {
        let slot = slot(name)
        await dismissStandbys(slot, policy)
        guard let image = slot.current else { return }
        slot.current = nil
        slot.leaving.append(image)
        switchboard.withdraw(image.loaded.member)
        await publish(slot)
        _ = await retire(image, slot, policy)
    }

    // MARK: - Watching

    /// Begins to watch what an operator may replace: the library and the bundle.
    func follow(_ name: PluginName) {
        guard let watcher else { return }
        for path in layout.plugin(name).watchedPaths {
            do throws(HostError) {
                try watcher.watch(path)
                watched[path] = name
            } catch {
                say(.warning, error.description, name)
            }
        }
    }

    func unfollow(_ name: PluginName) {
        for path in layout.plugin(name).watchedPaths {
            watcher?.unwatch(path)
            watched[path] = nil
        }
    }

    /// Begins to watch where bundles appear.
    private func followSources() {
        for path in [layout.inbox] + options.searchPath {
            do throws(HostError) {
                try watcher?.watch(path)
            } catch {
                log.write(.warning, error.description)
            }
        }
    }

    private func changed(_ path: String, _ file: String?) async {
        guard !isStopping else { return }
        if path == layout.configuration {
            if file == nil { followConfiguration() }
            return await configurationChanged()
        }
        if path == layout.inbox { return await lookIntoInbox() }
        if options.searchPath.contains(path) { return await lookAlongPath() }
        guard let name = watched[path], registry[name] != nil else { return }
        let directory = layout.plugin(name)
        if path == directory.lib {
            guard let file else { return follow(name) }
            guard !file.hasPrefix(".") else { return }
            await libraryChanged(name)
        } else if path == directory.path, file == nil, !Directory.isDirectory(path) {
            do throws(HostError) {
                try await disappeared(name)
            } catch {
                say(.error, error.description, name)
            }
        } else if file == nil || file == directory.bundleName {
            await bundleChanged(name)
        } else if path == directory.path, file == PluginDirectory.currentName {
            follow(name)
            await libraryChanged(name)
        }
    }

    /// Reloads a plugin whose library may have changed; changes that come meanwhile lead to one
    /// more reload.
    func libraryChanged(_ name: PluginName) async {
        let slot = slot(name)
        slot.pendingChanges += 1
        guard !slot.isFollowingChanges else { return }
        slot.isFollowingChanges = true
        defer { slot.isFollowingChanges = false }
        while slot.pendingChanges > 0 {
            slot.pendingChanges = 0
            // A failure has been kept for `status` and logged; the next change tries again.
            try? await exclusively(name) { slot throws(HostError) in
                guard let record = registry[name], record.isActive, !record.isDisabled,
                    !isStopping
                else { return }
                try await load(slot)
            }
        }
    }

    /// Installs what lies in the place of a plugin's bundle, if it is another one; changes that
    /// come meanwhile lead to one more look.
    func bundleChanged(_ name: PluginName) async {
        let slot = slot(name)
        slot.pendingBundles += 1
        guard !slot.isFollowingBundles else { return }
        slot.isFollowingBundles = true
        defer { slot.isFollowingBundles = false }
        while slot.pendingBundles > 0, !isStopping {
            slot.pendingBundles = 0
            do throws(HostError) {
                try await installReplacedBundle(name)
            } catch {
                slot.lastError = error
                say(.error, error.description, name)
            }
        }
    }

    private func installReplacedBundle(_ name: PluginName) async throws(HostError) {
        let installer = installer
        let replaced = try await Blocking.run { () throws(HostError) in
            try installer.takeReplacedBundle(name)
        }
        guard let replaced else { return }
        defer { replaced.discard() }
        guard replaced.digest != registry[name]?.release.bundleDigest else { return }
        say(.info, "its bundle was replaced", name)
        _ = try await install(
            bundle: replaced.path, mode: registry[name]?.release.chosenMode, activates: false,
            as: name)
    }
}
