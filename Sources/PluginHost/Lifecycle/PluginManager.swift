import CLinux
import DynamicLibrary
package import HTTPServer
package import HostModel

/// The control plane: installs, loads, reloads, drains and unloads plugins, and publishes what
/// serves to the reactors.
///
/// It is the only writer of the journal, of the plugins' directories and of the dispatch table.
/// Without a server it works on the root alone, and leaves loading to the next `host serve`.
package actor PluginManager {
    let layout: RootLayout
    let options: ManagerOptions
    let server: HTTPServer?
    let log: HostLog
    let journal: Journal
    let installer: Installer
    let stager: Stager
    /// Where the plugins meet.
    let switchboard = Switchboard()
    /// What keeps clients from being sent here.
    nonisolated let readiness = ReadinessBoard()
    let clock = ContinuousClock()

    var registry: Registry
    var slots: [PluginName: PluginSlot] = [:]
    var table = MountTable()
    /// Who depends on whom.
    var dependencies = DependencyBook()
    var watcher: DirectoryWatcher?
    /// Which plugin a watched directory belongs to.
    var watched: [String: PluginName] = [:]
    /// Places that are being given to a plugin.
    var mountsInHand: [MountAddress: PluginName] = [:]
    /// Looks into the inbox and along the path that are under way or still to be made.
    var pendingInboxLooks = 0
    var pendingPathLooks = 0
    /// What is known of the bundles on the search path.
    var knownBundles: [String: KnownBundle] = [:]
    /// Changes of the configuration that have not been looked at.
    var configurationChanges = 0
    var isFollowingConfiguration = false
    /// The configuration's files at the last look.
    var configurationMarks: [FileMark?] = []
    var isStopping = false
    /// Whether another process takes the root over, so that nothing is changed any more.
    var isFrozen = false
    var isRetryingPinned = false
    /// Whose signatures count.
    var trust: TrustStore
    var isChangingTrust = false
    var trustWaiters: [CheckedContinuation<Void, Never>] = []
    /// Facts that wait to be written in one go; nil: each is written as it comes.
    var batch: [Journal.Group]?
    /// The last event of each plugin in the journal.
    var heads: [PluginName: Int64]
    /// What is written next, in this order.
    var waitingEvents: [WaitingEvents] = []
    var isWriting = false
    private let lock: RootLock
    /// Where everything here runs, and what is awaited from here.
    nonisolated let control: ControlThread

    package nonisolated var unownedExecutor: UnownedSerialExecutor {
        unsafe control.asUnownedSerialExecutor()
    }

    /// Takes the root, and brings it into order after whatever happened before.
    ///
    /// - Parameter server: nil works on the root alone.
    /// - Throws: `root_locked` when another process has it; `HostError` of the root, the journal or
    ///   the recovery.
    package init(
        root layout: RootLayout, options: ManagerOptions = ManagerOptions(), server: HTTPServer?,
        log: HostLog
    ) async throws(HostError) {
        let control = try ControlThread()
        self.control = control
        let hadPlugins = Directory.isDirectory(layout.plugins)
        try layout.create()
        if let held = options.heldLock {
            lock = RootLock(owning: held, layout)
        } else {
            lock = try RootLock(layout)
        }
        let (journal, replayed) = try await Blocking.run { () throws(HostError) in
            let journal = try Journal(path: layout.database)
            return (journal, try journal.replay())
        }
        guard hadPlugins || replayed.registry.plugins.isEmpty else {
            throw Self.pluginsMissing(layout, count: replayed.registry.plugins.count)
        }
        trust = try TrustStore(layout, atLeast: options.signatures)
        self.layout = layout
        self.options = options
        self.server = server
        self.log = log
        self.journal = journal
        switchboard.events.journaled = replayed.lastSequence
        registry = replayed.registry
        heads = replayed.heads
        installer = Installer(layout)
        stager = Stager(
            options: options, proven: Set(replayed.registry.sorted.compactMap(\.provenDigest)))
        switchboard.hooks.whenChanged { [weak self] in
            Task { await self?.publishHooks() }
        }
        try await recover()
    }

    /// What has gone altogether is away, and was not removed plugin by plugin.
    private static func pluginsMissing(_ layout: RootLayout, count: Int) -> HostError {
        try? Directory.remove(layout.plugins)
        return HostError(
            "plugins_missing", what: "the root has lost its plugins", subject: layout.plugins,
            why: "the journal knows \(count) plugin\(count == 1 ? "" : "s"), and the directory is"
                + " not there",
            fix: "mount it or restore it; or, if they are to count as removed, make it anew")
    }

    // MARK: - Asking

    /// How every installed plugin is, by name.
    package func statuses() async -> [PluginStatus] {
        var statuses: [PluginStatus] = []
        for record in registry.sorted { statuses.append(await describe(record)) }
        return statuses
    }

    /// How one plugin is.
    ///
    /// - Throws: `plugin_not_installed`, with the nearest name that is.
    package func status(_ name: PluginName) async throws(HostError) -> PluginStatus {
        await describe(try registry.installed(name))
    }

    private func describe(_ record: PluginRecord) async -> PluginStatus {
        let slot = slot(record.name)
        let current = slot.current
        var images: [PluginStatus.Image] = []
        let canary = slot.canary.map { PluginStatus.Canary($0, at: clock.now) }
        for image in slot.images {
            images.append(describe(image))
            guard let canary, image === slot.canary?.image else { continue }
            images[images.count - 1].reasons.append(canary.told)
        }
        let health = await current?.loaded.checkHealth()
        let inspection = current?.loaded.inspection ?? inspectInstalled(record)
        var status = PluginStatus(
            name: record.name, version: record.release.version.description,
            description: current?.loaded.manifest.description ?? "",
            state: state(of: slot, record), mode: current?.loaded.mode ?? record.release.mode,
            generation: current?.loaded.number ?? 0,
            digest: (current?.loaded.digest ?? record.release.libraryDigest).hex,
            routes: current?.loaded.routes.map {
                "\($0.method) /plugin/\(record.name)/api\($0.pattern)"
            } ?? [],
            mounts: registry.mounts(of: record.name),
            inFlight: images.reduce(0) { $0 + $1.inFlight },
            sockets: images.reduce(0) { $0 + $1.sockets },
            unload: inspection.map {
                PluginStatus.Expectation(
                    verdict: $0.verdict.rawValue, reasons: $0.reasons.map(\.what))
            },
            lastUnload: slot.lastUnload ?? record.lastUnload,
            health: health.map {
                PluginStatus.Health(state: String(describing: $0.state), reason: $0.reason)
            },
            lastError: slot.isBlocked ? nil : slot.lastError ?? record.lastError,
            dependencies: dependencies(of: record.name), services: grants(of: record),
            configuration: configuration(of: slot), signature: record.signature,
            quarantine: record.quarantine, images: images,
            versions: record.versions.map {
                PluginStatus.Version(
                    id: "\(record.name)@\($0.version)", version: $0,
                    isInForce: $0.directory == record.directory)
            },
            work: current?.generation.map { PluginStatus.Work($0) }, canary: canary,
            reloads: PluginStatus.Reloads(
                count: slot.unloads, bytesEach: slot.heap.bytesEach, heapBytes: slot.heap.bytes,
                lastMilliseconds: slot.lastReloadMilliseconds))
        status.modeReason = record.modeReason
        status.workers = current?.loaded.workerStatuses ?? []
        if status.mode.isConfinable { status.confinement = confinementChoice(of: record.name) }
        return status
    }

    func state(of slot: PluginSlot, _ record: PluginRecord) -> PluginStatus.State {
        if slot.current != nil { return .active }
        if record.isActive, !record.isDisabled, record.quarantine != nil { return .quarantined }
        if slot.isLoading { return .loading }
        if slot.leaving.contains(where: { $0.use == .draining || $0.use == .stopping }) {
            return .draining
        }
        guard record.isActive else { return .inactive }
        if record.isDisabled { return .disabled }
        if server == nil { return .inactive }
        return slot.isBlocked ? .blocked : .failed
    }

    private func describe(_ image: HostedImage) -> PluginStatus.Image {
        let holdings = image.loaded.holdings
        let inFlight = image.requestsInFlight
        var reasons = image.reasons
        if image.use == .draining, image.owed > 0 { reasons.append(image.work) }
        if let stuck = image.loaded.stuckReason { reasons.append(stuck) }
        if image.use != .pinned {
            reasons += image.holders(longerThan: .seconds(1))
        }
        return PluginStatus.Image(
            generation: image.loaded.number, version: image.loaded.version.description,
            use: image.use, inFlight: inFlight, sockets: image.openSockets,
            threads: holdings?.threads.map(\.description) ?? [],
            keys: holdings?.keys ?? 0, reasons: reasons)
    }

    private func inspectInstalled(_ record: PluginRecord) -> ImageInspection? {
        guard let installed = try? installer.installed(record.name) else { return nil }
        return try? PluginImage.inspect(installed.directory.library(installed.manifest))
    }

    // MARK: - Bookkeeping

    func slot(_ name: PluginName) -> PluginSlot {
        if let slot = slots[name] { return slot }
        let slot = PluginSlot(name: name)
        slots[name] = slot
        return slot
    }

    /// Runs an operation on a plugin while no other one does.
    func exclusively<Value>(
        _ name: PluginName,
        _ body: nonisolated(nonsending) (PluginSlot) async throws(HostError) -> Value
    ) async throws(HostError) -> Value {
        let slot = slot(name)
        try refuseWhenFrozen()
        while slot.isBusy {
            // On the way to the continuation others may have their turn, and the last of them may
            // have found nobody waiting.
            await withCheckedContinuation { waiter in
                if slot.isBusy { slot.waiters.append(waiter) } else { waiter.resume() }
            }
        }
        slot.isBusy = true
        defer {
            slot.isBusy = false
            if !slot.waiters.isEmpty { slot.waiters.removeFirst().resume() }
        }
        try refuseWhenFrozen()
        do throws(HostError) {
            let value = try await body(slot)
            await stager.cleanUp(after: name)
            return value
        } catch {
            await stager.cleanUp(after: name)
            throw error
        }
    }

    func say(
        _ level: HostLog.Level, _ message: String, _ name: PluginName,
        _ loaded: (any PluginInstance)? = nil
    ) {
        log.write(
            level, message,
            about: HostLog.Subject(
                plugin: name.text, version: loaded?.version.description,
                generation: loaded.map { UInt64($0.number) }))
    }
}
