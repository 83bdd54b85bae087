import Foundation
import Testing

/// Plugins that call each other, in the real host.
@Suite(.ownThreads, .timeLimit(.minutes(10))) struct CallTests {
    let root: Root
    let host: HostProcess

    init() throws {
        root = try Root()
        host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("rpc_ping"))
        try root.must("install", Fixtures.bundle("rpc_pong"))
    }

    private struct Outcome: Decodable {
        var answered = 0
        var failed = 0
        var wrong = 0
    }

    private func expectAnswers(_ path: String, _ count: Int) throws {
        let response = try host.get(path)
        #expect(response.json?["answered"].number == Double(count), "\(response.text)")
    }

    @Test func pluginsCallEachOther_onTheLoopAndOnThePool() throws {
        for plugin in ["rpc-ping", "rpc-pong"] {
            try expectAnswers("/plugin/\(plugin)/api/quick?calls=1000", 1_000)
            try expectAnswers("/plugin/\(plugin)/api/slow?calls=50", 50)
        }
        let listed = try root.must("capabilities").output
        #expect(listed.contains("pair"), "\(listed)")
        #expect(listed.contains(#"{"of":["rpc-ping"]}"#), "\(listed)")
        let json = try JSON(parsing: root.must("capabilities", "--json").output)
        #expect(
            json["capabilities"].elements.map { $0["provider"].string } == ["rpc-ping", "rpc-pong"])
        try root.must("deactivate", "rpc-pong")
        let response = try host.get("/plugin/rpc-ping/api/quick?calls=3")
        #expect(response.json?["failed"].number == 3, "\(response.text)")
        try root.must("activate", "rpc-pong")
        try expectAnswers("/plugin/rpc-ping/api/quick", 1)
    }

    @Test func operator_callsAMethod_asPluginsDo() throws {
        for method in ["pair/quick", "pair/slow"] {
            #expect(try root.must("call", "rpc-ping", method, "hello").output == "hello\n")
        }
        #expect(try root.must("call", "rpc-ping", "pair/quick").output == "")
        let json = try JSON(
            parsing: root.must("call", "rpc-pong", "pair/quick", #"{"a":1}"#, "--json").output)
        #expect(json["plugin"].string == "rpc-pong" && json["method"].string == "quick")
        #expect(json["capability"].string == "pair" && json["reply"].string == #"{"a":1}"#)
        let piped = try Command.shell(
            #"printf 'a\377\0b' | "$HOST" call rpc-ping pair/slow - --root "$ROOT" | od -An -tx1"#,
            environment: ["HOST": HostProcess.binary, "ROOT": root.path])
        #expect(piped.output == " 61 ff 00 62\n", "\(piped)")
    }

    @Test func operatorsCall_thatBringsNoReply_saysWhy() throws {
        expectRefusal(
            try root.host("call", "rpc-ping", "quick"), "no method of that name",
            "host capabilities")
        expectRefusal(try root.host("call", "nobody", "quick"), "nobody")
        let late = try root.host("call", "rpc-ping", "pair/hang", "--timeout", "1")
        expectRefusal(late, "did not answer in time", "--timeout SECONDS")
        try "".write(
            toFile: root.plugin("rpc-ping") + "/run/release", atomically: false, encoding: .utf8)
        #expect(try root.host("call", "rpc-ping", "pair/quick", "--timeout", "0").status == 2)
        #expect(try root.host("call", "rpc-ping").status == 2)
        #expect(try host.terminate() == 0)
        expectRefusal(try root.host("call", "rpc-ping", "pair/quick"), "no daemon runs")
    }

    /// `RPC_CALLS` and `RPC_RELOADS` make it longer.
    @Test func everyCall_isAnsweredOrFailsByACode_whileBothPluginsAreReloaded() throws {
        let environment = ProcessInfo.processInfo.environment
        let calls = environment["RPC_CALLS"].flatMap { Int($0) } ?? 20_000
        let reloads = environment["RPC_RELOADS"].flatMap { Int($0) } ?? 6
        let each = 100
        let load = SteadyLoad(
            port: host.port,
            paths: [
                "/plugin/rpc-ping/api/quick?calls=\(each)",
                "/plugin/rpc-pong/api/quick?calls=\(each)",
                "/plugin/rpc-ping/api/slow?calls=3", "/plugin/rpc-pong/api/quick?calls=\(each)",
            ],
            connections: 4)
        for number in 0..<reloads {
            for plugin in ["rpc-ping", "rpc-pong"] {
                try root.must("reload", plugin, "--force")
            }
            try eventually("enough calls have been made", within: 240) {
                load.answers * each * 3 / 4 >= calls * (number + 1) / reloads
            }
        }
        let result = load.end()
        #expect(result.failures == [])
        for body in result.bodies {
            let outcome = try JSONDecoder().decode(Outcome.self, from: Data(body.utf8))
            #expect(outcome.wrong == 0 && outcome.failed == 0, "\(body)")
        }
        for plugin in ["rpc-ping", "rpc-pong"] {
            let status = try root.waitForStatus(plugin, "the last generation has gone") {
                $0["images"].elements.count == 1
            }
            #expect(status["last_unload"]["verdict"].string == "unloaded", "\(status)")
        }
    }

    /// Waits until the status of a plugin tells of the other's call that hangs in it.
    private func waitForCall(in plugin: String, from caller: String) throws {
        try root.waitForStatus(plugin, "the call is told of") {
            $0["images"].elements.contains { image in
                image["reasons"].strings.contains {
                    $0.contains("\(caller)'s call of pair/hang runs on thread")
                }
            }
        }
    }

    private func release(_ plugin: String) throws {
        try Data().write(to: URL(fileURLWithPath: "\(root.plugin(plugin))/run/release"))
    }

    @Test func unloadedProvider_withACallInside_isGoneForItsCaller_andLeavesMemoryLater() throws {
        let caller = try host.client()
        try caller.send("GET", "/plugin/rpc-ping/api/hang")
        try waitForCall(in: "rpc-pong", from: "rpc-ping")
        try root.must(
            "reload", "rpc-pong", "--force", "--drain-seconds", "1", "--on-timeout", "quarantine")
        let response = try caller.readResponse()
        #expect(response.json?["last"].number == -70, "PH_GONE; \(response.text)")
        try expectAnswers("/plugin/rpc-ping/api/quick", 1)
        #expect(host.maps(of: "rpc-pong").contains { $0.contains(".1.") }, "a thread is inside")
        try release("rpc-pong")
        let after = try root.waitForStatus("rpc-pong", "the held generation has gone") {
            $0["images"].elements.count == 1
        }
        #expect(after["last_unload"]["verdict"].string == "unloaded", "\(after)")
    }

    @Test func hangingProvider_costsItsCallerItsOwnDeadline() throws {
        let response = try host.get("/plugin/rpc-ping/api/hang?milliseconds=50")
        #expect(response.json?["last"].number == -68, "PH_TIMED_OUT; \(response.text)")
        try waitForCall(in: "rpc-pong", from: "rpc-ping")
        try release("rpc-pong")
    }
}
