import Foundation
import Testing

/// `--canary`: new code that a share of the connections gets first.
@Suite(.ownThreads, .timeLimit(.minutes(5))) struct CanaryTests {
    let root: Root

    init() throws { root = try Root() }

    private func which(_ host: HostProcess) throws -> HTTPResponse {
        try host.get("/plugin/ailing/api/which")
    }

    /// Makes a version answer 503, or say that it is unhealthy.
    private func spoil(_ what: String) throws {
        let path = root.plugin("ailing") + "/sqlite/" + what
        try #require(FileManager.default.createFile(atPath: path, contents: nil))
    }

    /// The data of the last event of that name.
    private func event(_ name: String) throws -> JSON? {
        try JSON(parsing: root.must("events", "--plugin", "ailing", "--json").output)["events"]
            .elements.last { $0["event"].string == name }?["data"]
    }

    private func expectFormerRelease(_ host: HostProcess) throws {
        for _ in 0..<10 { #expect(try which(host).text == "1.0.0") }
        let status = try root.waitForStatus("ailing", "the new release is retired") { status in
            status["versions"].elements.contains { $0["status"].string == "retired" }
                && status["images"].elements.count == 1
        }
        #expect(status["version"].string == "1.0.0")
        #expect(status["canary"] == .null)
        #expect(status["images"][0]["use"].string == "serving")
    }

    @Test func generationThatFails_isSentBack_withItsRelease() throws {
        let host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("ailing_v1"))
        try spoil("failing-2.0.0")
        let told = try root.must(
            "install", Fixtures.bundle("ailing_v2"), "--canary", "50:3600"
        ).output
        #expect(told.contains("generation 2 is canary: it gets 50 of 100 connections"), "\(told)")
        var statuses: Set<Int> = []
        try eventually("it is sent back") {
            for _ in 0..<10 { statuses.insert(try which(host).status) }
            return try event("canary_failed_v1") != nil
        }
        #expect(statuses == [200, 503])
        let failure = try #require(try event("canary_failed_v1"))
        #expect(failure["generation"].number == 2)
        #expect(failure["reason"].string?.contains("requests failed") == true)
        try expectFormerRelease(host)
        let last = try root.status("ailing")["last_error"]
        #expect(last["code"].string == "canary_failed")
        #expect(try host.terminate() == 0)
        let again = try HostProcess(root)
        #expect(try which(again).text == "1.0.0")
    }

    @Test func generationThatDoesWell_getsEverything_andUntilThenAConnectionStaysWithIts() throws {
        let host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("ailing_v1"))
        try root.must("install", Fixtures.bundle("ailing_v2"), "--canary", "50:3600")
        var answers: [String: Int] = [:]
        for _ in 0..<40 {
            let client = try host.client()
            let first = try client.get("/plugin/ailing/api/which").text
            for _ in 0..<3 {
                #expect(try client.get("/plugin/ailing/api/which").text == first)
            }
            answers[first, default: 0] += 1
        }
        #expect(Set(answers.keys) == ["1.0.0", "2.0.0"])
        #expect(try root.status("ailing")["canary"]["generation"].number == 2)
        // Another change takes its place.
        try root.must("install", Fixtures.bundle("ailing_v3"), "--canary", "50:1")
        try eventually("it is promoted") { try event("canary_promoted_v1") != nil }
        #expect(try event("canary_failed_v1")?["generation"].number == 2)
        #expect(try event("canary_promoted_v1")?["generation"].number == 3)
        for _ in 0..<10 { #expect(try which(host).text == "3.0.0") }
        let status = try root.waitForStatus("ailing", "the others have gone") {
            $0["images"].elements.count == 1
        }
        #expect(status["version"].string == "3.0.0")
        #expect(try host.terminate() == 0)
    }

    @Test func generationThatIsIll_isSentBack_withoutARequest() throws {
        let host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("ailing_v1"))
        try root.must("install", Fixtures.bundle("ailing_v2"), "--canary", "1:3600")
        try spoil("ill-2.0.0")
        try eventually("it is sent back") { try event("canary_failed_v1") != nil }
        #expect(
            try event("canary_failed_v1")?["reason"].string == "unhealthy: it has caught a cold")
        try expectFormerRelease(host)
        #expect(try host.terminate() == 0)
    }

    @Test func hostThatIsKilled_hasPromotedNothing() throws {
        let host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("ailing_v1"))
        try root.must("install", Fixtures.bundle("ailing_v2"), "--canary", "50:3600")
        host.process.kill()
        let again = try HostProcess(root)
        try expectFormerRelease(again)
        #expect(try event("canary_failed_v1")?["generation"].number == 2)
        #expect(try again.terminate() == 0)
    }

    @Test func reload_isTriedAsWell_andRollbackEndsIt() throws {
        let host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("ailing_v1"))
        try root.must("reload", "ailing", "--force", "--canary", "50:3600")
        #expect(try root.status("ailing")["canary"]["generation"].number == 2)
        #expect(try root.status("ailing")["generation"].number == 1)
        try root.must("reload", "ailing", "--force")
        #expect(try root.status("ailing")["generation"].number == 3)
        try root.must("install", Fixtures.bundle("ailing_v2"), "--canary", "50:3600")
        try root.must("rollback", "ailing")
        try expectFormerRelease(host)
        let refused = try root.host("reload", "ailing", "--canary", "100")
        #expect(refused.status == 2)
        #expect(refused.errors.contains("PERCENT"))
        #expect(try host.terminate() == 0)
    }
}
