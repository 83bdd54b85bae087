import Foundation
import Glibc
import Testing

/// The host is killed in the middle of what changes the disk: the old state is found, or the new.
@Suite(.ownThreads, .timeLimit(.minutes(10))) struct CrashTests {
    @Test func killedDuringInstalls_theNextStartFindsOldOrNew() throws {
        let seed = DamageTests.seed
        var random = SplitMix(seed: seed)
        let root = try Root()
        let bundles = [
            try Fixtures.bundle("versioned_v1"), try Fixtures.bundle("versioned_v2"),
        ]
        var host = try HostProcess(root)
        try root.must("install", bundles[0])
        try root.must("install", Fixtures.bundle("sound"))
        // How long an upgrade takes, to spread the kills over it.
        let begun = Date()
        try root.must("install", bundles[1])
        let microseconds = Int(Date().timeIntervalSince(begun) * 1_000_000)

        for round in 0..<15 {
            let install = try ChildProcess([
                HostProcess.binary, "install", bundles[round % 2], "--root", root.path,
            ])
            // The moment is the random input of this test; there is no event to wait for.
            let moment = Int32.random(in: 0..<Int32(microseconds / 1_000 + 1), using: &random)
            _ = poll(nil, 0, moment)
            host.kill()
            _ = install.waitForEnd(within: 30)

            host = try HostProcess(root)
            let story = "seed \(seed), round \(round), after \(moment) ms\n\(host.log)"
            let version = try host.get("/plugin/versioned/api/which").text
            #expect(["1.0.0", "2.0.0"].contains(version), "\(story)")
            let status = try root.status("versioned")
            #expect(status["state"].string == "active", "\(story)")
            #expect(status["version"].string == version, "\(story)")
            let manifest = try JSON(
                parsing: Data(
                    contentsOf: URL(
                        fileURLWithPath: "\(root.plugin("versioned"))/manifest.json")))
            #expect(manifest["version"].string == version, "\(story)")
            #expect(try host.hello("sound") == hello, "\(story)")
            let staging = try? FileManager.default.contentsOfDirectory(
                atPath: "\(root.path)/staging")
            #expect((staging ?? []).isEmpty, "\(story)")
        }
    }

    @Test func killedHost_leavesNoLockAndNoSocketInTheWay() throws {
        let root = try Root()
        var host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("sound"))
        host.kill()
        // With no daemon, the commands work on the root itself.
        try root.must("deactivate", "sound")
        host = try HostProcess(root)
        #expect(try root.status("sound")["state"].string == "inactive")
        try root.must("activate", "sound")
        #expect(try host.hello("sound") == hello)
    }
}
