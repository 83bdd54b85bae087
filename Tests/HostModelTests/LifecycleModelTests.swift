import HostModel
import Testing

/// Random commands, some of them cut short by a crash, against a model that knows only what an
/// operator would: whatever happens, what is replayed is what was live, and disk, journal and model
/// agree.
@Suite struct LifecycleModelTests {
    private static let sequences = 10_000
    private static let commandsEach = 12
    private static let seed: UInt64 = 1

    /// The host, reduced to its journal, its registry and the links on its disk.
    private struct World {
        struct Files: Equatable {
            var current = ""
            var releases: Set<String> = []
        }

        var journal: [LifecycleEvent] = []
        var registry = Registry()
        var disk: [PluginName: Files] = [:]
        var time: Int64 = 0

        mutating func record(_ facts: [LifecycleEvent.Fact], on name: PluginName) {
            time += 1
            for fact in facts {
                let event = LifecycleEvent(
                    fact, plugin: name, time: Timestamp(milliseconds: time))
                journal.append(event)
                registry.evolve(event)
            }
        }

        mutating func execute(
            _ command: LifecycleCommand, on name: PluginName
        ) throws(HostError) {
            record(try registry.decide(command, on: name), on: name)
        }

        mutating func apply(_ change: Change, of name: PluginName) {
            switch change {
            case .install(_, let directory, _, _):
                disk[name] = Files(current: directory, releases: [directory])
            case .upgrade(_, let directory, _, _, _):
                disk[name]?.releases.insert(directory)
                disk[name]?.current = directory
            case .rollback(_, let directory, _): disk[name]?.current = directory
            case .removal: disk[name] = nil
            }
        }

        /// Takes the steps of a change, and dies after some of them; says whether it lived.
        mutating func carryOut(
            _ change: Change, of name: PluginName, dyingAfter steps: Int?
        ) throws(HostError) -> Bool {
            for (number, step) in change.steps.enumerated() {
                if number == steps { return false }
                switch step {
                case .prove: break
                case .begin: try execute(.begin(change), on: name)
                case .apply:
                    apply(change, of: name)
                    if change.target != nil { try execute(.extract, on: name) }
                case .finish: try execute(.finish, on: name)
                }
            }
            return true
        }

        /// Dies, and starts again.
        mutating func restart() throws(HostError) {
            registry = Registry(journal)
            for (name, fact) in registry.lostGenerations() { record([fact], on: name) }
            for (name, change) in registry.changes {
                let files = disk[name]
                switch change.ending(found: files.map { .release($0.current) } ?? .nothing) {
                case .finish: try execute(.finish, on: name)
                case .undo:
                    undo(change, of: name)
                    try execute(.undo(reason: "killed"), on: name)
                }
            }
        }

        private mutating func undo(_ change: Change, of name: PluginName) {
            switch change {
            case .install: disk[name] = nil
            case .upgrade(_, let directory, let former, _, _):
                if disk[name]?.current == directory { disk[name]?.current = former }
                disk[name]?.releases.remove(directory)
            case .rollback(_, let directory, let former):
                if disk[name]?.current == directory { disk[name]?.current = former }
            case .removal: break
            }
        }
    }

    /// What an operator expects of one plugin.
    private struct Expected: Equatable {
        var bundle: Int
        var isActive: Bool
        var directory: String
        /// The bundle in each directory.
        var releases: [String: Int]
        var isLoaded = false
    }

    private struct Model: Equatable {
        var plugins: [PluginName: Expected] = [:]
        var removed: [PluginName: Set<Int>] = [:]
        var mounts: [MountAddress: PluginName] = [:]
        var lastSequence: [PluginName: Int] = [:]
    }

    private let names: [PluginName]
    private let places: [MountAddress]

    init() throws {
        names = try ["alpha", "beta", "gamma"].map { try PluginName(checking: $0) }
        places = try ["/a", "/b"].map { try MountAddress(host: nil, prefix: $0) }
    }

    private func release(_ bundle: Int) throws -> LifecycleEvent.Release {
        let digest = try #require(Digest(bytes: [UInt8](repeating: UInt8(bundle), count: 32)))
        return LifecycleEvent.Release(
            version: SemanticVersion(1, UInt64(bundle), 0), bundleDigest: digest,
            libraryDigest: digest, mode: .inProcess)
    }

    @Test func tenThousandSequences_withCrashes_agreeWithTheModel() throws {
        var random = SeededGenerator(seed: Self.seed)
        var (refusals, crashes) = (0, 0)
        for sequence in 0..<Self.sequences {
            var world = World()
            var model = Model()
            for number in 0..<Self.commandsEach {
                let name = names[Int.random(in: 0..<names.count, using: &random)]
                let story: Comment = "seed \(Self.seed), sequence \(sequence), command \(number)"
                let before = model
                do throws(HostError) {
                    let lived = try act(name, &world, &model, &random)
                    if !lived { crashes += 1 }
                } catch {
                    refusals += 1
                    #expect(model == before, story)
                }
                guard try agrees(world, model) else {
                    Issue.record(story)
                    return
                }
            }
            #expect(Registry(world.journal) == world.registry, "sequence \(sequence)")
        }
        #expect(refusals > Self.sequences && crashes > Self.sequences)
    }

    /// One random command; the model is changed when it was carried out, or when a crash came so
    /// late that the next start finishes it. Returns false when there was a crash.
    private func act(
        _ name: PluginName, _ world: inout World, _ model: inout Model,
        _ random: inout SeededGenerator
    ) throws(HostError) -> Bool {
        switch Int.random(in: 0..<12, using: &random) {
        case 0...3: return try install(name, &world, &model, &random)
        case 4: return try rollBack(name, &world, &model, &random)
        case 5: return try remove(name, &world, &model, &random)
        case 6:
            try world.execute(.activate, on: name)
            model.plugins[name]?.isActive = true
        case 7:
            try unload(name, &world, &model)
            try world.execute(.deactivate(reason: "operator"), on: name)
            model.plugins[name]?.isActive = false
        case 8: try load(name, &world, &model)
        case 9:
            let place = places[Int.random(in: 0..<places.count, using: &random)]
            try world.execute(.mount(place), on: name)
            model.mounts[place] = name
        case 10:
            let place = places[Int.random(in: 0..<places.count, using: &random)]
            try world.execute(.unmount(place), on: name)
            model.mounts[place] = nil
        default:
            try world.restart()
            for name in names { model.plugins[name]?.isLoaded = false }
            return false
        }
        return true
    }

    private func install(
        _ name: PluginName, _ world: inout World, _ model: inout Model,
        _ random: inout SeededGenerator
    ) throws(HostError) -> Bool {
        let bundle = Int.random(in: 1...4, using: &random)
        let allows = Bool.random(using: &random)
        let activates = Bool.random(using: &random)
        guard let release = try? release(bundle) else { return true }
        _ = try world.registry.decide(
            .install(release, allowsTombstoned: allows), on: name)
        let sequence = (model.lastSequence[name] ?? 0) + 1
        let directory = "\(sequence)-\(release.version)"
        let former = model.plugins[name]
        let change: Change =
            former.map {
                .upgrade(release, directory: directory, from: $0.directory, activates: activates)
            } ?? .install(release, directory: directory, activates: activates)
        let (isDone, lived) = try carryOut(change, name, &world, &model, &random)
        guard isDone else { return lived }
        model.lastSequence[name] = sequence
        var next =
            former ?? Expected(bundle: bundle, isActive: false, directory: "", releases: [:])
        next.bundle = bundle
        next.isActive = next.isActive || activates
        next.directory = directory
        next.releases[directory] = bundle
        if !lived { next.isLoaded = false }
        model.plugins[name] = next
        model.removed[name]?.remove(bundle)
        return lived
    }

    private func rollBack(
        _ name: PluginName, _ world: inout World, _ model: inout Model,
        _ random: inout SeededGenerator
    ) throws(HostError) -> Bool {
        let now = try world.registry.installed(name)
        guard let earlier = now.versions.randomElement(using: &random),
            let bundle = model.plugins[name]?.releases[earlier.directory],
            let release = try? release(bundle)
        else { return true }
        let change = Change.rollback(
            release, directory: earlier.directory, from: now.directory)
        let (isDone, lived) = try carryOut(change, name, &world, &model, &random)
        guard isDone else { return lived }
        model.plugins[name]?.bundle = bundle
        model.plugins[name]?.directory = earlier.directory
        return lived
    }

    private func remove(
        _ name: PluginName, _ world: inout World, _ model: inout Model,
        _ random: inout SeededGenerator
    ) throws(HostError) -> Bool {
        if Bool.random(using: &random) { try unload(name, &world, &model) }
        let change = Change.removal(keepsData: Bool.random(using: &random))
        let (isDone, lived) = try carryOut(change, name, &world, &model, &random)
        guard isDone, let gone = model.plugins.removeValue(forKey: name) else { return lived }
        model.removed[name, default: []].formUnion(gone.releases.values)
        model.mounts = model.mounts.filter { $0.value != name }
        model.lastSequence[name] = nil
        return lived
    }

    /// Carries a change out, or dies on the way and starts again.
    ///
    /// - Returns: whether it is to be expected that it is done, and whether the world lived.
    private func carryOut(
        _ change: Change, _ name: PluginName, _ world: inout World, _ model: inout Model,
        _ random: inout SeededGenerator
    ) throws(HostError) -> (isDone: Bool, lived: Bool) {
        let steps = change.steps
        let death =
            Bool.random(using: &random) ? Int.random(in: 0..<steps.count, using: &random) : nil
        if try world.carryOut(change, of: name, dyingAfter: death) { return (true, true) }
        try world.restart()
        for name in names { model.plugins[name]?.isLoaded = false }
        let applied = (steps.firstIndex(of: .apply) ?? 0) < death ?? 0
        if case .install = change { return (false, false) }
        return (applied, false)
    }

    private func load(
        _ name: PluginName, _ world: inout World, _ model: inout Model
    ) throws(HostError) {
        let record = try world.registry.installed(name)
        guard record.isActive, record.loadedGenerations.isEmpty else { return }
        world.record(
            [
                .loaded(
                    generation: record.generation + 1, libraryDigest: record.release.libraryDigest,
                    milliseconds: 1)
            ], on: name)
        model.plugins[name]?.isLoaded = true
    }

    private func unload(
        _ name: PluginName, _ world: inout World, _ model: inout Model
    ) throws(HostError) {
        for generation in try world.registry.installed(name).loadedGenerations {
            world.record(
                [
                    .unloaded(
                        UnloadReport(
                            generation: generation, verdict: .unloaded, reasons: [],
                            milliseconds: 1))
                ], on: name)
        }
        model.plugins[name]?.isLoaded = false
    }

    private func agrees(_ world: World, _ model: Model) throws -> Bool {
        guard world.registry.changes.isEmpty, world.registry.mounts == model.mounts,
            Set(world.registry.plugins.keys) == Set(model.plugins.keys),
            Set(world.disk.keys) == Set(model.plugins.keys)
        else { return false }
        for (name, expected) in model.plugins {
            guard let record = world.registry[name], let files = world.disk[name],
                record.release == (try release(expected.bundle)),
                record.isActive == expected.isActive, record.directory == expected.directory,
                files.current == expected.directory,
                files.releases == Set(expected.releases.keys),
                Set(record.versions.map(\.directory)) == files.releases,
                record.loadedGenerations.isEmpty != expected.isLoaded
            else { return false }
            for version in record.versions {
                let isUp = expected.isLoaded && version.directory == record.directory
                guard version.status == .inactive || isUp || version.status == .connected else {
                    return false
                }
            }
        }
        for name in names {
            let digests = Set(try (model.removed[name] ?? []).map { try release($0).bundleDigest })
            guard (world.registry.tombstones[name]?.digests ?? []) == digests else { return false }
        }
        return true
    }
}

/// The legal moves of a release, and no others.
@Suite struct VersionStatusTests {
    @Test func retired_isTheEnd_whateverComesLate() {
        for signal in VersionStatus.Signal.allCases {
            let next = VersionStatus.retired.after(signal)
            #expect(next == (signal == .retire ? .retired : nil), "\(signal)")
        }
    }

    @Test(
        arguments: [
            (.inactive, .connect, .connected), (.inactive, .heartbeat, nil),
            (.inactive, .miss, nil),
            (.inactive, .rest, .inactive), (.connected, .heartbeat, .connected),
            (.connected, .miss, .disconnected), (.connected, .rest, .inactive),
            (.disconnected, .heartbeat, .connected), (.disconnected, .connect, .connected),
            (.disconnected, .miss, .disconnected), (.disconnected, .rest, .inactive),
            (.connected, .connect, .connected), (.inactive, .retire, .retired),
            (.connected, .retire, .retired), (.disconnected, .retire, .retired),
        ] as [(VersionStatus, VersionStatus.Signal, VersionStatus?)])
    func status_movesBySignal(
        status: VersionStatus, signal: VersionStatus.Signal, next: VersionStatus?
    ) {
        #expect(status.after(signal) == next)
    }

    @Test func everyMove_isRefusedByName_whenItLeadsNowhere() throws {
        let name = try PluginName(checking: "demo")
        let digest = try #require(Digest(bytes: [UInt8](repeating: 1, count: 32)))
        let release = LifecycleEvent.Release(
            version: SemanticVersion(1, 0, 0), bundleDigest: digest, libraryDigest: digest,
            mode: .inProcess)
        let install = Change.install(release, directory: "1", activates: true)
        var plugin = PluginAggregate(name: name)
        func refusal(_ command: LifecycleCommand) -> HostError.Code? {
            do throws(HostError) {
                _ = try plugin.decide(command)
                return nil
            } catch {
                return error.code
            }
        }
        func take(_ command: LifecycleCommand) throws {
            for fact in try plugin.decide(command) {
                plugin.evolve(
                    LifecycleEvent(fact, plugin: name, time: Timestamp(milliseconds: 0)))
            }
        }
        #expect(refusal(.activate) == "plugin_not_installed")
        #expect(refusal(.finish) == "change_missing" && refusal(.extract) == "change_missing")
        try take(.begin(install))
        #expect(refusal(.begin(install)) == "change_pending" && plugin.record == nil)
        try take(.extract)
        try take(.finish)
        #expect(plugin.record?.isActive == true && plugin.record?.current?.status == .inactive)
        #expect(refusal(.begin(install)) == "plugin_installed")
        #expect(refusal(.prune(directory: "1")) == "version_in_force")
        let late = LifecycleCommand.signal(.heartbeat, directory: "1", reason: "")
        #expect(refusal(late) == "version_move_illegal")
        try take(.signal(.retire, directory: "1", reason: "died"))
        #expect(refusal(late) == "version_move_illegal")
        #expect(
            refusal(.signal(.miss, directory: "7", reason: "")) == "version_unknown")
        #expect(
            refusal(.begin(.rollback(release, directory: "1", from: "2"))) == "version_retired")
        try take(.begin(.removal(keepsData: false)))
        try take(.finish)
        #expect(plugin.record == nil && refusal(.install(release)) == "bundle_tombstoned")
        #expect(refusal(.install(release, allowsTombstoned: true)) == nil)
    }
}
