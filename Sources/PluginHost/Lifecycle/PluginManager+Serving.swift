import CLinux
import DynamicLibrary
import HTTPServer
import HostModel

/// Loading, publishing and taking down images.
extension PluginManager {
    // MARK: - Up

    /// Where an image comes from.
    struct Source: Sendable {
        var manifest: Manifest
        /// The library to be copied.
        var library: String
        /// Where the operator wants its code to run; nil: wherever it can.
        var mode: PluginMode?
        /// A library with this digest is not wanted.
        var unless: Digest?
        /// The directory of the release that it belongs to.
        var release: String
        /// The directory that shows the whole of that release.
        var files: String
        /// The only digest that the library may have; nil: any.
        var pinned: Digest?

        init(
            manifest: Manifest, library: String, mode: PluginMode?, unless: Digest?,
            release: String, files: String
        ) {
            self.manifest = manifest
            self.library = library
            self.mode = mode
            self.unless = unless
            self.release = release
            self.files = files
        }

        /// What is in force on the disk.
        init(_ installed: InstalledPlugin, mode: PluginMode?) {
            self.init(
                manifest: installed.manifest,
                library: installed.directory.library(installed.manifest), mode: mode,
                unless: nil, release: installed.releaseName, files: installed.releaseDirectory)
        }
    }

    /// Loads and starts an image that nobody is sent to yet.
    ///
    /// - Returns: nil if the library is the one that is not wanted.
    /// - Throws: `HostError` of the step that failed; what was loaded is taken down again.
    func bringUp(
        _ source: Source, _ slot: PluginSlot
    ) async throws(HostError) -> HostedImage? {
        let name = slot.name
        let directory = layout.plugin(name)
        let configuration = try await configuration(for: source.manifest, slot)
        for warning in configuration.resolved.warnings { say(.warning, warning, name) }
        if let kept = await reattach(source, slot, configuration) {
            return try await bringUpOpened(kept, source, slot)
        }
        slot.lastNumber = max(slot.lastNumber, registry[name]?.generation ?? 0) + 1
        let number = slot.lastNumber
        if let process = source.manifest.process {
            let opened = try await openProcess(process, source, configuration, number: number)
            if opened == nil { slot.lastNumber -= 1 }
            guard let opened else { return nil }
            return try await bringUpOpened(opened, source, slot)
        }
        var request = Stager.Request(
            name: name, library: source.library, manifest: source.manifest,
            directory: directory, generation: UInt64(number), mode: source.mode,
            unless: source.unless, pinned: source.pinned)
        request.outfit = ProofPlan.Outfit(
            release: source.files, configuration: configuration,
            granted: Set(grants(of: name, asking: source.manifest.services).granted),
            seconds: source.manifest.limits.startSeconds ?? options.startSeconds)
        guard let staged = try await stager.stage(request) else {
            slot.lastNumber -= 1
            return nil
        }
        do throws(HostError) {
            let image = try await throughHooks(
                switchboard.hooks.load, name, "loaded",
                Self.shown(
                    name, version: source.manifest.version, digest: staged.digest,
                    generation: number)
            ) { () async throws(HostError) in
                try await bringUp(staged, source, configuration, directory, slot)
            }
            for note in staged.notes { say(.warning, "only in its proof: \(note)", name) }
            return image
        } catch {
            if error.code == "hook_refused" { staged.discard() }
            throw error
        }
    }

    private func bringUp(
        _ staged: StagedLibrary, _ source: Source, _ configuration: ConfigurationSnapshot,
        _ directory: PluginDirectory, _ slot: PluginSlot
    ) async throws(HostError) -> HostedImage {
        let name = slot.name
        let number = Int(staged.generation)
        let seconds = source.manifest.limits.startSeconds ?? options.startSeconds
        let granted = Set(grants(of: name, asking: source.manifest.services).granted)
        let loaded: any PluginInstance
        if staged.mode == .isolated {
            loaded = try await openIsolated(staged, granted, configuration, directory)
        } else {
            loaded = try await LoadedPlugin.open(
                staged, directory: directory, granted: granted, switchboard: switchboard,
                configuration: configuration, log: log, seconds: seconds,
                onDenial: denial(of: name, generation: number))
        }
        return try await bringUp(loaded, source, slot)
    }

    /// Takes an opened instance through its first steps; one that fails is taken down again.
    func bringUp(
        _ loaded: any PluginInstance, _ source: Source, _ slot: PluginSlot
    ) async throws(HostError) -> HostedImage {
        let seconds = source.manifest.limits.startSeconds ?? options.startSeconds
        do throws(HostError) {
            let tree = try RouteTree(compiling: loaded.routes)
            try await loaded.initialize(seconds: seconds)
            let generation = loaded.generation(
                tree, reactors: reactorCount,
                limits: options.work.changed(by: loaded.manifest.limits))
            loaded.member.pool = generation.pool
            loaded.member.generation = generation
            let image = HostedImage(
                loaded: loaded, generation: generation, release: source.release)
            let deadline = try await handOver(to: loaded, slot)
            do throws(HostError) {
                let left = deadline.map(secondsLeft) ?? seconds
                try await loaded.start(seconds: min(seconds, left))
                image.health = try await checkHealth(loaded)
                return image
            } catch {
                await letRequestsGo(slot)
                await stop(image)
                throw error
            }
        } catch {
            await letRequestsGo(slot)
            await abandon(loaded, slot)
            throw error
        }
    }

    var reactorCount: Int { server?.reactors.count ?? 0 }

    private func checkHealth(
        _ loaded: any PluginInstance
    ) async throws(HostError) -> (state: PluginHealth, reason: String)? {
        guard let (health, reason) = await loaded.checkHealth() else { return nil }
        guard health == .unhealthy else { return (health, reason) }
        throw HostError(
            "unhealthy", what: "plugin \"\(loaded.name)\" is unhealthy right after its start",
            why: reason.isEmpty ? "it did not say why" : reason,
            fix: "see the plugin's documentation and its lines in the log")
    }

    // MARK: - In service

    /// Puts an image in the place of the one that serves, and returns that one.
    func serve(_ image: HostedImage, _ slot: PluginSlot) async -> HostedImage? {
        let former = slot.current
        slot.current = image
        slot.lastError = nil
        if let former { slot.leaving.append(former) }
        slot.configurationError = nil
        switchboard.replace(former?.loaded.member, with: image.loaded.member)
        if slot.held == nil { await publish(slot) } else { await letRequestsGo(slot) }
        return former
    }

    /// Makes the dispatch table say what the slot says.
    func publish(_ slot: PluginSlot) async {
        guard batch == nil else { return }
        if let mount = mount(of: slot) {
            table = table.replacing([mount])
        } else if registry[slot.name] == nil {
            table = table.removing(slot.name)
        }
        settleTable()
        await publishTable()
    }

    /// What stands in the table for a plugin that serves.
    func mount(of slot: PluginSlot) -> Mount? {
        (slot.held ?? slot.current?.generation).map { generation in
            Mount(
                name: slot.name, generation: generation, staticFiles: files(of: slot),
                canary: slot.held == nil ? slot.canary?.share : nil,
                isThrottled: slot.held == nil && slot.isThrottled)
        }
    }

    /// What answers for the files of the release in force; nil if it has none that can be opened.
    private func files(of slot: PluginSlot) -> StaticFileResponder? {
        let path = slot.releaseDirectory + "/priv/static"
        guard let manifest = slot.current?.loaded.manifest, Directory.isDirectory(path) else {
            return nil
        }
        var options = StaticFileOptions()
        options.index = manifest.files.index
        options.fallback = manifest.files.fallback
        options.cacheRules = manifest.files.cacheRules.map {
            .init(pattern: $0.pattern, value: $0.value)
        }
        options.headers = manifest.files.headers.map { .init(name: $0.name, value: $0.value) }
        do throws(ServerError) {
            return try StaticFileResponder(directory: path, options: options)
        } catch {
            say(.warning, "its files are not served: \(error)", slot.name)
            return nil
        }
    }

    /// Hands the table to every reactor; one that has a newer table already keeps it.
    func publishTable() async {
        if table.hooks !== switchboard.hooks.chain {
            table = table.hooking(switchboard.hooks.chain)
        }
        tellReadiness()
        guard let server else { return }
        let table = table
        await server.forEachReactor { PluginApplication.install(table, on: $0) }
    }

    // MARK: - Down

    /// Takes an image that no longer serves out of memory: drain, stop, close, verify.
    ///
    /// - Returns: false when the policy is to refuse and the deadline passed; nothing was changed
    ///   then but for the draining, which has been called off.
    func retire(
        _ image: HostedImage, _ slot: PluginSlot, _ policy: DrainPolicy,
        keepsSockets: Bool = false
    ) async -> Bool {
        let begin = clock.now
        image.use = .draining
        (image.heartbeat, image.windowEnd) = (nil, nil)
        image.loaded.member.gate.close()
        if !keepsSockets { await closeSockets(image) }
        var drained = await drain(image, .seconds(policy.seconds))
        if !drained, keepsSockets, policy.outcome != .refuse {
            await closeSockets(image)
            drained = await drain(image, Self.socketsCloseWithin)
        }
        if !drained {
            say(
                .warning,
                "\(image.work) after \(policy.seconds) s: \(policy.outcome.rawValue)", slot.name,
                image.loaded)
            switch policy.outcome {
            case .refuse:
                image.use = .serving
                image.loaded.member.gate.open()
                listen(to: image, of: slot.name)
                await reopenSockets(image)
                return false
            case .wait:
                image.loaded.member.calls.settle()
                while !drained {
                    guard image.holders.isEmpty else {
                        await conclude(image, slot, .pinned(image.holders), since: begin)
                        return true
                    }
                    drained = await drain(image, .seconds(max(1, policy.seconds)))
                }
            case .quarantine: break
            }
        }
        image.use = .stopping
        await stop(image)
        let report = await close(image)
        await conclude(image, slot, report, since: begin)
        return true
    }

    /// Waits until nothing is inside the image's code any more: first the requests that it was
    /// handed, then the calls, which requests may have made.
    private func drain(_ image: HostedImage, _ deadline: Duration) async -> Bool {
        let end = clock.now + deadline
        guard await drainRequests(image, deadline) else { return false }
        return await image.loaded.member.gate.waitUntilEmpty(deadline: max(.zero, end - clock.now))
    }

    /// Waits until no reactor owes a response to a request that the image was handed.
    private func drainRequests(_ image: HostedImage, _ deadline: Duration) async -> Bool {
        guard let server, let generation = image.generation else { return true }
        await image.loaded.drain(.began)
        let latch = DrainLatch(parties: server.reactors.count)
        await server.forEachReactor { reactor in
            generation.beginDraining(reactor: reactor.index) { latch.arrive() }
            generation.announceDraining(on: reactor)
        }
        if await latch.wait(deadline: deadline) { return true }
        await server.forEachReactor { generation.endDraining(reactor: $0.index) }
        return latch.isOpen
    }

    /// How long clients may take to answer when their sockets are closed, with a margin.
    private static let socketsCloseWithin = Duration.seconds(6)

    /// Tells the clients of an image's WebSockets that the service restarts.
    private func closeSockets(_ image: HostedImage) async {
        guard let server, let generation = image.generation else { return }
        await server.forEachReactor { generation.closeSockets(on: $0) }
        await image.loaded.drain(.sockets)
    }

    private func reopenSockets(_ image: HostedImage) async {
        guard let server, let generation = image.generation else { return }
        await server.forEachReactor { generation.openSockets(on: $0) }
        await image.loaded.drain(.over)
    }

    func stop(_ image: HostedImage) async {
        image.loaded.member.calls.end()
        do throws(HostError) {
            try await image.loaded.stop(seconds: options.stopSeconds)
        } catch {
            image.reasons.append(contentsOf: error.reasons)
            say(.error, error.description, image.loaded.name, image.loaded)
        }
    }

    /// Closes an image; its pool goes first, and thread-local objects that it left on the loops.
    ///
    /// It is not touched as long as something is inside.
    private func close(_ image: HostedImage) async -> UnloadOutcomeReport {
        guard image.owed == 0 else { return .pinned(image.holders + image.unfinished) }
        _ = await image.generation?.pool.end(within: .seconds(options.stopSeconds))
        let loaded = image.loaded
        await server?.forEachReactor { _ in loaded.settleThread() }
        let report = await loaded.close(seconds: options.stopSeconds)
        guard report.waitsForThreads, let server else { return report }
        do throws(ServerError) {
            try await server.moveReactorsToFreshThreads()
        } catch {
            say(.warning, "the reactors stay on their threads: \(error)", image.loaded.name)
            return report
        }
        return await loaded.close(seconds: options.stopSeconds)
    }

    private func conclude(
        _ image: HostedImage, _ slot: PluginSlot, _ report: UnloadOutcomeReport,
        since begin: ContinuousClock.Instant
    ) async {
        let milliseconds = (clock.now - begin) / .milliseconds(1)
        let unload = UnloadReport(
            generation: image.loaded.number, verdict: report.isUnloaded ? .unloaded : .pinned,
            reasons: report.reasons, milliseconds: milliseconds)
        slot.lastUnload = unload
        if report.isUnloaded {
            slot.leaving.removeAll { $0 === image }
            if let generation = image.generation { slot.past += CallTotals(generation) }
            slot.pastCPU += image.meter.cpu(of: image)
            measureHeap(slot)
            let taken = report.reclaimed.joined(separator: ", ")
            say(
                .info, "unloaded" + (taken.isEmpty ? "" : "; taken back: \(taken)"), slot.name,
                image.loaded)
        } else {
            image.use = .pinned
            image.reasons = report.reasons
            say(
                .warning, "pinned: " + report.reasons.joined(separator: "; "), slot.name,
                image.loaded)
            retryPinnedImages()
        }
        await note(.unloaded(unload), on: slot.name)
        for waiter in slot.leaveWaiters { waiter.resume() }
        slot.leaveWaiters = []
    }

    /// What is left on the heap by each unload.
    private func measureHeap(_ slot: PluginSlot) {
        slot.unloads += 1
        slot.heap.note(linux_heap_bytes_in_use())
    }

    /// Takes down an image that was never published.
    private func abandon(_ loaded: any PluginInstance, _ slot: PluginSlot) async {
        switchboard.withdraw(loaded.member)
        loaded.member.gate.close()
        loaded.member.calls.end()
        let report = await loaded.close(seconds: options.stopSeconds)
        guard !report.isUnloaded else { return }
        say(.warning, "pinned: " + report.reasons.joined(separator: "; "), slot.name, loaded)
        let image = HostedImage(loaded: loaded, generation: nil)
        image.use = .pinned
        image.reasons = report.reasons
        slot.leaving.append(image)
        retryPinnedImages()
    }

    // MARK: - Pinned images

    /// Tries again, once a second, to close what could not be closed, as long as there is any.
    private func retryPinnedImages() {
        guard !isRetryingPinned else { return }
        isRetryingPinned = true
        Task {
            while self.hasPinnedImages {
                await Deadline.pause(for: .seconds(1))
                await self.retryOnce()
            }
        }
    }

    private var hasPinnedImages: Bool {
        let some = !isStopping && slots.values.contains { $0.hasImagesThatMayLeave }
        if !some { isRetryingPinned = false }
        return some
    }

    private func retryOnce() async {
        for slot in slots.values {
            for image in slot.leaving where image.use == .pinned && image.mayStillLeave {
                let begin = clock.now
                // Its work goes on as long as a call was inside when it was to be stopped.
                if image.owed == 0 { await stop(image) }
                let report = await close(image)
                if report.isUnloaded {
                    await conclude(image, slot, report, since: begin)
                } else {
                    image.reasons = report.reasons
                }
            }
        }
    }
}
