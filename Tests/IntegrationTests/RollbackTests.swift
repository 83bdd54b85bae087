import Foundation
import Testing

/// Going back to a release that was in force before.
@Suite(.ownThreads, .timeLimit(.minutes(10))) struct RollbackTests {
    let root: Root

    init() throws {
        root = try Root()
        try root.must("install", Fixtures.bundle("versioned_v1"))
    }

    private func which(_ host: HostProcess) throws -> String {
        try host.get("/plugin/versioned/api/which").text
    }

    @Test func releaseBefore_servesAgain_withoutAFailedRequest() throws {
        let host = try HostProcess(root)
        let first = try which(host)
        try root.must("install", Fixtures.bundle("versioned_v2"))
        let second = try which(host)
        #expect(first != second)
        let load = SteadyLoad(
            port: host.port, paths: ["/plugin/versioned/api/hello"], connections: 2)

        let told = try root.must("rollback", "versioned")

        #expect(told.output.contains("versioned 1.0.0 is active, generation 3"))
        #expect(try which(host) == first)
        let status = try root.status("versioned")
        #expect(status["version"].string == "1.0.0")
        #expect(status["last_unload"]["verdict"].string == "unloaded")
        try root.must("rollback", "versioned", "--to", "2.0.0")
        #expect(try which(host) == second)
        let result = load.end()
        #expect(result.failures.isEmpty, "\(result.failures.prefix(3))")
        #expect(try host.terminate() == 0)

        try root.must("rollback", "versioned", "--to", "1.0.0")
        let again = try HostProcess(root)
        #expect(try which(again) == first)
    }

    @Test func rollback_isRefused_whenThereIsNothingToGoBackTo() throws {
        let host = try HostProcess(root)
        expectRefusal(try root.host("rollback", "versioned"), "no earlier release")
        try root.must("install", Fixtures.bundle("versioned_v2"))
        expectRefusal(
            try root.host("rollback", "versioned", "--to", "9.9.9"), "1.0.0")
        expectRefusal(try root.host("rollback", "versioned", "--to", "one"), "version")
        expectRefusal(try root.host("rollback", "nobody"), "nobody")
        #expect(try host.hello("versioned") == hello)
    }

    @Test func releaseThatNoLongerLoads_leavesTheOneInForce() throws {
        let host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("versioned_v2"))
        let second = try which(host)
        let releases = root.plugin("versioned") + "/releases"
        let first = try #require(
            try FileManager.default.contentsOfDirectory(atPath: releases).sorted().first)
        try Data("broken".utf8).write(
            to: URL(fileURLWithPath: "\(releases)/\(first)/lib/libversioned.so"))
        expectRefusal(try root.host("rollback", "versioned"), "ELF")
        #expect(try which(host) == second)
        #expect(try root.status("versioned")["version"].string == "2.0.0")
    }
}
