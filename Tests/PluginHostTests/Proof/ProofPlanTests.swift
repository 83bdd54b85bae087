import Foundation
import HostModel
import Testing

@testable import PluginHost

@Suite struct ProofPlanTests {
    private let place: PluginDirectory
    private let manifest: Manifest
    private let outfit: ProofPlan.Outfit

    init() throws {
        let path = FileManager.default.temporaryDirectory.path + "/proof-\(UUID().uuidString)"
        let name = try #require(PluginName("tides"))
        place = PluginDirectory(path: path, name: name)
        manifest = Manifest(
            name: name, version: SemanticVersion(1, 0, 0), abi: ABIVersion(major: 1, minor: 0),
            library: Manifest.Library(file: "libtides.so"))
        outfit = ProofPlan.Outfit(
            release: path + "/releases/000001-1.0.0",
            configuration: ConfigurationSnapshot(
                crossing: ["configuration": ["key": "secret", "depth": 1.5], "revision": "4"]),
            granted: ["ph.log/1", "ph.rpc/1"], seconds: 7)
    }

    private func make(_ manifest: Manifest) throws -> ProofPlan {
        try ProofPlan(of: manifest, in: place, generation: 12, outfit: outfit)
    }

    @Test func plan_hasEmptyDirectories_andLeavesNothing() throws {
        let manager = FileManager.default
        try manager.createDirectory(atPath: place.run, withIntermediateDirectories: true)
        defer { try? manager.removeItem(atPath: place.path) }
        let plan = try make(manifest)
        #expect(plan.directory.path == place.run + "/proof.12")
        let mode = try manager.attributesOfItem(atPath: plan.directory.path)[.posixPermissions]
        #expect(mode as? Int == 0o700)
        for empty in [plan.directory.sqlite, plan.directory.events, plan.directory.run] {
            #expect(try manager.contentsOfDirectory(atPath: empty) == [])
        }
        let page = try manager.destinationOfSymbolicLink(atPath: plan.directory.priv)
        #expect(page == outfit.release + "/priv")

        // What a crash has left is no hindrance.
        try Data([1]).write(to: URL(fileURLWithPath: plan.directory.sqlite + "/a.db"))
        let next = try make(manifest)
        #expect(try manager.contentsOfDirectory(atPath: next.directory.sqlite) == [])
        next.clear()
        #expect(try manager.contentsOfDirectory(atPath: place.run) == [])
    }

    @Test func plan_isRefused_whenItsDirectoryCannotBeMade() {
        let error = #expect(throws: HostError.self) { try make(manifest) }
        #expect(error?.what.contains("plugin \"tides\" could not be proven") == true)
        #expect(error?.systemError == ENOENT)
        #expect(error?.subject == place.run + "/proof.12")
    }

    @Test(arguments: [
        ("", nil, false),
        (#"{"step":"load"}"#, "load", false),
        (#"{"step":"load"}\#n{"step":"init"}"#, "init", false),
        (#"{"step":"load"}\#n{"notes":[]}\#n"#, "load", true),
        (#"{"step":"load"}\#nnonsense\#n{"notes":[]}\#n"#, "load", false),
    ])
    func child_isHeardUpToItsEnd(_ output: String, _ step: String?, _ ends: Bool) {
        let heard = ProofVoice.hear(Array(output.utf8))
        #expect(heard.step == step)
        #expect((heard.end != nil) == ends)
    }
}
