import HTTPServer
package import HostModel

/// What an operator can ask for.
extension PluginManager {
    // MARK: - Install

    /// Puts a bundle in place, as a new plugin or as the next release of one that is there, and
    /// serves it.
    ///
    /// With a server, the new image is up before anything on the disk or in the table changes: what
    /// fails on the way leaves the old release in force, on disk and in memory.
    ///
    /// - Parameters:
    ///   - mode: where its code runs; nil: as it does already, or as the manifest says, and in a
    ///     process of its own if it cannot be unloaded.
    ///   - activates: whether a plugin that is new, or was inactive, is to serve.
    ///   - allowsTombstoned: whether the bundle may be one that was removed.
    ///   - cascades: whether plugins that cannot use the new version may be stopped.
    ///   - confinement: whether its processes are confined; nil: as they are, or as usual.
    ///   - expected: the only plugin that the bundle may be of.
    /// - Throws: `HostError` of the step that refused it; nothing is left behind.
    package func install(
        bundle path: String, mode: PluginMode?, activates: Bool, allowsTombstoned: Bool = false,
        cascades: Bool = false, granting services: [String] = [],
        as expected: PluginName? = nil, canary: CanaryWish = .byManifest,
        confinement: ConfinementChoice? = nil
    ) async throws(HostError) -> PluginStatus {
        guard mode.map(PluginMode.chosen.contains) ?? true else {
            throw HostError(
                "mode_not_possible", what: "the plugin was not installed",
                why: "whether a plugin is a program is for its manifest to say",
                fix: "choose --mode in-process or --mode isolated")
        }
        let installer = installer
        let bundle = try await Blocking.run { () throws(HostError) in
            BundleInHand(try installer.prepare(archive: path))
        }
        let name = bundle.manifest.name
        if let expected, expected != name {
            throw HostError(
                "wrong_plugin", what: "plugin \"\(expected)\" was not upgraded", subject: path,
                why: "the bundle is of plugin \"\(name)\"",
                fix: "install that one with: host install FILE.tar.gz")
        }
        try Self.expect(services, of: bundle.manifest)
        let judgement = try await judge(bundle.directory, of: name, always: true)
        try await exclusively(name) { slot throws(HostError) in
            try await throughHooks(
                switchboard.hooks.install, name, "installed",
                Self.shown(
                    name, version: bundle.manifest.version, digest: bundle.bundleDigest)
            ) { () async throws(HostError) in
                try await install(
                    bundle, mode: mode, activates: activates,
                    allowsTombstoned: allowsTombstoned, cascades: cascades, granting: services,
                    canary: canary, confinement: confinement, slot)
            }
            await note(judgement, of: name)
        }
        return try await status(name)
    }

    private func install(
        _ bundle: BundleInHand, mode: PluginMode?, activates: Bool, allowsTombstoned: Bool,
        cascades: Bool, granting services: [String], canary wish: CanaryWish,
        confinement: ConfinementChoice?, _ slot: PluginSlot
    ) async throws(HostError) {
        let name = slot.name
        // What was isolated stays so until the operator says otherwise.
        let former = registry[name]?.release.chosenMode
        let mode = mode ?? (former == .isolated ? .isolated : nil)
        let release = LifecycleEvent.Release(
            version: bundle.manifest.version, bundleDigest: bundle.bundleDigest,
            libraryDigest: bundle.libraryDigest, chosen: mode)
        let facts = try registry.decide(
            .install(release, allowsTombstoned: allowsTombstoned), on: name)
        let wasActive = registry[name]?.isActive ?? false
        let isEnabled = try await isEnabled(name)
        let isWanted = (activates || wasActive) && server != nil && isEnabled
        let isSo = facts.isEmpty && (wasActive || !activates)
        if isSo && (slot.current != nil || !isWanted) {
            try await choose(confinement, slot)
            return try await give(services, to: slot)
        }
        let canary = try canary(wish, bundle.manifest, slot)
        await supersedeCanary(slot)
        slot.isLoading = true
        slot.grantsToCome = services
        slot.confinementToCome = confinement
        defer {
            slot.isLoading = false
            slot.grantsToCome = []
            slot.confinementToCome = nil
            settled(slot)
        }
        let serves = isWanted ? try await admit(bundle.manifest, slot, cascades: cascades) : false
        let begin = clock.now
        let installer = installer
        let directory = try await Blocking.run { () throws(HostError) in
            try installer.nextRelease(of: name, release.version).text
        }
        let isNew = registry[name] == nil
        let change: Change =
            isNew
            ? .install(release, directory: directory, activates: activates, grants: services)
            : .upgrade(
                release, directory: directory, from: await current(name), activates: activates,
                grants: services)
        let image = try await carryOut(change, slot) { () async throws(HostError) in
            var source =
                isNew
                ? try await source(slot, mode: mode)
                : Source(
                    manifest: bundle.manifest, library: bundle.library, mode: mode,
                    unless: nil, release: directory, files: bundle.directory)
            source.pinned = bundle.libraryDigest
            if serves { return try await bringUp(source, slot) }
            try await examine(source, slot)
            return nil
        } apply: { () throws(HostError) in
            try bundle.install(with: installer)
        }
        await note(confinement, of: name)
        dependencies[name] = DependencyGraph.Node(bundle.manifest)
        await prune(name)
        follow(name)
        if !isEnabled { _ = try await self.isEnabled(name) }
        if let image {
            try await enter(image, slot, since: begin, policy: options.drain, canary: canary)
        } else {
            await publish(slot)
        }
    }

    /// The directory of the release that the disk shows in force; empty when there is none.
    func current(_ name: PluginName) async -> String {
        let installer = installer
        guard case .release(let directory) = await Blocking.run({ installer.found(name) }) else {
            return ""
        }
        return directory
    }

    /// What is in force on the disk.
    private func source(_ slot: PluginSlot, mode: PluginMode?) async throws(HostError) -> Source {
        let installer = installer
        let name = slot.name
        return Source(
            try await Blocking.run { () throws(HostError) in try installer.installed(name) },
            mode: mode)
    }

    /// Looks at a library as closely as can be done without loading it here.
    func examine(_ source: Source, _ slot: PluginSlot) async throws(HostError) {
        if let process = source.manifest.process {
            return try await inspectProcess(process, source)
        }
        slot.lastNumber = max(slot.lastNumber, registry[slot.name]?.generation ?? 0) + 1
        let staged = try await stager.stage(
            Stager.Request(
                name: slot.name, library: source.library, manifest: source.manifest,
                directory: layout.plugin(slot.name), generation: UInt64(slot.lastNumber),
                mode: source.mode, unless: nil, pinned: source.pinned))
        staged?.discard()
    }

    // MARK: - Activate, deactivate

    /// Loads a plugin and serves it; one that serves already is left alone.
    package func activate(_ name: PluginName) async throws(HostError) -> PluginStatus {
        try await exclusively(name) { slot throws(HostError) in
            _ = try registry.installed(name)
            guard try await isEnabled(name) else { throw disabled(name) }
            try await liftQuarantine(name, "host activate")
            if server != nil && slot.current == nil {
                try await load(slot)
            }
            try await execute(.activate, on: name)
        }
        return try await status(name)
    }

    /// Takes a plugin out of service and out of memory; its files and data stay.
    ///
    /// - Parameter cascades: whether plugins that require it may be stopped, until it is back.
    /// - Returns: the status after its image has left memory, or has turned out not to.
    /// - Throws: `drain_refused` when the policy is to refuse and requests were still being
    ///   answered; `plugin_required`, naming the plugins that require it.
    package func deactivate(
        _ name: PluginName, drain policy: DrainPolicy? = nil, cascades: Bool = false
    ) async throws(HostError) -> PluginStatus {
        let policy = policy ?? options.drain
        try await leave(name, cascades: cascades, policy)
        defer { left(name) }
        try await exclusively(name) { slot throws(HostError) in
            _ = try registry.installed(name)
            do throws(HostError) {
                try await withdraw(slot, policy)
                try await execute(.deactivate(reason: "the operator asked"), on: name)
            } catch {
                await serveAgain(slot)
                throw error
            }
            slot.isBlocked = false
            await publish(slot)
        }
        return try await status(name)
    }

    /// A plugin that was taken out of service for something that could not be done serves again.
    private func serveAgain(_ slot: PluginSlot) async {
        guard slot.current == nil, registry[slot.name]?.isActive == true, server != nil else {
            return
        }
        // A failure is kept for `status`, and logged.
        try? await load(slot)
    }

    /// Takes every image of a plugin out of service, and waits until each has left memory or has
    /// turned out not to.
    func takeOut(_ slot: PluginSlot, _ policy: DrainPolicy) async throws(HostError) {
        try await withdraw(slot, policy)
        await waitForLeaving(slot) { slot.leaving.contains { $0.use != .pinned } }
    }

    func withdraw(_ slot: PluginSlot, _ policy: DrainPolicy) async throws(HostError) {
        await dismissStandbys(slot, policy)
        guard let image = slot.current else { return }
        try await throughHooks(
            switchboard.hooks.unload, slot.name, "unloaded", image.shown
        ) { () async throws(HostError) in try await withdraw(image, slot, policy) }
    }

    private func withdraw(
        _ image: HostedImage, _ slot: PluginSlot, _ policy: DrainPolicy
    ) async throws(HostError) {
        slot.current = nil
        slot.leaving.append(image)
        switchboard.withdraw(image.loaded.member)
        await publish(slot)
        guard await retire(image, slot, policy) else {
            slot.leaving.removeAll { $0 === image }
            slot.current = image
            switchboard.replace(nil, with: image.loaded.member)
            await publish(slot)
            throw Self.drainRefused(slot.name, policy)
        }
    }

    private static func drainRefused(_ name: PluginName, _ policy: DrainPolicy) -> HostError {
        HostError(
            "drain_refused", what: "plugin \"\(name)\" goes on serving",
            why: "it was still answering requests after \(policy.seconds) s",
            fix: "try again, wait longer (--drain-seconds), or choose --on-timeout quarantine")
    }

    // MARK: - Reload

    /// Serves what is in the plugin's `lib` now.
    ///
    /// - Parameters:
    ///   - force: whether to load the same bytes again.
    ///   - waits: for how long to wait for the former image to leave memory.
    /// - Throws: `HostError` of the step that failed; the former image goes on serving.
    package func reload(
        _ name: PluginName, force: Bool = false, drain policy: DrainPolicy? = nil,
        waits: Duration = .seconds(1), canary: CanaryWish = .byManifest
    ) async throws(HostError) -> PluginStatus {
        let former = try await exclusively(name) { slot throws(HostError) -> HostedImage? in
            let record = try registry.installed(name)
            guard record.isActive else {
                throw HostError(
                    "inactive", what: "plugin \"\(name)\" was not reloaded",
                    why: "it is inactive", fix: "activate it: host activate \(name)")
            }
            guard try await isEnabled(name) else { throw disabled(name) }
            let former = slot.current
            try await liftQuarantine(name, "host reload")
            try await load(slot, force: force, policy: policy ?? options.drain, canary: canary)
            return slot.current === former ? nil : former
        }
        if let former { await waitUntilGone(former, slot(name), waits) }
        return try await status(name)
    }

    /// Loads what is in the plugin's `lib`, and serves it.
    ///
    /// A failure is kept for `status`, logged, and written to the journal.
    /// - Parameter mode: where its code is to run; nil: where it was chosen to.
    func load(
        _ slot: PluginSlot, force: Bool = false, policy: DrainPolicy? = nil,
        canary wish: CanaryWish = .byManifest, mode: PluginMode? = nil
    ) async throws(HostError) {
        let name = slot.name
        let begin = clock.now
        do throws(HostError) {
            slot.isLoading = true
            defer {
                slot.isLoading = false
                settled(slot)
            }
            let record = try registry.installed(name)
            let installer = installer
            let installed = try await Blocking.run { () throws(HostError) in
                try installer.installed(name)
            }
            slot.releaseDirectory = installed.releaseDirectory
            if slot.current == nil { dependencies[name] = DependencyGraph.Node(installed.manifest) }
            guard try await admit(installed.manifest, slot) else { return }
            var source = Source(installed, mode: mode ?? record.release.chosenMode)
            source.unless = force ? nil : (slot.canary?.image ?? slot.current)?.loaded.digest
            let canary = try canary(wish, installed.manifest, slot)
            let quarantine = slot.current == nil ? record.quarantine : nil
            if let quarantine { source.unless = try quarantine.unwanted(name) }
            source.pinned = options.pinsLibraries ? record.release.libraryDigest : nil
            let judgement = try await judge(&source, of: name)
            let most = options.drainingImagesMax
            await waitForLeaving(slot) { slot.leaving.count { $0.use != .pinned } >= most }
            guard let image = try await bringUp(source, slot) else {
                if let quarantine { throw quarantine.error(of: name) }
                // What was sent back is told until something else serves.
                if slot.lastError?.code != "canary_failed" { slot.lastError = nil }
                return
            }
            let facts = try registry.decide(.replaceLibrary(image.loaded.digest), on: name)
            try await enter(
                image, slot, since: begin, policy: policy ?? options.drain, facts: facts,
                canary: canary)
            await note(judgement, of: name)
        } catch {
            await failed(error, slot)
            throw error
        }
    }

    private func failed(_ error: HostError, _ slot: PluginSlot) async {
        let isNews = slot.lastError != error
        slot.lastError = error
        tellReadiness()
        // The journal knows that one.
        if error.code == "quarantined" {
            if isNews { say(.warning, error.description, slot.name) }
            return
        }
        let serving = slot.current.map { "; generation \($0.loaded.number) goes on serving" } ?? ""
        say(.error, error.description + serving, slot.name)
        await note(.loadFailed(generation: slot.lastNumber, error: error), on: slot.name)
    }

    /// Serves a new image, and sees the former one off in the background; or has it tried first.
    func enter(
        _ image: HostedImage, _ slot: PluginSlot, since begin: ContinuousClock.Instant,
        policy: DrainPolicy, facts: [LifecycleEvent.Fact] = [], canary: CanaryPolicy? = nil
    ) async throws(HostError) {
        await supersedeCanary(slot, putsBack: false)
        if let canary, let former = slot.current {
            let trial = CanaryTrial(
                image, beside: former, canary, drain: policy, began: clock.now,
                bringingUp: clock.now - begin, facts: facts)
            return await tryOut(trial, slot)
        }
        let former = await serve(image, slot)
        let milliseconds = (clock.now - begin) / .milliseconds(1)
        slot.lastReloadMilliseconds = milliseconds
        say(.info, "serves after \(Int(milliseconds.rounded())) ms", slot.name, image.loaded)
        if let former, policy.outcome == .refuse {
            guard await retire(former, slot, policy, keepsSockets: true) else {
                slot.leaving.removeAll { $0 === former }
                slot.current = former
                slot.leaving.append(image)
                switchboard.replace(image.loaded.member, with: former.loaded.member)
                await publish(slot)
                _ = await retire(image, slot, DrainPolicy(seconds: policy.seconds, outcome: .wait))
                throw Self.drainRefused(slot.name, policy)
            }
        } else if let former, let window = overlap(former, image) {
            standBy(former, slot, for: window)
        } else if let former {
            Task { await self.supersede(former, slot, policy) }
        }
        listen(to: image, of: slot.name)
        for fact in facts { await note(fact, on: slot.name) }
        let (number, digest) = (image.loaded.number, image.loaded.digest)
        await note(
            image.loaded.isReattached
                ? .reattached(
                    generation: number, libraryDigest: digest,
                    processes: image.loaded.processes.count, milliseconds: milliseconds)
                : .loaded(
                    generation: number, libraryDigest: digest, milliseconds: milliseconds),
            on: slot.name)
        await noteDenials(slot)
    }

    /// Takes an image out of memory in whose place another one serves.
    private func supersede(
        _ image: HostedImage, _ slot: PluginSlot, _ policy: DrainPolicy
    ) async {
        _ = try? await throughHooks(
            switchboard.hooks.unload, slot.name, "unloaded", image.shown, mayRefuse: false
        ) { () async throws(HostError) in
            _ = await retire(image, slot, policy, keepsSockets: true)
        }
    }

    /// Takes down an image that is up and was never published.
    func takeDown(_ image: HostedImage, _ slot: PluginSlot) async {
        await letRequestsGo(slot)
        slot.leaving.append(image)
        switchboard.withdraw(image.loaded.member)
        _ = await retire(image, slot, DrainPolicy(seconds: 0, outcome: .quarantine))
    }

    func waitUntilGone(
        _ image: HostedImage, _ slot: PluginSlot, _ patience: Duration
    ) async {
        let name = slot.name
        let deadline = clock.now + patience
        let timer = Deadline(after: patience) { Task { await self.wakeLeaveWaiters(name) } }
        await waitForLeaving(slot) {
            clock.now < deadline
                && slot.leaving.contains { $0 === image && $0.use != .pinned }
        }
        timer.cancel()
    }

    /// Waits as long as that is needed; asks whenever an image of the plugin has left memory, or
    /// has turned out not to.
    private func waitForLeaving(_ slot: PluginSlot, while isNeeded: () -> Bool) async {
        while isNeeded() {
            // As in `exclusively`.
            await withCheckedContinuation { waiter in
                if isNeeded() { slot.leaveWaiters.append(waiter) } else { waiter.resume() }
            }
        }
    }

    private func wakeLeaveWaiters(_ name: PluginName) {
        let slot = slot(name)
        for waiter in slot.leaveWaiters { waiter.resume() }
        slot.leaveWaiters = []
    }

    // MARK: - Remove

    /// Takes a plugin out of service, out of memory and off the disk.
    ///
    /// - Parameters:
    ///   - keepsData: whether what is in `sqlite` and `events` is kept under `<root>/removed`.
    ///   - cascades: whether plugins that require it may be stopped.
    /// - Throws: `drain_refused`; `generation_still_loaded` when an image of it cannot be unloaded;
    ///   `plugin_required`, naming the plugins that require it.
    package func remove(
        _ name: PluginName, keepsData: Bool, drain policy: DrainPolicy? = nil,
        cascades: Bool = false
    ) async throws(HostError) {
        let policy = policy ?? options.drain
        try await leave(name, cascades: cascades, policy)
        defer { left(name) }
        try await exclusively(name) { slot throws(HostError) in
            _ = try registry.installed(name)
            unfollow(name)
            do throws(HostError) {
                try await takeOut(slot, policy)
                let installer = installer
                _ = try await carryOut(
                    .removal(keepsData: keepsData), slot,
                    apply: { () throws(HostError) in
                        _ = try installer.remove(name, keepData: keepsData)
                        return nil
                    })
            } catch {
                follow(name)
                await serveAgain(slot)
                throw error
            }
            await publish(slot)
            slots[name] = nil
            dependencies[name] = nil
        }
    }
}
