import Foundation
import Glibc
import Testing

/// Plugins that bring their process down: it is there again at once, the others serve on, and who
/// did it is known and kept from doing it again.
@Suite(.ownThreads, .timeLimit(.minutes(10))) struct CrashLabTests {
    /// One way to end the process, and what is told of it.
    struct Way: CustomTestStringConvertible, Sendable {
        let how: String
        let cause: String
        /// A function that the backtrace names.
        var function = "handle"
        /// How its process ends where it has one of its own; nil: by its first word.
        var end: String?

        var testDescription: String { how }
    }

    static let ways: [[Way]] = [
        [
            Way(how: "null", cause: "SIGSEGV at 0x0"),
            Way(how: "abort", cause: "SIGABRT"),
            Way(how: "overflow", cause: "SIGSEGV at 0x", function: "recurse"),
            Way(how: "heap", cause: "SIGABRT"),
            Way(how: "divide", cause: "SIGFPE at 0x"),
            Way(how: "trap", cause: "SIGILL at 0x"),
            Way(how: "exit", cause: "a call of exit(3)", end: "exited with status 3"),
        ],
        [
            Way(how: "quick", cause: "a call of exit(0)", end: "exited with status 0"),
            Way(how: "err", cause: "a call of exit(4)", end: "exited with status 4"),
            Way(how: "kill", cause: "a call that sent SIGKILL", end: "SIGKILL"),
            Way(how: "thread", cause: "SIGSEGV at 0x0", function: "write_from_thread"),
            Way(how: "steal", cause: "SIGSEGV at 0x0"),
            Way(how: "mask", cause: "SIGSEGV at 0x0"),
            Way(how: "host", cause: "SIGSEGV at 0x8"),
        ],
        // Those that take all there is, and end the process when they have it.
        [
            Way(how: "processes", cause: "SIGABRT"),
            Way(how: "memory", cause: "SIGABRT"),
            Way(how: "descriptors", cause: "SIGABRT"),
            Way(how: "threads", cause: "SIGABRT"),
            Way(how: "close", cause: "a call that closed descriptor", end: "process"),
        ],
    ]

    @Test(arguments: ways)
    func crash_isAttributed_andTheOthersServeOn(_ ways: [Way]) throws {
        let root = try Root()
        let host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("sound"))
        try root.must("install", Fixtures.bundle("crash_lab"))
        for (number, way) in ways.enumerated() {
            let path = number.isMultiple(of: 2) ? "crash" : "late"
            let engine = host.engine
            let before = try Chronicle(root)
            // Nothing that it has forked keeps its connections.
            let failure = #expect(
                throws: HTTPClient.Failure.self, "\(way.how) ends the engine that it is in"
            ) { try host.get("/plugin/crash-lab/api/\(path)?how=\(way.how)") }
            #expect(failure != .timedOut, "\(way.how)")
            #expect(try host.hello("sound") == hello, "\(way.how)")
            #expect(host.engine != engine, "\(way.how)")

            let story: Comment = "\(way.how)\n\(host.log.suffix(4_000))"
            let refused = try host.get("/plugin/crash-lab/api/hello")
            #expect(refused.status == 503 && refused.text.contains(way.cause), story)
            let status = try root.status("crash-lab")
            #expect(status["state"].string == "quarantined", story)
            #expect(status["quarantine"]["reason"].string?.contains(way.cause) == true, story)
            let after = try Chronicle(root)
            #expect(after.continues(before), story)
            let told = after.last("engine_crashed_v1")["data"]
            #expect(told["culprit"]["plugin"].string == "crash-lab", "\(story) \(told)")
            let backtrace = told["backtrace"].strings.joined(separator: "\n")
            let isNamed = backtrace.contains(#/crash-lab#\d+ /#) && backtrace.contains(way.function)
            #expect(isNamed, "\(story) \(told)")
            #expect(told["requests_lost"].number == 1, "\(story) \(told)")
            try root.must("activate", "crash-lab")
            #expect(try host.hello("crash-lab") == hello, story)
        }
        let whole = try Chronicle(root)
        #expect(whole.events("plugin_quarantined_v1").count == ways.count)
        #expect(whole.events("quarantine_lifted_v1").count == ways.count)
        #expect(try host.terminate() == 0)
    }

    @Test(arguments: ["crash_lab_init", "crash_lab_start"])
    func crashOnTheWayUp_endsNoOther_andIsNotRepeated(_ fixture: String) throws {
        let root = try Root()
        try root.must("install", Fixtures.bundle("sound"))
        try root.must("install", Fixtures.bundle(fixture), "--no-activate")
        let name = fixture.replacing("_", with: "-")
        let host = try HostProcess(root, options: ["--no-proof"])
        // Its answer goes with the engine.
        _ = try root.host("activate", name)
        #expect(try host.hello("sound") == hello)
        let status = try root.waitForStatus(name, "is known") {
            ["quarantined", "inactive"].contains($0["state"].string)
        }
        #expect(status["quarantine"]["reason"].string?.contains("SIGSEGV") == true, "\(status)")
        #expect(try Chronicle(root).events("engine_crashed_v1").count == 1)
        #expect(try host.terminate() == 0)
    }

    @Test func crashInStop_isAttributed() throws {
        let root = try Root()
        let host = try HostProcess(root, options: ["--no-proof"])
        try root.must("install", Fixtures.bundle("sound"))
        try root.must("install", Fixtures.bundle("crash_lab_stop"))
        _ = try root.host("deactivate", "crash-lab-stop")
        #expect(try host.hello("sound") == hello)
        try eventually("it is told of") {
            try Chronicle(root).last("engine_crashed_v1")["plugin"].string == "crash-lab-stop"
        }
    }

    @Test func crash_leadsToAProcessOfItsOwn_whereThatIsThePolicy() throws {
        let root = try Root()
        let host = try HostProcess(root, options: ["--on-crash", "isolate"])
        try root.must("install", Fixtures.bundle("sound"))
        try root.must("install", Fixtures.bundle("crash_lab"))
        #expect(throws: HTTPClient.Failure.self) {
            try host.get("/plugin/crash-lab/api/crash?how=null")
        }
        #expect(try host.hello("crash-lab") == hello)
        var status = try root.status("crash-lab")
        #expect(status["state"].string == "active" && status["mode"].string == "isolated")
        #expect(status["quarantine"] == .null, "\(status)")
        let reason = status["mode_reason"].string ?? ""
        #expect(reason.contains("generation 1 ended the engine: SIGSEGV at 0x0"), "\(reason)")
        #expect(try root.must("status", "crash-lab").output.contains("SIGSEGV at 0x0"))
        let chosen = try Chronicle(root).last("mode_chosen_v1")["data"]
        #expect(chosen["mode"].string == "isolated" && chosen["reason"].string == reason)

        // What it does from now on ends its own process only.
        let engine = host.engine
        #expect(try host.get("/plugin/crash-lab/api/crash?how=null").status == 502)
        #expect(try host.hello("sound") == hello)
        try host.waitForHello("crash-lab", hello, within: 60)
        #expect(host.engine == engine)
        #expect(try Chronicle(root).events("engine_crashed_v1").count == 1)

        // The operator may try it in the host once more.
        try root.must("activate", "crash-lab", "--mode", "in-process")
        #expect(try host.hello("crash-lab") == hello)
        status = try root.status("crash-lab")
        #expect(status["mode"].string == "in-process")
        #expect(status["mode_reason"].string == "the operator asked")
        #expect(try host.terminate() == 0)
    }

    @Test func manifest_asksForTheProcess_andTheOperatorHasTheLastWord() throws {
        let draft = try DraftBundle(copying: "crash_lab")
        let text = String(decoding: try draft.read("manifest.json"), as: UTF8.self)
        let start = try #require(text.firstIndex(of: "{"))
        try draft.write("manifest.json", "{\"onCrash\": \"isolate\"," + text[start...].dropFirst())
        let bundle = try draft.pack()
        for (options, mode) in [([], "isolated"), (["--on-crash", "quarantine"], "in-process")] {
            let root = try Root()
            let host = try HostProcess(root, options: options)
            try root.must("install", bundle)
            _ = try? host.get("/plugin/crash-lab/api/crash?how=abort")
            let status = try root.waitForStatus("crash-lab", "has been dealt with", within: 60) {
                $0["mode"].string == "isolated" || $0["state"].string == "quarantined"
            }
            #expect(status["mode"].string == mode, "\(status)")
            #expect(try host.terminate() == 0)
        }
        withExtendedLifetime(draft) {}
    }

    @Test func quarantinedPlugin_servesFromAProcessOfItsOwn_onceItIsIsolated() throws {
        let root = try Root()
        let host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("crash_lab"))
        _ = try? host.get("/plugin/crash-lab/api/crash?how=null")
        try root.waitForStatus("crash-lab", "is quarantined", within: 60) {
            $0["state"].string == "quarantined"
        }
        try root.must("isolate", "crash-lab")
        #expect(try host.hello("crash-lab") == hello)
        let status = try root.status("crash-lab")
        #expect(status["mode"].string == "isolated" && status["quarantine"] == .null)
        #expect(try host.terminate() == 0)
    }

    @Test func newLibrary_endsTheQuarantine() throws {
        let root = try Root()
        let host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("crash_lab"))
        _ = try? host.get("/plugin/crash-lab/api/crash?how=null")
        try root.waitForStatus("crash-lab", "is quarantined") {
            $0["state"].string == "quarantined"
        }
        let library = URL(fileURLWithPath: root.library("crash-lab"))
        // What lies behind the sections is nobody's, and changes the digest.
        let changed = try Data(contentsOf: library) + Data("changed".utf8)
        try changed.write(to: URL(fileURLWithPath: library.path + ".new"))
        #expect(rename(library.path + ".new", library.path) == 0)
        try root.waitForStatus("crash-lab", "serves again") { $0["state"].string == "active" }
        #expect(try host.hello("crash-lab") == hello)
    }

    @Test func engineThatIsKilledFromOutside_isReplaced_andNobodyIsBlamed() throws {
        let root = try Root()
        let host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("sound"))
        let engine = host.engine
        #expect(engine != host.process.pid)
        #expect(kill(engine, SIGKILL) == 0)
        try eventually("another engine is there") {
            host.engine != engine && host.engine != host.process.pid
        }
        #expect(try host.hello("sound") == hello)
        let told = try Chronicle(root).last("engine_crashed_v1")
        #expect(told["data"]["culprit"] == .null && told["plugin"].string == "host", "\(told)")
        #expect(try root.status("sound")["state"].string == "active")
        let list = try JSON(parsing: root.must("list", "--json").output)
        #expect(list["engine_pid"].number == Double(host.engine))
        #expect(list["supervisor_pid"].number == Double(host.process.pid))
        #expect(try host.terminate() == 0)
    }

    @Test func enginesThatKeepEnding_areGivenUp() throws {
        let root = try Root()
        let host = try HostProcess(root)
        var killed: Set<pid_t> = []
        try eventually("the host gives up") {
            let engine = host.engine
            if engine != host.process.pid, killed.insert(engine).inserted { kill(engine, SIGKILL) }
            return host.process.hasEnded
        }
        #expect(host.process.waitForEnd(within: 60) == .exited(1))
        #expect(host.log.contains("the host has failed"), "\(host.log)")
        #expect(killed.count == 6)
    }

    @Test func pluginThatKeepsThreads_isQuarantined_andTheThreadsGoWithTheOldEngine() throws {
        let root = try Root()
        let host = try HostProcess(
            root, options: ["--request-timeout", "1", "--stuck-threads", "2"])
        try root.must("install", Fixtures.bundle("sound"))
        try root.must("install", Fixtures.bundle("crash_lab"))
        let engine = host.engine
        for how in ["sleep", "deadlock"] {
            #expect(try host.get("/plugin/crash-lab/api/late?how=\(how)").status == 504)
        }
        let status = try root.waitForStatus("crash-lab", "is quarantined", within: 60) {
            $0["state"].string == "quarantined"
        }
        let reason = status["quarantine"]["reason"].string ?? ""
        #expect(reason.contains("2 threads have been in it"), "\(reason)")
        try eventually("the old engine is gone") { !ProcessState(pid: engine).isAlive }
        #expect(host.engine != host.process.pid)
        #expect(try host.hello("sound") == hello)
        #expect(try root.status("crash-lab")["state"].string == "quarantined")
        #expect(try host.terminate() == 0)
    }

    @Test func engine_endsWithItsSupervisor() throws {
        let root = try Root()
        let host = try HostProcess(root)
        let engine = host.engine
        #expect(kill(host.process.pid, SIGKILL) == 0)
        try eventually("the engine is gone") { !ProcessState(pid: engine).isAlive }
        let again = try HostProcess(root)
        #expect(try again.get("/").status == 200)
    }

    @Test func hostWithoutSupervisor_isOneProcess() throws {
        let root = try Root()
        let host = try HostProcess(root, options: ["--no-supervisor"])
        #expect(host.engine == host.process.pid)
        let list = try JSON(parsing: root.must("list", "--json").output)
        #expect(list["supervisor_pid"] == .null)
        #expect(list["engine_pid"].number == Double(host.process.pid))
        #expect(try host.terminate() == 0)
    }
}
