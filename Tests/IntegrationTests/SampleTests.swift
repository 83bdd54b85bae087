import Foundation
import Testing

/// The sample plugins, as `make plugins` leaves them.
@Suite(.ownThreads, .timeLimit(.minutes(10))) struct SampleTests {
    static let all: [String] = {
        let samples = "\(Repository.path)/SamplePlugins"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: samples)) ?? []
        return names.filter { Repository.sampleBundle($0) != nil && !programs.contains($0) }
            .sorted()
    }()

    /// Those that are programs, as far as they were built: their runtimes may be missing.
    static let programs = ["hello-node", "hello-python"]

    static let hellos = all.filter { $0.hasPrefix("hello-") }

    @Test func samplesAreBuilt_orItIsSaidThatTheyAreNot() throws {
        if Self.all.isEmpty { print("no sample plugin is built: run `make plugins` first") }
        let environment = ProcessInfo.processInfo.environment
        try #require(!Self.all.isEmpty || environment["WITHOUT_SAMPLES"] != nil)
    }

    @Test(arguments: all)
    func sample_isInstalledServedReloadedAndUnloaded(_ name: String) throws {
        let root = try Root()
        let host = try HostProcess(root)
        try root.must("install", #require(Repository.sampleBundle(name)))
        #expect(try root.status(name)["unload"]["verdict"].string == "close")
        #expect(try host.get("/plugin/\(name)/").status == 200)

        let files = try TemporaryDirectory()
        let code = try Data(contentsOf: URL(fileURLWithPath: root.library(name)))
        let changed = try files.write("new.so", code + Data("another digest".utf8))
        try Command.succeed(["/bin/cp", changed, root.library(name)])
        try root.waitForStatus(name, "generation 1 is unloaded") {
            $0["last_unload"]["generation"].number == 1
                && $0["last_unload"]["verdict"].string == "unloaded"
        }

        try root.must("deactivate", name)
        let status = try root.waitForStatus(name, "generation 2 is unloaded") {
            $0["last_unload"]["generation"].number == 2
        }
        #expect(status["last_unload"]["verdict"].string == "unloaded", "\(status)")
        try host.waitUntilUnmapped(name)
    }

    @Test(arguments: programs)
    func program_isInstalledAndServes(_ name: String) throws {
        guard let bundle = Repository.sampleBundle(name) else { return }
        let root = try Root()
        let host = try HostProcess(root)
        try root.must("install", bundle)
        let client = try host.client()
        for _ in 0..<10 {
            let response = try client.get("/plugin/\(name)/api/hello")
            #expect(response.status == 200)
            #expect(response.text == hello)
            #expect(response["content-type"] == "application/json")
        }
        #expect(try client.get("/plugin/\(name)/api/nothing").status == 404)
        #expect(try root.status(name)["mode"].string == "process")
        try root.must("deactivate", name)
    }

    @Test(arguments: hellos)
    func hello_saysTheSameInEveryLanguage(_ name: String) throws {
        let root = try Root()
        let host = try HostProcess(root)
        try root.must("install", #require(Repository.sampleBundle(name)))
        let response = try host.get("/plugin/\(name)/api/hello")
        #expect(response.status == 200)
        #expect(response.text == hello)
        #expect(response["content-type"] == "application/json")
        let version = try host.get("/plugin/\(name)/api/version").json
        #expect(version?["name"].string == name)
        #expect(version?["generation"].number == 1)
    }

    @Test func telemetry_timesEveryRequest_andPublishesIt() throws {
        guard let bundle = Repository.sampleBundle("telemetry") else {
            try #require(Self.all.isEmpty)
            return
        }
        let root = try Root()
        let host = try HostProcess(root)
        try root.must("install", bundle)
        try root.must("install", Fixtures.bundle("sound"))
        let client = try host.client()
        for _ in 0..<5 { #expect(try client.get("/plugin/sound/api/hello").status == 200) }
        #expect(try client.get("/plugin/sound/api/nothing").status == 404)
        var series: [JSON] = []
        try eventually("every request has left the hook") {
            let summary = try client.get("/plugin/telemetry/api/summary").json ?? .null
            series = summary["series"].elements.filter { $0["plugin"].string == "sound" }
            return series.first?["requests"].number == 5
        }
        #expect(series.count == 1)
        #expect(series.first?["status"].number == 200)
        #expect(series.first?["body_bytes"].number == Double(5 * hello.utf8.count))
        #expect(series.first?["microseconds"]["p99"].number ?? 0 > 0)
        let events = try HTTPClient(unixSocket: "\(root.path)/host.sock")
        try events.send(
            "GET", "/events?topic=telemetry.timings", headers: ["Accept": "text/event-stream"])
        #expect(try events.readHead().status == 200)
        try eventually("a second has passed", within: 30) {
            let chunk = String(decoding: try events.readChunk() ?? Data(), as: UTF8.self)
            return chunk.contains("telemetry.timings") && chunk.contains("requests")
        }
    }

    @Test func audit_keepsEveryEvent_alsoWhileItIsReloaded() throws {
        try #require(Self.all.contains("audit") || Self.all.isEmpty)
        guard let bundle = Repository.sampleBundle("audit") else { return }
        let root = try Root()
        let host = try HostProcess(root, options: ["--events-endpoint", "/events"])
        try root.must("install", bundle)
        let client = try host.client()
        let count = 300
        for number in 1...count {
            let response = try client.request(
                "POST", "/events", headers: ["Content-Type": "application/cloudevents+json"],
                body: #"{"specversion":"1.0","id":"\#(number)","source":"test","type":"tick"}"#)
            #expect(response.status == 204)
            if number % 100 == 50 { try root.must("reload", "audit", "--force") }
        }
        func kept(_ query: String) throws -> [JSON] {
            try host.get("/plugin/audit/api/events?\(query)").json?["events"].elements ?? []
        }
        try eventually("all are kept") {
            try kept("topic=external.*&count=500").count >= count
        }
        let ids = try kept("topic=external.tick&count=500").compactMap { $0["id"].string }
        #expect(ids == (1...count).reversed().map(String.init))
        #expect(try kept("topic=external.tick&count=1&before=100")[0]["number"].number == 99)
        try eventually("its own reloads are kept") {
            try kept("topic=host.plugin.unloaded&plugin=audit").count == 3
        }
        #expect(try kept("topic=*.*.unloaded&since=2000-01-01").count == 3)
        #expect(try kept("until=2000-01-01").isEmpty)
        #expect(try host.get("/plugin/audit/api/events?since=never").status == 422)
        #expect(try host.get("/plugin/audit/api/topics").text.contains("external.tick"))
        // A page that is open hears of what happens, and ends with its plugin.
        let page = try host.client()
        try page.send("GET", "/plugin/audit/api/live?topic=host.>")
        #expect(try page.readHead().status == 200)
        try root.must("mount", "audit", "--at", "/audit")
        let piece = try #require(try page.readChunk())
        #expect(String(decoding: piece, as: UTF8.self) == "data: host.plugin.mounted\n\n")
        #expect(try root.must("events", "--subscribers").output.contains("host.>"))
        try root.must("reload", "audit", "--force")
        var last: Data? = piece
        while last != nil { last = try page.readChunk() }
        try root.waitForStatus("audit", "nothing holds the former generation") {
            $0["last_unload"]["generation"].number == 4
                && $0["last_unload"]["verdict"].string == "unloaded"
        }
    }

    @Test func notes_tellsOpenPages_whatChanges_andForgetsThoseThatLeave() throws {
        try #require(Self.all.contains("notes") || Self.all.isEmpty)
        guard let bundle = Repository.sampleBundle("notes") else { return }
        let root = try Root()
        let host = try HostProcess(root)
        try root.must("install", bundle)
        let page = try host.client()
        try page.send("GET", "/plugin/notes/api/events")
        let head = try page.readHead()
        #expect(head.status == 200)
        #expect(head["content-type"] == "text/event-stream")
        let hello = try #require(try page.readChunk())
        #expect(String(decoding: hello, as: UTF8.self) == "event: hello\nretry: 1000\ndata: \n\n")
        for number in 1...3 {
            let added = try host.client().request(
                "POST", "/plugin/notes/api/notes", body: #"{"title":"Tea"}"#)
            #expect(added.status == 201)
            let change = try #require(try page.readChunk())
            #expect(
                String(decoding: change, as: UTF8.self)
                    == "event: change\ndata: {\"what\":\"added\",\"id\":\(number)}\n\n")
        }
        #expect(try root.status("notes")["in_flight"].number == 1)
        page.reset()
        try root.waitForStatus("notes", "the page is gone") { $0["in_flight"].number == 0 }
        #expect(try host.terminate() == 0)
    }

    @Test func chat_goesOn_whileOtherPluginsComeAndGo_andSaysGoodbyeWhenItGoes() throws {
        try #require(Self.all.contains("chat") || Self.all.isEmpty)
        guard let bundle = Repository.sampleBundle("chat") else { return }
        let root = try Root()
        let host = try HostProcess(root)
        try root.must("install", bundle)
        try root.must("install", Fixtures.bundle("sound"))
        let room = "/plugin/chat/api/rooms/lobby"
        let ann = try SocketClient(host, room + "?nick=ann")
        #expect(try ann.frame().text == #"{"event":"welcome","present":["ann"],"history":[]}"#)
        let bob = try SocketClient(host, room + "?nick=bob")
        #expect(try ann.frame().text == #"{"event":"entered","nick":"bob"}"#)
        #expect(try bob.frame().text.contains(#""present":["ann","bob"]"#))
        for round in 0..<20 {
            try root.must("reload", "sound", "--force")
            try ann.send("line \(round)")
            let said = #"{"event":"said","nick":"ann","text":"line \#(round)"}"#
            #expect(try ann.frame().text == said)
            #expect(try bob.frame().text == said)
        }
        #expect(try host.get(room + "/messages").json?.elements.count == 20)
        #expect(try root.status("chat")["sockets"].number == 2)

        try bob.close()
        #expect(try bob.frame().code == 1000)
        #expect(try ann.frame().text == #"{"event":"left","nick":"bob"}"#)
        let deactivating = try ChildProcess([
            HostProcess.binary, "deactivate", "chat", "--root", root.path,
        ])
        #expect(try ann.frame().code == 1012)
        try ann.close(1012)
        #expect(deactivating.waitForEnd(within: 60) == .exited(0))
        #expect(try root.status("chat")["last_unload"]["verdict"].string == "unloaded")
    }

    @Test func allSamples_liveTogetherInOneHost() throws {
        let root = try Root()
        for name in Self.all {
            try root.must("install", #require(Repository.sampleBundle(name)))
        }
        let host = try HostProcess(root)
        for name in Self.hellos { #expect(try host.hello(name) == hello) }
        for name in Self.all {
            try root.must("deactivate", name)
            for other in Self.hellos where other > name {
                #expect(try host.hello(other) == hello, "after \(name) has gone")
            }
        }
        #expect(host.state.maps(below: root.path + "/plugins").isEmpty)
        #expect(try host.terminate() == 0)
    }
}
