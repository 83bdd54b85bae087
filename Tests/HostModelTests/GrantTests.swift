import HostModel
import Testing

/// Which services a plugin is given.
@Suite struct GrantTests {
    private func grants(
        _ asked: [String], _ decisions: [String: Bool] = [:], _ policy: GrantPolicy = .harmless
    ) -> ServiceGrants {
        ServiceGrants(
            asked: asked, decisions: decisions, policy: policy,
            offered: ["ph.log/1", "ph.hooks/1", "ph.events/1"])
    }

    @Test func harmlessServices_areGranted_andOthersAreNot() {
        let grants = grants(["ph.log/1", "ph.hooks/1", "ph.log/2"])
        #expect(grants.granted == ["ph.log/1"])
        #expect(grants.denied == ["ph.hooks/1"])
        #expect(grants.unknown == ["ph.log/2"])
        #expect(grants.asked == ["ph.log/1", "ph.hooks/1", "ph.log/2"])
    }

    @Test func permissions_areForTheOperatorToGrant_andNotForTheCodeToAskFor() throws {
        #expect(GrantPolicy.sensitive.isSuperset(of: Permission.all))
        for permission in Permission.all {
            #expect(ServiceID.isValid(permission))
            let grants = ServiceGrants(
                asked: [permission], decisions: [:], policy: .harmless, offered: Permission.all)
            #expect(grants.denied == [permission])
        }
        var manifest = Manifest(
            name: try #require(PluginName("a")), version: SemanticVersion(1, 0, 0),
            abi: ABIVersion(major: 1, minor: 0), library: Manifest.Library(file: "liba.so"))
        manifest.services = ["ph.log/1", Permission.network]
        var code = CodeManifest(name: "a", version: "1.0.0", abi: 0x10000)
        code.services = ["ph.log/1"]
        #expect(manifest.difference(from: code).isEmpty)
        code.services = ["ph.log/1", Permission.network]
        #expect(manifest.difference(from: code).isEmpty)
        code.services = [Permission.network]
        #expect(manifest.difference(from: code).map(\.field) == ["services"])
    }

    @Test func operator_hasTheLastWord_whateverThePolicy() {
        let asked = ["ph.log/1", "ph.hooks/1"]
        let decisions = ["ph.log/1": false, "ph.hooks/1": true, "ph.events/1": true]
        for policy in [GrantPolicy.harmless, .all, .none, .only(["ph.log/1"])] {
            #expect(grants(asked, decisions, policy).granted == ["ph.hooks/1"])
            #expect(grants(asked, decisions, policy).denied == ["ph.log/1"])
        }
        // What is granted and does not exist is not given.
        #expect(grants(["ph.log/2"], ["ph.log/2": true], .all).granted.isEmpty)
    }

    @Test func policy_isRead_asItIsWritten() {
        #expect(GrantPolicy("harmless") == .harmless)
        #expect(GrantPolicy("all") == .all)
        #expect(GrantPolicy("none") == GrantPolicy.none)
        #expect(GrantPolicy("ph.log/1") == .only(["ph.log/1"]))
        #expect(GrantPolicy("ph.log/1,acme.cache/2") == .only(["ph.log/1", "acme.cache/2"]))
        for text in ["", "some", "ph.log", "ph.log/1,", "ph.log/1, ph.events/1", "All"] {
            #expect(GrantPolicy(text) == nil, "\(text)")
        }
        #expect(grants(["ph.log/1", "ph.events/1"], [:], .only(["ph.log/1"])).granted.count == 1)
        #expect(grants(["ph.log/1", "ph.hooks/1"], [:], .all).denied.isEmpty)
        #expect(grants(["ph.log/1", "ph.hooks/1"], [:], GrantPolicy.none).granted.isEmpty)
    }

    @Test func decisions_areKept_fromOneReleaseToTheNext() throws {
        let digest = try #require(Digest(bytes: [UInt8](repeating: 1, count: 32)))
        let name = try #require(PluginName("a"))
        let release = LifecycleEvent.Release(
            version: SemanticVersion(1, 0, 0), bundleDigest: digest, libraryDigest: digest,
            mode: .inProcess)
        var registry = Registry()
        func tell(_ facts: LifecycleEvent.Fact...) {
            for fact in facts {
                registry.evolve(
                    LifecycleEvent(fact, plugin: name, time: Timestamp(milliseconds: 0)))
            }
        }
        tell(.installed(release))
        #expect(
            try registry.decide(.grant("ph.hooks/1"), on: name) == [
                .serviceGranted("ph.hooks/1")
            ])
        tell(.serviceGranted("ph.hooks/1"), .serviceRevoked("ph.log/1"))
        tell(.upgraded(from: release.version, to: release))
        tell(.serviceDenied("ph.log/1", generation: 2, reason: "it is not granted"))
        #expect(registry[name]?.grants == ["ph.hooks/1": true, "ph.log/1": false])
        #expect(try registry.decide(.grant("ph.hooks/1"), on: name).isEmpty)
        #expect(try registry.decide(.revoke("ph.log/1"), on: name).isEmpty)
        tell(.removed(dataKept: false), .installed(release))
        #expect(registry[name]?.grants.isEmpty == true)
        #expect(throws: HostError.self) {
            try registry.decide(.grant("ph.log/1"), on: try #require(PluginName("b")))
        }
    }
}
