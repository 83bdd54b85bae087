import Foundation
import Testing

/// A pointer that a plugin was handed is its permission.
@Suite(.ownThreads, .timeLimit(.minutes(10))) struct GrantTests {
    let root: Root

    init() throws { root = try Root() }

    private func answer(_ host: HostProcess, _ plugin: String = "asks-for-log") throws -> String {
        try host.get("/plugin/\(plugin)/api/log").text
    }

    private func journal(_ host: HostProcess, _ what: String) -> Int {
        host.log.split(separator: "\n").count { $0.contains(what) }
    }

    @Test func harmlessService_isGranted_untilItIsRevoked_andAgainWhenItIsGranted() throws {
        let host = try HostProcess(root, options: ["--grant-default", "harmless"])
        try root.must("install", Fixtures.bundle("asks_for_log"))
        #expect(try answer(host) == "granted")
        var status = try root.status("asks-for-log")
        #expect(status["services"]["granted"].strings == ["ph.log/1"])

        let told = try root.must("revoke", "asks-for-log", "ph.log/1")
        #expect(told.output.hasPrefix("asks-for-log is granted no service\n"), "\(told)")
        #expect(told.output.contains("host grant asks-for-log ph.log/1"), "\(told)")
        #expect(try answer(host) == "null")
        status = try root.status("asks-for-log")
        #expect(status["services"]["asked"].strings == ["ph.log/1"])
        #expect(status["services"]["denied"].strings == ["ph.log/1"])
        #expect(status["services"]["granted"].strings.isEmpty)
        #expect(status["generation"].number == 2)
        #expect(status["last_unload"]["verdict"].string == "unloaded")

        #expect(
            try root.must("grant", "asks-for-log", "ph.log/1").output
                == "asks-for-log is granted ph.log/1\nasks-for-log 1.0.0 is active, generation 3\n")
        #expect(try answer(host) == "granted")
        // What is so already changes nothing.
        try root.must("grant", "asks-for-log", "ph.log/1")
        #expect(try root.status("asks-for-log")["generation"].number == 3)
    }

    @Test func revocation_outlivesARestart_andAnUpgrade() throws {
        try root.must("install", Fixtures.bundle("asks_for_log"))
        try root.must("revoke", "asks-for-log", "ph.log/1")
        let host = try HostProcess(root)
        #expect(try answer(host) == "null")
        try root.must("reload", "asks-for-log", "--force")
        #expect(try answer(host) == "null")
        #expect(try host.terminate() == 0)
        let again = try HostProcess(root)
        #expect(try answer(again) == "null")
        try root.must("grant", "asks-for-log", "ph.log/1")
        #expect(try answer(again) == "granted")
    }

    @Test func denial_isToldOnce_forEachGeneration() throws {
        let host = try HostProcess(root, options: ["--grant-default", "none"])
        let told = try root.must("install", Fixtures.bundle("asks_for_log"))
        #expect(told.output.contains("it asks for ph.log/1, which is not granted"), "\(told)")
        for _ in 0..<5 { #expect(try answer(host) == "null") }
        #expect(journal(host, "service ph.log/1 was not given: it is not granted") == 1)
        try root.must("reload", "asks-for-log", "--force")
        for _ in 0..<5 { #expect(try answer(host) == "null") }
        #expect(journal(host, "service ph.log/1 was not given: it is not granted") == 2)
        try eventually("both denials are in the journal") {
            try root.must("events", "--plugin", "asks-for-log").output
                .split(separator: "\n").count { $0.contains("service_denied_v1") } == 2
        }
    }

    @Test func pluginThatNeedsWhatIsRevoked_isTakenOutOfService() throws {
        let host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("needs_log"))
        #expect(try answer(host, "needs-log") == "granted")
        expectRefusal(
            try root.host("revoke", "needs-log", "ph.log/1"), "out of service", "there is no log")
        #expect(try root.status("needs-log")["state"].string == "failed")
        #expect(try host.get("/plugin/needs-log/api/log").status == 503)
        #expect(host.maps(of: "needs-log").isEmpty)
        try root.must("grant", "needs-log", "ph.log/1")
        #expect(try answer(host, "needs-log") == "granted")
    }

    @Test func service_canBeGranted_withTheInstallation() throws {
        let host = try HostProcess(root, options: ["--grant-default", "none"])
        expectRefusal(
            try root.host("install", Fixtures.bundle("needs_log")), "there is no log")
        let told = try root.must(
            "install", Fixtures.bundle("needs_log"), "--grant", "ph.log/1")
        #expect(told.output.hasPrefix("needs-log 1.0.0 is active"), "\(told)")
        #expect(try answer(host, "needs-log") == "granted")
        // The attempt before had the first number, and there was no other one.
        #expect(try root.status("needs-log")["generation"].number == 2)
        // The journal has all of it in one step, in this order.
        let kinds = try root.must("events", "--plugin", "needs-log").output
            .split(separator: "\n").compactMap { line in
                ["plugin_installed_v1", "service_granted_v1", "plugin_activated_v1"]
                    .first { line.contains($0) }
            }
        #expect(
            kinds == ["plugin_installed_v1", "service_granted_v1", "plugin_activated_v1"])
    }

    @Test func servicesOfAnUpgrade_areGrantedWithIt_andOfWhatIsThere_atOnce() throws {
        let host = try HostProcess(root, options: ["--grant-default", "none"])
        let bundle = try Fixtures.bundle("asks_for_log")
        try root.must("install", bundle)
        #expect(try answer(host) == "null")
        try root.must("install", bundle, "--grant", "ph.log/1")
        #expect(try answer(host) == "granted")
        try root.must("revoke", "asks-for-log", "ph.log/1")
        let draft = try DraftBundle(copying: "asks_for_log")
        try FileManager.default.createDirectory(
            atPath: "\(draft.path)/priv/static", withIntermediateDirectories: true)
        try draft.write("priv/static/new.txt", "new")
        try root.must("install", draft.pack(), "--grant", "ph.log/1")
        #expect(try answer(host) == "granted")
        #expect(try root.status("asks-for-log")["services"]["denied"].strings.isEmpty)
    }

    @Test func installationWithAServiceThatIsNotAskedFor_leavesNothing() throws {
        let told = try root.host(
            "install", Fixtures.bundle("asks_for_log"), "--grant", "ph.lgo/1")
        expectRefusal(told, "does not ask for ph.lgo/1", "ph.log/1")
        #expect(try root.list().isEmpty)
    }

    @Test func wrongServices_areRefused_withTheRightOnes() throws {
        try root.must("install", Fixtures.bundle("asks_for_log"), "--no-activate")
        expectRefusal(
            try root.host("grant", "asks-for-log", "ph.lgo/1"), "does not ask for ph.lgo/1",
            "ph.log/1")
        expectRefusal(try root.host("grant", "asks-for-log", "log"), "\"log\"", "id of a service")
        expectRefusal(try root.host("grant", "nobody", "ph.log/1"), "nobody")
        #expect(try root.host("grant", "asks-for-log").status == 2)
        let serve = try root.host("serve", "--grant-default", "some")
        #expect(serve.status == 2 && serve.errors.contains("harmless"), "\(serve)")
    }
}
