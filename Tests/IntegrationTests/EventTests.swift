import Foundation
import Testing

/// Events, from plugins and over HTTP, and the commands that follow them.
@Suite(.ownThreads, .timeLimit(.minutes(10))) struct EventTests {
    let root: Root

    init() throws { root = try Root() }

    private func follow(_ arguments: String...) throws -> ChildProcess {
        try ChildProcess([HostProcess.binary] + arguments + ["--root", root.path])
    }

    private func publish(
        _ client: HTTPClient, _ number: Int, _ path: String = "/events"
    ) throws -> HTTPResponse {
        try client.request(
            "POST", path, headers: ["Content-Type": "application/cloudevents+json"],
            body: #"{"specversion":"1.0","id":"\#(number)","source":"test","type":"tick"}"#)
    }

    /// What the fixture has been handed under a topic: generations and sequences.
    private func seen(_ host: HostProcess, _ topic: String) throws -> [(Int, sequence: Int)] {
        try host.get("/plugin/events/api/seen").text.split(separator: "\n").compactMap { line in
            let words = line.split(separator: " ")
            guard words.count == 3, words[1] == topic, let generation = Int(words[0]),
                let sequence = Int(words[2])
            else { return nil }
            return (generation, sequence)
        }
    }

    /// The next server-sent event with data, as its id and its data.
    private func next(_ client: HTTPClient) throws -> (id: String, data: JSON) {
        var id = ""
        while true {
            let line = try client.readLine()
            if line.hasPrefix("id: ") { id = String(line.dropFirst(4)) }
            if line.hasPrefix("data: ") {
                return (id, try JSON(parsing: String(line.dropFirst(6))))
            }
        }
    }

    /// Begins to listen, and returns once the server tells where the client is.
    private func listen(
        _ host: HostProcess, _ query: String, after lastID: String? = nil
    ) throws -> HTTPClient {
        let client = try host.client()
        let last = lastID.map { "Last-Event-ID: \($0)\r\n" } ?? ""
        try client.send(raw: "GET /events\(query) HTTP/1.0\r\nHost: test\r\n\(last)\r\n")
        let head = try client.readHead()
        #expect(head.status == 200 && head["content-type"] == "text/event-stream")
        while try !client.readLine().hasPrefix("id: ") {}
        return client
    }

    @Test func plugin_hearsOfTheHost_andOfItself_andIsShownAsASubscriber() throws {
        let host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("events"))
        #expect(try host.get("/plugin/events/api/publish?count=5").text == "0")
        try eventually("five ticks") { try seen(host, "events.tick").count == 5 }
        #expect(try seen(host, "events.tick").map(\.sequence) == Array(1...5))
        try eventually("its own loading") { try seen(host, "host.plugin.loaded").count == 1 }
        let told = try root.must("events", "--subscribers").output
        #expect(told.contains("events") && told.contains("drop-oldest") && told.contains("active"))
        try eventually("all is delivered") {
            let answer = try JSON(parsing: root.must("events", "--subscribers", "--json").output)
            let one = answer["subscriptions"][0]
            return one["name"].string == "all" && one["waiting"].number == 0
                && one["dropped"].number == 0 && (one["delivered"].number ?? 0) >= 6
        }
        try root.must("deactivate", "events")
        #expect(try root.must("events", "--subscribers").output.contains("no plugin"))
    }

    @Test func callsThatDoNotFit_areRefused() throws {
        let host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("events"))
        let results = try host.get("/plugin/events/api/results").text
        #expect(results == "-2 -3 -2 -2 -3 -2 -2 -2 -5 ")
    }

    @Test func reload_losesNoEvent_andHandsNoneOverTwice() throws {
        let host = try HostProcess(root, options: ["--events-endpoint", "/events"])
        try root.must("install", Fixtures.bundle("events"))
        let reload = "'\(HostProcess.binary)' reload events --force --root '\(root.path)'"
        let reloads = try ChildProcess([
            "/bin/sh", "-c", "for i in 1 2 3 4 5 6 7 8 9 10; do \(reload) || exit 1; done",
        ])
        let client = try host.client()
        var count = 0
        while !reloads.hasEnded || count < 500 {
            count += 1
            try #require(publish(client, count).status == 204)
        }
        #expect(reloads.waitForOutput(within: 60) == .exited(0), "\(reloads.standardError)")
        try eventually("all events are there") {
            try seen(host, "external.tick").count >= count
        }
        let taken = try seen(host, "external.tick")
        #expect(taken.map(\.sequence) == Array(1...count))
        #expect(Set(taken.map(\.0)).count > 1, "the generations took turns")
        #expect(try host.terminate() == 0)
    }

    @Test func events_areListedAndFollowed_untilTheDaemonEnds() throws {
        let host = try HostProcess(root)
        let follower = try follow("events", "--follow", "--since", "0", "--json")
        try root.must("install", Fixtures.bundle("sound"))
        #expect(
            follower.waitForLine(after: #"{"specversion":"1.0","id":"journal-1","#, within: 60)
                != nil)
        let list = try JSON(parsing: root.must("events", "--json", "--plugin", "sound").output)
        let names = list["events"].elements.map { $0["event"].string }
        #expect(names.contains("plugin_installed_v1") && names.contains("plugin_loaded_v1"))
        let late = try follow("events", "--follow", "--since", "0", "--topic", "host.plugin.loaded")
        #expect(late.waitForLine(after: "", within: 60) != nil)
        #expect(try host.terminate() == 0)
        #expect(follower.waitForOutput(within: 60) == .exited(0))
        let lines = try follower.standardOutput.split(separator: "\n").map {
            try JSON(parsing: String($0))
        }
        let sequences = lines.compactMap { $0["data"]["sequence"].number }
        #expect(sequences == Array(1...Int(sequences.count)).map(Double.init))
        #expect(sequences.count >= names.count)
        #expect(lines.last?["topic"].string == "host.stopping")
        #expect(late.waitForOutput(within: 60) == .exited(0))
        #expect(late.standardOutput.split(separator: "\n").count == 1)
        // Without a daemon the journal is read all the same.
        let offline = try root.must("events", "--since", "1").output
        #expect(offline.contains("plugin_loaded_v1") && !offline.contains("\n1 "))
        expectRefusal(try root.host("events", "--follow"), "daemon")
        expectRefusal(try root.host("events", "--topic", "a..b"), "a..b")
    }

    @Test func log_isShownAndFollowed() throws {
        let host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("sound"))
        let follower = try follow("logs", "sound", "--follow")
        try root.must("reload", "sound", "--force")
        #expect(follower.waitForLine(after: "", within: 60) != nil)
        try eventually("the reload is told of") {
            follower.standardOutput.contains("plugin=sound version=1.0.0 generation=1 unloaded")
        }
        let shown = try root.must("logs", "sound").output
        #expect(shown.contains("generation=1 unloaded"))
        #expect(shown.split(separator: "\n").allSatisfy { host.log.contains($0) })
        let json = try JSON(parsing: root.must("logs", "--json", "--last", "1").output)
        #expect(json["entries"].elements.count == 1)
        #expect(json["entries"][0]["level"].string == "info")
        #expect(try root.must("logs", "--level", "error").output == "")
        expectRefusal(try root.host("logs", "--level", "loud"), "warning")
        #expect(try host.terminate() == 0)
        #expect(follower.waitForOutput(within: 60) == .exited(0))
        expectRefusal(try root.host("logs"), "host serve")
    }

    @Test func client_goesOnWhereItWas_alsoAfterARestart() throws {
        let first = try HostProcess(root, options: ["--events-endpoint", "/events"])
        let client = try listen(first, "?topic=external.*")
        let publisher = try first.client()
        for number in 1...3 { _ = try publish(publisher, number) }
        let told = try (1...3).map { _ in try next(client) }
        #expect(told.map { $0.data["id"].string } == ["1", "2", "3"])
        let again = try listen(first, "?topic=external.*", after: told[0].id)
        #expect(try next(again).data["id"].string == "2")
        #expect(try next(again).data["id"].string == "3")
        try root.must("install", Fixtures.bundle("sound"))
        #expect(try first.terminate() == 0)

        let second = try HostProcess(root, options: ["--events-endpoint", "/events"])
        let later = try listen(second, "?topic=host.plugin.installed", after: told[2].id)
        let event = try next(later).data
        #expect(event["subject"].string == "sound" && event["source"].string == "host")
        #expect(event["id"].string?.hasPrefix("journal-") == true)
    }

    @Test func endpoint_isThereOnlyIfTheOperatorWantsIt_andRefusesWhatIsNoEvent() throws {
        let closed = try HostProcess(root)
        #expect(try closed.get("/events").status == 404)
        #expect(try closed.terminate() == 0)
        let host = try HostProcess(root, options: ["--events-endpoint", "/bus/events/"])
        let client = try host.client()
        let path = "/bus/events"
        #expect(try publish(client, 1, path).status == 204)
        func post(_ type: String, _ body: String, _ more: [String: String] = [:]) throws -> Int {
            try client.request(
                "POST", path, headers: more.merging(["Content-Type": type]) { $1 }, body: body
            ).status
        }
        let batch = #"[{"specversion":"1.0","id":"1","source":"x","type":"y"}]"#
        #expect(try post("application/cloudevents-batch+json; charset=utf-8", batch) == 204)
        #expect(try post("application/cloudevents+json", batch) == 400)
        #expect(try post("application/cloudevents+avro", batch) == 415)
        #expect(try post("text/plain", "hello") == 400)
        let fields = ["ce-specversion": "1.0", "ce-id": "1", "ce-source": "x", "ce-type": "y"]
        #expect(try post("text/plain", "hello", fields) == 204)
        #expect(try post("application/json", String(repeating: "x", count: 300_000)) == 413)
        let second = try host.client()
        #expect(try second.request("PUT", path, body: "").status == 405)
        #expect(try second.get(path + "?topik=x").status == 400)
        #expect(try second.get(path + "?topic=a..b").text.contains("pattern"))
        #expect(try root.host("serve", "--events-endpoint", "/plugin/x").status == 1)
    }
}
