import Foundation
import Glibc
import Testing

/// Plugins in processes of their own.
@Suite(.ownThreads, .timeLimit(.minutes(10))) struct IsolationTests {
    /// A request that is put to a plugin in the host and to the same one isolated.
    private struct Question {
        var method = "GET"
        var path: String
        var headers: [String: String] = [:]
        var body: String?
    }

    /// Fields that say when and which request it was, which copy of a file, or what becomes of the
    /// client's connection, and not what the plugin answers.
    private static let passing: Set<String> = [
        "date", "x-request-id", "etag", "last-modified", "connection",
    ]

    private static func questions(_ plugin: String) -> [Question] {
        let api = "/plugin/\(plugin)/api"
        return [
            Question(path: "\(api)/hello"),
            Question(path: "\(api)/hello/J%C3%BCrgen%20%2F%25?a=%20b"),
            Question(method: "HEAD", path: "\(api)/hello"), Question(path: "\(api)/version"),
            Question(method: "POST", path: "\(api)/echo", body: "what is said"),
            Question(method: "POST", path: "\(api)/echo", body: ""),
            Question(
                method: "POST", path: "\(api)/echo", body: String(repeating: "x", count: 200_000)),
            Question(
                method: "POST", path: "\(api)/echo", headers: ["Expect": "100-continue"],
                body: "later"),
            Question(path: "\(api)/stream"), Question(path: "\(api)/nothing"),
            Question(method: "DELETE", path: "\(api)/hello"), Question(path: "\(api)"),
            Question(path: "/plugin/\(plugin)/"), Question(path: "/plugin/\(plugin)/none.txt"),
            Question(path: "\(api)/hello", headers: ["X-Request-ID": "given-1"]),
        ]
    }

    private func answer(_ host: HostProcess, _ question: Question) throws -> String {
        let response = try host.client().request(
            question.method, question.path, headers: question.headers, body: question.body)
        let fields = response.headers.filter { !Self.passing.contains($0.0) }
            .map { "\($0.0): \($0.1)" }.sorted()
        return "\(response.status)\n" + fields.joined(separator: "\n") + "\n\n"
            + response.text.replacing(/"request_id":"[^"]*"/, with: "")
    }

    @Test(arguments: SampleTests.hellos)
    func sample_answersTheSame_inTheHostAndIsolated(_ name: String) throws {
        let bundle = try #require(Repository.sampleBundle(name))
        let (here, there) = (try Root(), try Root())
        let (inside, isolated) = (try HostProcess(here), try HostProcess(there))
        try here.must("install", bundle)
        try there.must("install", bundle, "--mode", "isolated")
        #expect(try there.status(name)["mode"].string == "isolated")
        #expect(isolated.maps(of: name).isEmpty)
        for question in Self.questions(name) {
            let expected = try answer(inside, question)
            let got = try answer(isolated, question)
            #expect(got == expected, "\(question)")
        }
    }

    /// What the telemetry sample has counted of other plugins, a line each.
    private func counts(telemetry mode: String) throws -> [String] {
        let root = try Root()
        let host = try HostProcess(root)
        for name in ["renderer", "reader"] {
            try root.must("install", #require(Repository.sampleBundle(name)))
        }
        try root.must("install", Fixtures.bundle("sound"))
        let bundle = try #require(Repository.sampleBundle("telemetry"))
        try root.must("install", bundle, "--mode", mode)
        #expect(try root.status("telemetry")["mode"].string == mode)
        let client = try host.client()
        for _ in 0..<5 { #expect(try client.get("/plugin/sound/api/hello").status == 200) }
        let head = try client.request("HEAD", "/plugin/sound/api/version")
        #expect(head.status == 200)
        let rendered = try client.request("POST", "/plugin/reader/api/render", body: "# Hello")
        #expect(rendered.text == "<h1>Hello</h1>\n")
        return try eventually("every request has left the hook") {
            let summary = try client.get("/plugin/telemetry/api/summary").json ?? .null
            let requests = summary["series"].elements.filter { $0["plugin"].string != "telemetry" }
            let count = requests.compactMap { $0["requests"].number }.reduce(0, +)
            guard count == 7 else { return nil }
            return requests.map {
                "\($0["plugin"]) \($0["status"]) \($0["requests"]) \($0["body_bytes"])"
            }.sorted()
                + summary["calls"].elements.map {
                    "\($0["plugin"]) \($0["method"]) \($0["status"]) \($0["calls"])"
                }.sorted()
        }
    }

    @Test func telemetry_countsTheSame_inTheHostAndIsolated() throws {
        let inside = try counts(telemetry: "in-process")
        #expect(inside.contains { $0.contains("renderer") }, "\(inside)")
        #expect(try counts(telemetry: "isolated") == inside)
    }

    @Test func services_workFromAProcessOfItsOwn() throws {
        let root = try Root()
        let host = try HostProcess(root)
        for name in ["renderer", "reader", "counter", "chat", "audit"] {
            let bundle = try #require(Repository.sampleBundle(name))
            // One end of the calls is in the host, and the other one is not.
            try root.must(
                "install", bundle, "--mode", name == "reader" ? "in-process" : "isolated")
        }
        let client = try host.client()
        let rendered = try client.request("POST", "/plugin/reader/api/render", body: "# Hello")
        #expect(rendered.text == "<h1>Hello</h1>\n")
        try root.must(
            "install", #require(Repository.sampleBundle("reader")), "--mode", "isolated")
        let again = try host.client().request("POST", "/plugin/reader/api/render", body: "# Hello")
        #expect(again.text == "<h1>Hello</h1>\n")

        let count = try client.request("POST", "/plugin/counter/api/count")
        #expect(count.json?["count"].number == 1)
        try root.must("reload", "counter", "--force")
        #expect(try client.get("/plugin/counter/api/count").json?["count"].number == 1)

        try eventually("audit has heard of the reload") {
            try host.get("/plugin/audit/api/events?topic=host.plugin.unloaded&plugin=counter")
                .json?[
                    "events"
                ].elements.isEmpty == false
        }
        let socket = try SocketClient(host, "/plugin/chat/api/rooms/hall?nick=ann")
        try socket.send("hello from outside")
        var heard = ""
        while !heard.contains("hello from outside") {
            heard = String(decoding: try socket.frame().payload, as: UTF8.self)
        }
    }

    @Test func pluginThatServes_movesEitherWay_andNoRequestFails() throws {
        let root = try Root()
        let host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("sound"))
        let load = SteadyLoad(port: host.port, paths: ["/plugin/sound/api/hello"], connections: 4)
        for number in 1...3 {
            try root.must("isolate", "sound")
            var status = try root.status("sound")
            #expect(status["mode"].string == "isolated" && status["workers"].elements.count == 1)
            #expect(status["generation"].number == Double(2 * number))
            try host.waitUntilUnmapped("sound")
            try root.must("activate", "sound", "--mode", "in-process")
            status = try root.status("sound")
            #expect(status["mode"].string == "in-process" && status["workers"].elements.isEmpty)
            let answers = load.answers
            try eventually("it answers") { load.answers > answers + 20 }
        }
        let result = load.end()
        #expect(result.failures.isEmpty, "\(result.failures.prefix(3)) \(host.log.suffix(2_000))")
        #expect(result.bodies == [hello])
        // It stays where it was put, over a start of the host as well.
        try root.must("isolate", "sound")
        #expect(try host.terminate() == 0)
        let again = try HostProcess(root)
        #expect(try again.hello("sound") == hello)
        #expect(try root.status("sound")["mode"].string == "isolated")
        let refused = try root.host("activate", "sound", "--mode", "process")
        expectRefusal(refused, "for its manifest to say")
    }

    private func pids(_ root: Root, _ plugin: String) throws -> [Int32] {
        try root.status(plugin)["workers"].elements.compactMap { $0["pid"].number.map(Int32.init) }
    }

    /// Whether a process runs; one that nobody has reaped does not.
    private func isAlive(_ pid: Int32) -> Bool {
        guard let text = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
            let end = text.lastIndex(of: ")")
        else { return false }
        return !text[end...].hasPrefix(") Z")
    }

    @Test func killedProcess_isReplaced_andOthersNoticeNothing() throws {
        let root = try Root()
        let host = try HostProcess(root, options: ["--restarts-per-minute", "1000"])
        try root.must("install", Fixtures.bundle("sound"))
        try root.must("install", Fixtures.bundle("key_leak"), "--mode", "isolated")
        #expect(try host.hello("key-leak") == hello)
        let others = try host.client()
        for _ in 0..<5 {
            let victim = try eventually("a process runs") { try pids(root, "key-leak").first }
            #expect(kill(victim, SIGKILL) == 0)
            try eventually("it has ended") { !isAlive(victim) }
            // Whoever comes meanwhile waits for the next process.
            try eventually("another process answers") {
                try host.get("/plugin/key-leak/api/hello").status == 200
            }
            #expect(try others.get("/plugin/sound/api/hello").text == hello)
        }
        let status = try root.waitForStatus("key-leak", "five restarts") {
            $0["workers"][0]["restarts"].number == 5
        }
        #expect(status["workers"][0]["state"].string == "running")
        let events = try root.must("events", "--plugin", "key-leak", "--json").output
        #expect(events.contains("worker_ended_v1") && events.contains("SIGKILL"), "\(events)")
        let last = try #require(try pids(root, "key-leak").first)
        try root.must("deactivate", "key-leak")
        try eventually("no process is left") { !isAlive(last) }
    }

    @Test func processThatKeepsEnding_isGivenUp_andReloadBringsItBack() throws {
        let root = try Root()
        let host = try HostProcess(root, options: ["--restarts-per-minute", "1"])
        try root.must("install", Fixtures.bundle("sound"), "--mode", "isolated")
        var victim: Int32?
        for _ in 0..<2 {
            // The host may not have noticed yet that the former one is gone.
            let former = victim
            let next = try #require(
                try root.waitForStatus("sound", "another one runs") {
                    let pid = $0["workers"][0]["pid"].number.map(Int32.init)
                    return $0["workers"][0]["state"].string == "running" && pid != former
                }["workers"][0]["pid"].number.map(Int32.init))
            victim = next
            kill(next, SIGKILL)
            try eventually("it is gone") { !isAlive(next) }
        }
        let status = try root.waitForStatus("sound", "it has failed", within: 60) {
            $0["state"].string == "failed"
        }
        #expect(status["last_error"]["code"].string == "worker_failed", "\(status)")
        #expect(try host.get("/plugin/sound/api/hello").status == 503)
        try root.must("reload", "sound", "--force")
        #expect(try host.hello("sound") == hello)
    }

    @Test func hungProcess_isKilledAndReplaced() throws {
        let root = try Root()
        let host = try HostProcess(root, options: ["--ping-seconds", "1"])
        try root.must("install", Fixtures.bundle("sound"), "--mode", "isolated")
        let victim = try #require(try pids(root, "sound").first)
        kill(victim, SIGSTOP)
        try eventually("it is killed", within: 60) { !isAlive(victim) }
        try eventually("another one answers", within: 60) {
            try host.get("/plugin/sound/api/hello").status == 200
        }
    }

    @Test func hostThatIsKilled_leavesNoProcessAndNoSocket() throws {
        let root = try Root()
        let host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("sound"), "--mode", "isolated")
        let pid = try #require(try pids(root, "sound").first)
        host.process.kill()
        try eventually("its process ends too") { !isAlive(pid) }
        let run = "\(root.plugin("sound"))/run"
        let left = try FileManager.default.contentsOfDirectory(atPath: run)
        #expect(left.allSatisfy { !$0.hasPrefix("socket-") }, "\(left)")
    }

    @Test func upgradeOfAnIsolatedPlugin_keepsItIsolated_andEndsTheFormerProcess() throws {
        let root = try Root()
        let host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("sound"), "--mode", "isolated")
        let former = try #require(try pids(root, "sound").first)
        try root.must("reload", "sound", "--force")
        #expect(try host.hello("sound") == hello)
        #expect(try root.status("sound")["mode"].string == "isolated")
        #expect(try pids(root, "sound") != [former])
        try eventually("the former process ends") { !isAlive(former) }
        try root.waitForStatus("sound", "generation 1 is unloaded") {
            $0["last_unload"]["verdict"].string == "unloaded"
        }
    }
}
