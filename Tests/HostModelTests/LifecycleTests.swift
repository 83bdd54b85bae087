import HostModel
import Testing

@Suite struct LifecycleTests {
    private let name: PluginName
    private let release: LifecycleEvent.Release
    private let upgrade: LifecycleEvent.Release
    private let failure = HostError(
        "entry_missing", what: "no entry", why: "stripped", fix: "export it")

    private let shop: MountAddress
    private let everything: MountAddress

    init() throws {
        shop = try MountAddress(host: "shop.example", prefix: "/shop")
        everything = try MountAddress(host: nil, prefix: "/")
        name = try PluginName(checking: "metrics")
        let digest = try #require(Digest(bytes: [UInt8](repeating: 1, count: 32)))
        let other = try #require(Digest(bytes: [UInt8](repeating: 2, count: 32)))
        release = LifecycleEvent.Release(
            version: try #require(SemanticVersion("1.0.0")), bundleDigest: digest,
            libraryDigest: digest, mode: .inProcess)
        upgrade = LifecycleEvent.Release(
            version: try #require(SemanticVersion("1.1.0")), bundleDigest: other,
            libraryDigest: other, mode: .isolated)
    }

    private func event(_ fact: LifecycleEvent.Fact, at time: Int64 = 0) -> LifecycleEvent {
        LifecycleEvent(fact, plugin: name, time: Timestamp(milliseconds: time))
    }

    private var everyFact: [LifecycleEvent.Fact] {
        [
            .installed(release), .activated, .deactivated(reason: "operator"),
            .upgraded(from: release.version, to: upgrade),
            .libraryReplaced(from: release.libraryDigest, to: upgrade.libraryDigest),
            .loaded(generation: 3, libraryDigest: release.libraryDigest, milliseconds: 1.25),
            .loadFailed(generation: 4, error: failure),
            .unloaded(
                UnloadReport(
                    generation: 3, verdict: .pinned, reasons: ["thread"], milliseconds: 7.5)),
            .mounted(shop), .unmounted(everything),
            .removed(dataKept: true),
            .began(.install(release, directory: "000001-1.0.0", activates: true)),
            .extracted(
                directory: "000001-1.0.0", version: release.version,
                bundleDigest: release.bundleDigest),
            .undone(reason: "killed"), .pruned(directory: "000001-1.0.0"),
            .serviceGranted("ph.log/1"), .serviceRevoked("ph.log/1"),
            .serviceDenied("ph.log/1", generation: 3, reason: "it is not granted"),
            .workerEnded(generation: 3, reason: "killed by SIGSEGV"),
            .reattached(
                generation: 3, libraryDigest: release.libraryDigest, processes: 2, milliseconds: 2.5
            ),
            .modeChosen(.isolated, reason: "generation 3 ended the engine: SIGSEGV at 0x0"),
            .workerRestarted(generation: 3, milliseconds: 12.5),
            .lost(generations: [3, 4]), .blocked(reasons: ["it requires plugin \"a\""]),
            .versionMoved(directory: "000001-1.0.0", to: .retired, reason: "unhealthy"),
            .signatureChecked(
                directory: "000001-1.0.0",
                SignatureNote(signer: nil, key: "0a", objection: "signer_unknown", reasons: ["x"])),
            .canaryStarted(
                generation: 5, from: "000001-1.0.0", policy: CanaryPolicy(percent: 10, seconds: 7)),
            .canaryPromoted(generation: 5, requests: 100, errors: 1),
            .canaryFailed(generation: 5, reason: "errors", requests: 20, errors: 9),
            .limitExceeded(resource: .memory, value: 12, limit: 7, action: .throttle),
            .limitRespected(resource: .inFlight),
            .confinementChosen(.off),
        ]
    }

    @Test func everyEvent_isTheSame_afterATripThroughJSON() throws {
        for fact in everyFact {
            let event = event(fact, at: 1_700_000_000_123)
            #expect(try LifecycleEvent(json: try JSON.parse(event.json.text())) == event)
        }
        #expect(Set(everyFact.map(\.name)).count == everyFact.count)
        let changes: [Change] = [
            .install(release, directory: "1", activates: true, grants: ["ph.log/1"]),
            .upgrade(upgrade, directory: "2", from: "1", activates: false),
            .upgrade(upgrade, directory: "2", from: "1", activates: true, grants: ["ph.log/1"]),
            .rollback(release, directory: "1", from: "2"), .removal(keepsData: true),
        ]
        for change in changes {
            #expect(try Change(json: try JSON.parse(change.json.text())) == change)
        }
    }

    @Test func servicesThatAChangeGives_areOneStepWithIt() throws {
        var registry = Registry()
        let services = ["ph.log/1", "ph.rpc/1"]
        registry.evolve(
            event(.began(.install(release, directory: "1", activates: true, grants: services))))
        let installed = try registry.decide(.finish, on: name)
        #expect(
            installed == [
                .installed(release), .serviceGranted("ph.log/1"), .serviceGranted("ph.rpc/1"),
                .activated,
            ])
        for fact in installed { registry.evolve(event(fact)) }
        #expect(registry[name]?.grants == ["ph.log/1": true, "ph.rpc/1": true])
        registry.evolve(event(.serviceRevoked("ph.rpc/1")))
        registry.evolve(
            event(
                .began(
                    .upgrade(
                        upgrade, directory: "2", from: "1", activates: true, grants: services))))
        #expect(
            try registry.decide(.finish, on: name) == [
                .upgraded(from: release.version, to: upgrade), .serviceGranted("ph.rpc/1"),
            ])
    }

    @Test func everyEvent_isRefusedByName_whenAFieldIsMissing() {
        for fact in everyFact {
            for key in fact.payload.object?.keys ?? [] where key != "milliseconds" {
                var payload = fact.payload.object ?? [:]
                payload[key] = nil
                #expect(throws: HostError.self, "\(fact.name) without \(key)") {
                    try LifecycleEvent.Fact(name: fact.name, payload: .object(payload))
                }
            }
        }
        let error = #expect(throws: HostError.self) {
            try LifecycleEvent.Fact(name: "plugin_installed_v2", payload: [:])
        }
        #expect(error?.code == "event_unknown")
    }

    @Test func registry_followsAPlugin_throughItsLife() {
        var registry = Registry()
        registry.evolve(event(.installed(release), at: 10))
        #expect(registry[name]?.isActive == false)
        registry.evolve(event(.activated))
        registry.evolve(event(.loadFailed(generation: 1, error: failure)))
        #expect(registry[name]?.lastError == failure)
        registry.evolve(
            event(.loaded(generation: 2, libraryDigest: release.libraryDigest, milliseconds: 1)))
        #expect(registry[name]?.lastError == nil)
        #expect(registry[name]?.loadedGenerations == [2])
        registry.evolve(event(.upgraded(from: release.version, to: upgrade)))
        registry.evolve(
            event(.loaded(generation: 3, libraryDigest: upgrade.libraryDigest, milliseconds: 1)))
        let report = UnloadReport(generation: 2, verdict: .unloaded, reasons: [], milliseconds: 2)
        registry.evolve(event(.unloaded(report), at: 99))
        let record = registry[name]
        #expect(record?.loadedGenerations == [3] && record?.generation == 3)
        #expect(record?.release == upgrade && record?.lastUnload == report)
        #expect(record?.isActive == true)
        #expect(record?.installedAt.milliseconds == 10 && record?.changedAt.milliseconds == 99)
        registry.evolve(
            event(.libraryReplaced(from: upgrade.libraryDigest, to: release.libraryDigest)))
        #expect(registry[name]?.release.libraryDigest == release.libraryDigest)
    }

    @Test func generation_neverGoesBack_evenAfterRemoval() {
        var registry = Registry([
            event(.installed(release)),
            event(.loaded(generation: 5, libraryDigest: release.libraryDigest, milliseconds: 1)),
            event(.removed(dataKept: false)),
        ])
        #expect(registry[name] == nil)
        #expect(registry.tombstones[name]?.generation == 5)
        #expect(registry.tombstones[name]?.digests == [release.bundleDigest])
        registry.evolve(event(.installed(release)))
        #expect(registry[name]?.generation == 5 && registry.tombstones.isEmpty)
    }

    @Test func replay_givesTheSameRegistry_whateverTheEvents() {
        let events = (everyFact + everyFact.reversed() + everyFact).map { event($0) }
        #expect(Registry(events) == Registry(events))
        #expect(Registry(everyFact.dropFirst().map { event($0) }).plugins.isEmpty)
    }

    @Test func install_isAnUpgrade_whenThePluginIsThere() throws {
        var registry = Registry()
        #expect(try registry.decide(.install(release), on: name) == [.installed(release)])
        registry.evolve(event(.installed(release)))
        #expect(try registry.decide(.install(release), on: name) == [])
        #expect(
            try registry.decide(.install(upgrade), on: name)
                == [.upgraded(from: release.version, to: upgrade)])
    }

    @Test func command_givesNoEvents_whenItIsSoAlready() throws {
        var registry = Registry([event(.installed(release))])
        #expect(try registry.decide(.deactivate(reason: "x"), on: name) == [])
        #expect(try registry.decide(.activate, on: name) == [.activated])
        registry.evolve(event(.activated))
        #expect(try registry.decide(.activate, on: name) == [])
        #expect(
            try registry.decide(.deactivate(reason: "x"), on: name) == [.deactivated(reason: "x")])
        #expect(try registry.decide(.replaceLibrary(release.libraryDigest), on: name) == [])
        #expect(
            try registry.decide(.replaceLibrary(upgrade.libraryDigest), on: name)
                == [.libraryReplaced(from: release.libraryDigest, to: upgrade.libraryDigest)])
    }

    @Test func command_isRefused_whenThePluginIsNotInstalled() throws {
        let registry = Registry([event(.installed(release))])
        let typo = try PluginName(checking: "metrcs")
        let commands: [LifecycleCommand] = [
            .activate, .deactivate(reason: ""), .remove(keepData: false),
            .replaceLibrary(release.libraryDigest),
        ]
        for command in commands {
            let error = #expect(throws: HostError.self) { try registry.decide(command, on: typo) }
            #expect(error?.code == "plugin_not_installed")
            #expect(error?.what.contains("did you mean \"metrics\"?") == true)
        }
    }

    @Test func removal_isRefused_whileAGenerationIsLoaded() throws {
        var registry = Registry([
            event(.installed(release)), event(.activated),
            event(.loaded(generation: 1, libraryDigest: release.libraryDigest, milliseconds: 1)),
        ])
        let error = #expect(throws: HostError.self) {
            try registry.decide(.remove(keepData: false), on: name)
        }
        #expect(error?.code == "generation_still_loaded")
        for (plugin, lost) in registry.lostGenerations() {
            registry.evolve(LifecycleEvent(lost, plugin: plugin, time: Timestamp(milliseconds: 1)))
        }
        #expect(registry.lostGenerations().isEmpty)
        #expect(
            try registry.decide(.remove(keepData: true), on: name)
                == [.deactivated(reason: "removed"), .removed(dataKept: true)])
    }

    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_772_368_496_789, "2026-03-01T12:34:56.789Z"), (-1, "1969-12-31T23:59:59.999Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] as [(Int64, String)])
    func time_isWrittenAndRead_asRFC3339(milliseconds: Int64, text: String) {
        #expect(Timestamp(milliseconds: milliseconds).description == text)
        #expect(Timestamp(text)?.milliseconds == milliseconds)
    }

    @Test(arguments: [
        "", "2026-03-01", "2026-02-29T00:00:00.000Z", "2026-13-01T00:00:00.000Z",
        "2026-03-01T24:00:00.000Z", "2026-03-01T00:60:00.000Z", "2026-03-01T00:00:00.000+",
        "2026-03-01 00:00:00.000Z", "2026-00-10T00:00:00.000Z",
    ])
    func time_isRefused_whenItIsNoMoment(text: String) {
        #expect(Timestamp(text) == nil)
    }

    // MARK: - Mounts

    @Test func mount_isTakenOnce_andToldByBothNames() throws {
        let other = try PluginName(checking: "other")
        var registry = Registry([event(.installed(release))])
        registry.evolve(
            LifecycleEvent(.installed(release), plugin: other, time: Timestamp(milliseconds: 0)))
        #expect(try registry.decide(.mount(shop), on: name) == [.mounted(shop)])
        registry.evolve(event(.mounted(shop)))
        #expect(try registry.decide(.mount(shop), on: name).isEmpty)
        let taken = #expect(throws: HostError.self) {
            try registry.decide(.mount(shop), on: other)
        }
        #expect(taken?.code == "mount_taken")
        #expect(taken?.description.contains("\"other\"") == true)
        #expect(taken?.description.contains("\"metrics\"") == true)
        #expect(try registry.decide(.mount(everything), on: other) == [.mounted(everything)])
        let missing = #expect(throws: HostError.self) {
            try registry.decide(.unmount(shop), on: other)
        }
        #expect(missing?.code == "mount_missing")
        #expect(try registry.decide(.unmount(shop), on: name) == [.unmounted(shop)])
    }

    @Test func removedPlugin_losesItsMounts_andADeactivatedOneKeepsThem() {
        var registry = Registry([event(.installed(release)), event(.mounted(shop))])
        registry.evolve(event(.deactivated(reason: "operator")))
        #expect(registry.mounts(of: name) == [shop])
        registry.evolve(event(.mounted(everything)))
        #expect(registry.mounts(of: name) == [everything, shop])
        registry.evolve(event(.unmounted(everything)))
        registry.evolve(event(.removed(dataKept: false)))
        #expect(registry.mounts.isEmpty)
    }
}
