import Foundation
import Testing

/// What plugins use, what they may use, and what becomes of those that use more.
@Suite(.ownThreads, .timeLimit(.minutes(5))) struct MonitorTests {
    let root: Root

    init() throws { root = try Root() }

    /// Installs a fixture whose manifest limits what it may use.
    private func install(_ fixture: String, resources: String) throws {
        let draft = try DraftBundle(copying: fixture)
        let text = String(decoding: try draft.read("manifest.json"), as: UTF8.self)
        let end = try #require(text.lastIndex(of: "}"))
        try draft.write(
            "manifest.json", text[..<end] + ", \"resources\": \(resources)" + text[end...])
        let bundle = try draft.pack()
        try root.must("install", bundle)
        withExtendedLifetime(draft) {}
    }

    private func event(_ name: String, _ plugin: String) throws -> JSON? {
        try JSON(parsing: root.must("events", "--plugin", plugin, "--json").output)["events"]
            .elements.last { $0["event"].string == name }?["data"]
    }

    private func release(_ plugin: String) throws {
        let path = root.plugin(plugin) + "/run/release"
        try #require(FileManager.default.createFile(atPath: path, contents: nil))
    }

    @Test func pluginThatExceedsALimit_getsOneRequestAtATime_untilItDoesNot() throws {
        let host = try HostProcess(root, options: ["--monitor-seconds", "1"])
        try install("blocking_routes", resources: #"{"inFlightMax": 1, "action": "throttle"}"#)
        let hello = "/plugin/blocking-routes/api/hello"
        #expect(try host.get(hello).status == 200)
        let clients = try (0..<2).map { _ in try host.client() }
        for client in clients { try client.send("GET", "/plugin/blocking-routes/api/held") }
        let excess = try eventually("it uses too much") {
            try event("limit_exceeded_v1", "blocking-routes")
        }
        #expect(excess["resource"].string == "in_flight")
        #expect(excess["limit"].number == 1)
        #expect(excess["action"].string == "throttle")
        try eventually("it is throttled") { try host.get(hello).status == 503 }
        #expect(try host.get(hello)["retry-after"] == "1")

        let top = try JSON(parsing: root.must("top", "--json").output)["plugins"][0]
        #expect(top["name"].string == "blocking-routes")
        #expect(top["throttled"] == .bool(true))
        #expect(top["exceeded"].strings == ["in_flight"])
        #expect(top["in_flight"].number == 2)
        #expect(try root.must("top").output.contains("exceeds in_flight; throttled"))

        try release("blocking-routes")
        for client in clients { #expect(try client.readResponse().status == 200) }
        try eventually("it is within its limits") {
            try event("limit_respected_v1", "blocking-routes") != nil
        }
        try eventually("requests go through") { try host.get(hello).status == 200 }
        #expect(try host.terminate() == 0)
    }

    @Test func pluginThatExceedsALimit_isIsolated_andNoRequestFails() throws {
        let host = try HostProcess(root, options: ["--monitor-seconds", "1"])
        try install("blocking_routes", resources: #"{"inFlightMax": 1, "action": "isolate"}"#)
        let hello = "/plugin/blocking-routes/api/hello"
        let load = SteadyLoad(port: host.port, paths: [hello], connections: 2)
        let clients = try (0..<2).map { _ in try host.client() }
        for client in clients { try client.send("GET", "/plugin/blocking-routes/api/held") }
        let status = try root.waitForStatus("blocking-routes", "it is isolated", within: 60) {
            $0["mode_reason"].string != nil
        }
        #expect(status["mode"].string == "isolated")
        let reason = status["mode_reason"].string ?? ""
        #expect(reason.hasPrefix("it uses ") && reason.hasSuffix("may use 1"), "\(reason)")
        let answers = load.answers
        try eventually("its process answers") { load.answers > answers + 20 }
        try release("blocking-routes")
        for client in clients { #expect(try client.readResponse().status == 200) }
        let result = load.end()
        #expect(result.failures.isEmpty, "\(result.failures.prefix(3)) \(host.log.suffix(2_000))")
        let excess = try event("limit_exceeded_v1", "blocking-routes")
        #expect(excess?["action"].string == "isolate")
        #expect(try host.terminate() == 0)
    }

    @Test func processorTime_ofACallThatTookItsReactorsThread_isCounted() throws {
        let host = try HostProcess(root, options: ["--monitor-seconds", "1"])
        try install("loops_forever", resources: #"{"cpuPercentMax": 1}"#)
        let busy = try host.client()
        try busy.send("GET", "/plugin/loops-forever/api/loop")
        let excess = try eventually("it uses too much") {
            try event("limit_exceeded_v1", "loops-forever")
        }
        #expect(excess["resource"].string == "cpu")
        #expect(excess["action"].string == "warn")
        let top = try JSON(parsing: root.must("top", "--json").output)["plugins"][0]
        #expect(try #require(top["cpu_seconds"]["threads"].number) > 0)
        #expect(try host.get("/plugin/loops-forever/api/hello").status == 200)
        try release("loops-forever")
        #expect(try busy.readResponse().text == "released")
        #expect(try host.terminate() == 0)
    }

    @Test func pluginThatUsesMoreThanItsOperatorAllows_isStopped() throws {
        let host = try HostProcess(root, options: ["--monitor-seconds", "1"])
        try root.must("install", Fixtures.bundle("blocking_routes"))
        try """
        {"plugins": {"blocking-routes": {"resources": {"inFlightMax": 1, "action": "stop"}}}}
        """.write(toFile: root.path + "/config/local.json", atomically: true, encoding: .utf8)
        let clients = try (0..<2).map { _ in try host.client() }
        for client in clients { try client.send("GET", "/plugin/blocking-routes/api/held") }
        let excess = try eventually("it uses too much") {
            try event("limit_exceeded_v1", "blocking-routes")
        }
        #expect(excess["resource"].string == "in_flight")
        #expect(excess["value"].number == 2)
        try release("blocking-routes")
        for client in clients { #expect(try client.readResponse().status == 200) }
        let status = try root.waitForStatus("blocking-routes", "it is stopped", within: 60) {
            $0["state"].string == "inactive"
        }
        #expect(status["last_error"]["code"].string == "limit_exceeded")
        #expect(
            try event("plugin_deactivated_v1", "blocking-routes")?["reason"].string
                == "it uses 2 of in_flight, and may use 1")
        #expect(try host.get("/plugin/blocking-routes/api/thread").status == 503)
        #expect(try host.terminate() == 0)
    }
}
