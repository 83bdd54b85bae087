import Foundation
import Testing

/// Calls that take their time: nobody else waits for them, and what they hold is told.
@Suite(.ownThreads, .timeLimit(.minutes(10))) struct OverrunTests {
    private static let reloads =
        ProcessInfo.processInfo.environment["OVERRUN_RELOADS"].flatMap(Int.init) ?? 15

    private func serve(_ fixtures: String..., options: [String] = []) throws -> HostProcess {
        let host = try HostProcess(Root(), options: options)
        for fixture in fixtures { try host.root.must("install", Fixtures.bundle(fixture)) }
        return host
    }

    @Test func sleepers_areAllAnswered_andDelayNobody() throws {
        let host = try serve("handle_blocks", "sound")
        let sleepers = SteadyLoad(
            port: host.port, paths: ["/plugin/handle-blocks/api/block?milliseconds=400"],
            connections: 20)
        let others = SteadyLoad(
            port: host.port, paths: ["/plugin/sound/api/hello"], connections: 4)
        try eventually("each sleeper has been answered twice", within: 120) {
            sleepers.answers >= 40
        }
        let slept = sleepers.end()
        let told = others.end()
        #expect(slept.failures.isEmpty, "\(slept.failures.prefix(3))")
        #expect(slept.bodies == ["done"])
        #expect(told.failures.isEmpty, "\(told.failures.prefix(3))")
        // Behind the sleepers they would be as slow as those, and they are fewer.
        #expect(told.answers > slept.answers, "\(told.answers) \(slept.answers)")

        let work = try host.root.status("handle-blocks")["work"]
        #expect(work["pooled_routes"].strings == ["GET /block"], "\(work)")
        #expect(try #require(work["overruns"].number) >= 1, "\(work)")
        #expect(try #require(work["pool_threads"].number) >= 1, "\(work)")
        #expect(Set(host.state.threads).isSuperset(of: ["reactor-0", "reactor-1"]))
        try eventually("the log tells of it") { host.log.contains("GET /block: handle overran") }
    }

    @Test func endlessLoop_isToldOf_andPinsItsImageUntilItEnds() throws {
        let host = try serve("loops_forever", "sound", options: ["--request-timeout", "0"])
        let waiting = try host.client()
        try waiting.send("GET", "/plugin/loops-forever/api/loop")
        try eventually("the overrun is counted", within: 60) {
            try host.root.status("loops-forever")["work"]["overruns"].number == 1
        }
        for _ in 0..<50 { #expect(try host.hello("sound") == hello) }
        #expect(try host.hello("loops-forever") == hello)
        try eventually("the log tells of it") { host.log.contains("GET /loop: handle overran") }
        let during = try host.root.waitForStatus("loops-forever", "the thread is named") {
            "\($0["images"][0]["reasons"])".contains("late-loops-fore")
        }
        #expect("\(during["images"][0]["reasons"])".contains("GET /loop"), "\(during)")

        let command = try host.root.must("deactivate", "loops-forever", "--drain-seconds", "1")
        #expect(command.output.contains("pinned"), "\(command)")
        #expect(command.output.contains("late-loops-fore"), "\(command)")
        #expect(command.output.contains("GET /loop"), "\(command)")
        #expect(try host.hello("sound") == hello)

        try Data().write(
            to: URL(fileURLWithPath: "\(host.root.plugin("loops-forever"))/run/release"))
        #expect(try waiting.readResponse().text == "released")
        try host.root.waitForStatus("loops-forever", "it is unloaded", within: 60) {
            $0["last_unload"]["verdict"].string == "unloaded"
        }
        try host.waitUntilUnmapped("loops-forever")
    }

    @Test func imagesWhoseCallsOverran_areUnloaded() throws {
        let host = try serve("handle_blocks")
        let code = try Data(contentsOf: URL(fileURLWithPath: host.root.library("handle-blocks")))
        let files = try TemporaryDirectory()
        let load = SteadyLoad(
            port: host.port, paths: ["/plugin/handle-blocks/api/block?milliseconds=25"],
            connections: 6)
        for number in 1...Self.reloads {
            let changed = try files.write("new.so", code + Data("variant \(number)".utf8))
            try Command.succeed(["/bin/mv", changed, host.root.library("handle-blocks")])
            let status = try host.root.waitForStatus("handle-blocks", "\(number) is gone") {
                $0["last_unload"]["generation"].number == Double(number)
            }
            #expect(status["last_unload"]["verdict"].string == "unloaded", "\(status)")
            // Each generation overruns before the next one comes.
            try host.root.waitForStatus("handle-blocks", "generation \(number + 1) overran") {
                $0["work"]["overruns"].number ?? 0 > 0
            }
        }
        let result = load.end()
        #expect(result.failures.isEmpty, "\(result.failures.prefix(3))")
        try host.waitUntilUnmapped("handle-blocks", except: Self.reloads + 1)
        try eventually("no thread is left over", within: 60) {
            host.state.threads.allSatisfy { !$0.hasPrefix("late-") }
        }
    }

    @Test func threadLocalObjects_goWithTheThreadsOfCallsThatOverran() throws {
        let host = try serve("thread_local_in_slow_call")
        let name = "thread-local-in-slow-call"
        let clients = try (0..<8).map { _ in try host.client() }
        // The first ones overrun on the loops, the later ones run on the pool.
        for _ in 0..<3 {
            for client in clients { try client.send("GET", "/plugin/\(name)/api/nap") }
            for client in clients { #expect(try client.readResponse().text == "rested") }
        }
        let work = try host.root.status(name)["work"]
        #expect(try #require(work["overruns"].number) > 0, "\(work)")
        #expect(try #require(work["pool_threads"].number) > 0, "\(work)")
        try host.root.must("deactivate", name)
        try host.root.waitForStatus(name, "it is unloaded") {
            $0["last_unload"]["verdict"].string == "unloaded"
        }
        try host.waitUntilUnmapped(name)
    }

    @Test func blockingRoutes_runOnThreadsOfThePlugin() throws {
        let host = try serve("blocking_routes")
        let client = try host.client()
        #expect(try client.get("/plugin/blocking-routes/api/thread").text == "pool-blocking-r")
        let body = String(repeating: "abcdefgh", count: 60_000)
        let told = try client.request("POST", "/plugin/blocking-routes/api/upload", body: body)
        #expect(told.text == "480000 pool-blocking-r")
        let empty = try client.request("POST", "/plugin/blocking-routes/api/upload", body: "")
        #expect(empty.text == "0 pool-blocking-r")
        let work = try host.root.status("blocking-routes")["work"]
        #expect(work["overruns"].number == 0, "\(work)")
        #expect(
            work["pooled_routes"].strings == ["GET /thread", "GET /held", "POST /upload"], "\(work)"
        )
        try host.root.must("deactivate", "blocking-routes")
        try host.waitUntilUnmapped("blocking-routes")
        #expect(!host.state.threads.contains("pool-blocking-r"))
    }

    @Test func observersThatOverrun_getTheWholeBody() throws {
        let host = try serve("blocking_routes", "sound")
        let body = String(repeating: "abcdefgh", count: 40_000)
        let clients = try (0..<3).map { _ in try host.client() }
        for client in clients {
            try client.send(
                raw: "POST /plugin/blocking-routes/api/slow?milliseconds=30 HTTP/1.1\r\n"
                    + "Host: x\r\nContent-Length: \(body.utf8.count)\r\n\r\n" + body)
        }
        for _ in 0..<20 { #expect(try host.hello("sound") == hello) }
        for client in clients {
            #expect(try client.readResponse().text.hasPrefix("320000 "))
            #expect(try client.get("/plugin/sound/api/hello").text == hello)
        }
        let work = try host.root.status("blocking-routes")["work"]
        #expect(try #require(work["overruns"].number) > 0, "\(work)")
    }

    @Test func responseThatDoesNotBegin_isAnsweredWith504() throws {
        let host = try serve(
            "handle_never_completes", "loops_forever", "sound", options: ["--request-timeout", "1"])
        for (plugin, route) in [("handle-never-completes", "never"), ("loops-forever", "loop")] {
            let response = try host.get("/plugin/\(plugin)/api/\(route)")
            #expect(response.status == 504)
            #expect(response["content-type"] == "application/problem+json")
            #expect(response.text.contains(plugin), "\(response.text)")
            #expect(response.text.contains("GET /\(route)"), "\(response.text)")
            #expect(try host.root.status(plugin)["work"]["timeouts"].number == 1)
            try eventually("the log tells of it") {
                host.log.contains("GET /\(route): no response began within 1 s")
            }
        }
        #expect(try host.hello("sound") == hello)
    }

    @Test func requestsBeyondWhatAPluginTakes_areRejected() throws {
        let draft = try DraftBundle(copying: "blocking_routes")
        let manifest = String(decoding: try draft.read("manifest.json"), as: UTF8.self)
        try draft.write(
            "manifest.json",
            "{\"limits\":{\"concurrencyMax\":3,\"poolThreadsMax\":1,\"poolQueueMax\":1},"
                + manifest.dropFirst())
        let host = try HostProcess(Root())
        try host.root.must("install", draft.pack())
        let path = "/plugin/blocking-routes/api/held"
        func work() throws -> JSON { try host.root.status("blocking-routes")["work"] }

        let running = try host.client()
        try running.send("GET", path)
        try eventually("one runs") {
            let work = try work()
            return work["pool_waiting"].number == 0 && work["pool_threads"].number == 1
        }
        let waiting = try host.client()
        try waiting.send("GET", path)
        try eventually("one waits") { try work()["pool_waiting"].number == 1 }
        // The queue is full.
        let third = try host.get(path)
        #expect(third.status == 503)
        #expect(third["retry-after"] == "1")
        #expect(third["content-type"] == "application/problem+json")
        try Data().write(
            to: URL(fileURLWithPath: "\(host.root.plugin("blocking-routes"))/run/release"))
        #expect(try running.readResponse().text == "released")
        #expect(try waiting.readResponse().text == "released")
        #expect(try work()["rejected"].number == 1)

        // An upload that does not come is in flight as well.
        let uploads = try (0..<3).map { _ in try host.client() }
        for upload in uploads {
            try upload.send(
                raw: "POST /plugin/blocking-routes/api/slow HTTP/1.1\r\n"
                    + "Host: x\r\nContent-Length: 1\r\n\r\n")
        }
        try eventually("three are in flight") {
            try host.root.status("blocking-routes")["in_flight"].number == 3
        }
        #expect(try host.get("/plugin/blocking-routes/api/hello").status == 503)
        for upload in uploads { try upload.send(raw: "x") }
        for upload in uploads { #expect(try upload.readResponse().status == 200) }
        #expect(try host.hello("blocking-routes") == hello)
    }
}
