import Foundation
import Testing

/// Releases side by side: the overlap window, heartbeats, and what becomes of a release that dies.
@Suite(.ownThreads, .timeLimit(.minutes(10))) struct VersionTests {
    let root: Root
    let host: HostProcess

    init() throws {
        root = try Root()
        host = try HostProcess(
            root, options: ["--overlap-seconds", "600", "--heartbeat-seconds", "1"])
        try root.must("install", Fixtures.bundle("ailing_v1"))
        try root.must("install", Fixtures.bundle("ailing_v2"))
    }

    private func which() throws -> String { try host.get("/plugin/ailing/api/which").text }

    private func makeIll(_ version: String) throws {
        let path = root.plugin("ailing") + "/sqlite/ill-" + version
        try #require(FileManager.default.createFile(atPath: path, contents: nil))
    }

    private func heal(_ version: String) throws {
        try FileManager.default.removeItem(
            atPath: root.plugin("ailing") + "/sqlite/ill-" + version)
    }

    /// The status of each release.
    private func releases(_ status: JSON) -> [String: String] {
        var result: [String: String] = [:]
        for version in status["versions"].elements {
            result[version["version"].string ?? ""] = version["status"].string
        }
        return result
    }

    @discardableResult
    private func waitFor(_ wanted: [String: String]) throws -> JSON {
        try root.waitForStatus("ailing", "\(wanted)") { releases($0) == wanted }
    }

    @Test func bothReleases_areUp_untilTheOverlapIsOver() throws {
        let status = try waitFor(["1.0.0": "connected", "2.0.0": "connected"])
        #expect(try which() == "2.0.0")
        #expect(status["versions"].elements.map { $0["in_force"] } == [.bool(false), .bool(true)])
        #expect(status["versions"][0]["id"].string == "ailing@1.0.0")
        #expect(status["images"].elements.map { $0["use"].string } == ["standby", "serving"])
        #expect(Set(host.maps(of: "ailing").compactMap { $0.split(separator: "/").last }).count > 1)
        let text = try root.must("status", "ailing").output
        #expect(text.contains("ailing@2.0.0 connected, in force"), "\(text)")

        try root.must("deactivate", "ailing")
        try waitFor(["1.0.0": "inactive", "2.0.0": "inactive"])
        #expect(host.maps(of: "ailing").isEmpty)
        #expect(try host.terminate() == 0)

        let brief = try HostProcess(root, options: ["--overlap-seconds", "1"])
        try root.must("activate", "ailing")
        try root.must("install", Fixtures.bundle("ailing_v3"))
        try waitFor(["1.0.0": "inactive", "2.0.0": "inactive", "3.0.0": "connected"])
        #expect(try brief.get("/plugin/ailing/api/which").text == "3.0.0")
    }

    @Test func releaseThatDies_isSuperseded_withoutAFailedRequest_andStaysRetired() throws {
        let load = SteadyLoad(
            port: host.port, paths: ["/plugin/ailing/api/which"], connections: 2)
        try makeIll("2.0.0")
        try waitFor(["1.0.0": "connected", "2.0.0": "retired"])
        #expect(try which() == "1.0.0")
        let result = load.end()
        #expect(result.failures.isEmpty, "\(result.failures.prefix(3))")
        #expect(result.bodies.isSubset(of: ["1.0.0", "2.0.0"]))
        let manifest = try JSON(
            parsing: Data(
                contentsOf: URL(fileURLWithPath: root.plugin("ailing") + "/manifest.json")))
        #expect(manifest["version"].string == "1.0.0")

        // It has recovered too late.
        try heal("2.0.0")
        expectRefusal(try root.host("rollback", "ailing", "--to", "2.0.0"), "retired")
        #expect(try host.terminate() == 0)
        let again = try HostProcess(root)
        #expect(try again.get("/plugin/ailing/api/which").text == "1.0.0")
        try waitFor(["1.0.0": "connected", "2.0.0": "retired"])
        // Its bundle is another release.
        try root.must("install", Fixtures.bundle("ailing_v2"))
        #expect(try again.get("/plugin/ailing/api/which").text == "2.0.0")
    }

    @Test func highestReleaseThatIsWell_takesOver() throws {
        try root.must("install", Fixtures.bundle("ailing_v3"))
        try makeIll("2.0.0")
        try waitFor(["1.0.0": "connected", "2.0.0": "disconnected", "3.0.0": "connected"])
        #expect(try which() == "3.0.0")
        try makeIll("3.0.0")
        try waitFor(["1.0.0": "connected", "2.0.0": "disconnected", "3.0.0": "retired"])
        #expect(try which() == "1.0.0")
    }

    @Test func releaseThatRecovers_isConnectedAgain_andGoesOnServing() throws {
        try root.must("deactivate", "ailing")
        try root.must("activate", "ailing")
        try makeIll("2.0.0")
        try waitFor(["1.0.0": "inactive", "2.0.0": "disconnected"])
        #expect(try which() == "2.0.0")
        try heal("2.0.0")
        try waitFor(["1.0.0": "inactive", "2.0.0": "connected"])
    }
}
