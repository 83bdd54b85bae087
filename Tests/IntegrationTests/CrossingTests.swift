import Foundation
import Testing

/// Hooks, points and calls between two plugins, wherever each of them runs.
@Suite(.ownThreads, .timeLimit(.minutes(10))) struct CrossingTests {
    /// The modes of crossing-one and crossing-two.
    private static let places = [
        ["in-process", "in-process"], ["in-process", "isolated"], ["isolated", "in-process"],
        ["isolated", "isolated"],
    ]

    private let root: Root
    private let host: HostProcess

    init() throws {
        root = try Root()
        host = try HostProcess(root, options: ["--restarts-per-minute", "1000"])
    }

    private func install(_ modes: [String]) throws {
        for (fixture, mode) in zip(["crossing_one", "crossing_two"], modes) {
            try root.must("install", Fixtures.bundle(fixture), "--mode", mode)
        }
    }

    /// Installs both with one thread each for calls that may wait.
    private func installNarrow(_ modes: [String]) throws {
        for (fixture, mode) in zip(["crossing_one", "crossing_two"], modes) {
            let draft = try DraftBundle(copying: fixture)
            let text = String(decoding: try draft.read("manifest.json"), as: UTF8.self)
            try draft.write(
                "manifest.json",
                text.replacing(
                    #""library":"#, with: #""limits":{"poolThreadsMax":1},"library":"#))
            try root.must("install", draft.pack(), "--mode", mode)
        }
    }

    private func get(_ path: String) throws -> String {
        let response = try host.get("/plugin/\(path)")
        #expect(response.status == 200, "\(path): \(response.text)")
        return response.text
    }

    private func exists(_ name: String, of plugin: String) -> Bool {
        // A process of its own has a directory of its own there.
        ["run", "run/own"].contains {
            FileManager.default.fileExists(atPath: "\(root.plugin(plugin))/\($0)/\(name)")
        }
    }

    // MARK: - Hooks

    @Test(arguments: places)
    func hooksOfTheOther_takePartInRequestsAndResponses(_ modes: [String]) throws {
        try install(modes)
        try root.must("install", Fixtures.bundle("sound"))
        let client = try host.client()
        let plain = try client.get("/plugin/sound/api/hello?a=%20b")
        #expect(plain.status == 200)
        #expect(plain.text == hello)
        #expect(plain["x-asked-crossing-one"] == "a=%20b")
        #expect(plain["x-asked-crossing-two"] == "a=%20b")
        #expect(plain["content-type"] == nil)
        #expect(plain["x-request-id"] == nil)
        for name in ["crossing-one", "crossing-two"] {
            for what in ["do=answer", "do=late"] {
                let answered = try client.request(
                    "GET", "/plugin/sound/api/hello?by=\(name)&\(what)&note",
                    headers: ["X-Request-ID": "given-1"])
                #expect(answered.status == 418, "\(name) \(what)")
                #expect(answered.text == "tea")
                #expect(answered["x-by"] == name)
                #expect(answered["x-name"] == "given-1")
                #expect(answered["x-asked-crossing-one"]?.hasPrefix("by=") == true)
            }
            #expect(
                try client.get("/plugin/sound/api/hello?by=\(name)&do=fail").status == 500)
            #expect(try client.get("/plugin/sound/api/version?by=\(name)&note").status == 200)
            // Hooks leave when the client has its answer already.
            let lines = try eventually("\(name) has left all of them") {
                let text = try get("\(name)/api/seen")
                let lines = text.split(separator: "\n").filter { $0.hasPrefix("left") }
                return lines.count == 3 ? lines : nil
            }
            let answered: [Substring] = ["left /hello right 418 3 2", "left /hello right 418 3 2"]
            #expect(Array(lines.sorted().prefix(2)) == answered)
            #expect(lines.sorted().last?.hasPrefix("left /version right 200 ") == true)
        }
    }

    @Test(arguments: [["in-process", "isolated"], ["isolated", "isolated"]])
    func hooksAtTheResponse_seeThoseOfProcesses(_ modes: [String]) throws {
        let bundle = try #require(Repository.sampleBundle("hello-c"))
        try root.must("install", bundle, "--mode", "isolated")
        try root.must("install", #require(Repository.sampleBundle("hello-python")))
        let client = try host.client()
        let large = String(repeating: "x", count: 60_000)
        func ask() throws -> [HTTPResponse] {
            var answers: [HTTPResponse] = []
            for (plugin, query) in [("hello-c", "?a=%20b"), ("hello-python", "")] {
                let api = "/plugin/\(plugin)/api"
                answers.append(try client.get("\(api)/hello\(query)"))
                answers.append(try client.request("HEAD", "\(api)/hello\(query)"))
                answers.append(try client.get("\(api)/stream\(query)"))
                answers.append(
                    try client.request("POST", "\(api)/echo\(query)", body: large))
            }
            return answers
        }
        let plain = try ask()
        let nothing = try client.get("/plugin/hello-python/api/nothing").status
        #expect(nothing != 200)
        try install(modes)
        let hooked = try ask()
        #expect(plain.allSatisfy { $0["x-asked-crossing-one"] == nil })
        for (index, (before, after)) in zip(plain, hooked).enumerated()
        where before.status == 200 {
            let asked = index < plain.count / 2 ? "a=%20b" : "nothing"
            #expect(after.status == 200)
            #expect(after.text == before.text)
            #expect(after["x-asked-crossing-one"] == asked, "\(after.headers)")
            #expect(after["x-asked-crossing-two"] == asked, "\(after.headers)")
            #expect(after["content-type"] == nil, "\(after.headers)")
            #expect(after["content-length"] == before["content-length"], "\(after.headers)")
        }
        #expect(plain.filter { $0.status == 200 }.count >= 6, "\(plain.map(\.status))")
        // They do not want any other status; the same connection goes on.
        let refused = try client.get("/plugin/hello-python/api/nothing")
        #expect(refused.status == 500)
        #expect(refused.text.contains("A hook refused the response"), "\(refused.text)")
        #expect(try client.get("/plugin/hello-c/api/hello?again").status == 200)

        let load = SteadyLoad(
            port: host.port,
            paths: ["/plugin/hello-c/api/hello?a", "/plugin/hello-python/api/hello"],
            connections: 4)
        try eventually("many are answered") { load.answers > 200 }
        try root.must("reload", "crossing-one", "--force")
        let answers = load.answers
        try eventually("more are answered") { load.answers > answers + 50 }
        try root.must("deactivate", "crossing-one")
        try root.must("deactivate", "crossing-two")
        let result = load.end()
        #expect(result.failures.isEmpty, "\(result.failures.prefix(3))")
        for (before, after) in zip(plain, try ask()) where before.status == 200 {
            #expect(after.status == 200 && after.text == before.text)
            #expect(after["content-type"] == before["content-type"])
        }
        #expect(try client.get("/plugin/hello-python/api/nothing").status == nothing)
    }

    @Test(arguments: places)
    func pointOfOne_isHookedByTheOther(_ modes: [String]) throws {
        try root.must("install", Fixtures.bundle("crossing_one"), "--mode", modes[0])
        #expect(try get("crossing-one/api/work?w") == "0 w!")
        try root.must("install", Fixtures.bundle("crossing_two"), "--mode", modes[1])
        try eventually("the point knows of the hook") {
            try get("crossing-one/api/work?w") == "0 hooked w<!>"
        }
        #expect(
            try get("crossing-one/api/work?refuse") == "-1 hooked crossing-two does not want that")
        #expect(try get("crossing-one/api/work?break") == "-1 hooked it is broken")
        #expect(try get("crossing-two/api/work?v") == "0 hooked v<!>")
        let shown = try root.must("hooks").output
        #expect(shown.contains("crossing-one/work"), "\(shown)")
        try root.must("deactivate", "crossing-two")
        try eventually("the point knows that the hook is gone") {
            try get("crossing-one/api/work?w") == "0 w!"
        }
    }

    @Test(arguments: places)
    func hooksOfTheOther_seeEventsAndCalls(_ modes: [String]) throws {
        try install(modes)
        #expect(try get("crossing-one/api/publish?hello") == "0")
        #expect(try get("crossing-one/api/publish?refuse") == "-123")
        #expect(try get("crossing-two/api/publish?hello") == "0")
        #expect(try get("crossing-one/api/call?1") == "0 0 done")
        #expect(try get("crossing-two/api/call?refuse") == "-67 -124 no such call")
        #expect(
            try get("crossing-two/api/seen").split(separator: "\n") == [
                "publish crossing-one ", "publish crossing-one ",
                "call crossing-two bounce",
            ])
        #expect(
            try get("crossing-one/api/seen").split(separator: "\n") == [
                "publish crossing-two ", "call crossing-one bounce", "call crossing-one bounce",
            ])
    }

    @Test func hookThatTakesItsProcessDown_hasFailed_andComesBackWithTheNextOne() throws {
        try install(["in-process", "isolated"])
        try root.must("install", Fixtures.bundle("sound"))
        let client = try host.client()
        for _ in 0..<3 {
            try eventually("its hooks are there") {
                try client.get("/plugin/sound/api/hello")["x-asked-crossing-two"] != nil
            }
            let path = "/plugin/sound/api/hello?by=crossing-two&"
            #expect(try client.get(path + "do=half").status == 500)
            #expect(try client.get(path + "do=crash&").status == 500)
            try eventually("its hooks are there again") {
                try client.get("/plugin/sound/api/hello")["x-asked-crossing-two"] != nil
            }
            // It has been let in, and only has not left.
            #expect(try client.get(path + "do=crash-leave").status == 200)
        }
        #expect(try root.status("crossing-one")["state"].string == "active")
        try eventually("the log says so") {
            host.log.contains("hook around request: its process has ended")
        }
        try root.must("deactivate", "crossing-two", "--drain-seconds", "20")
        #expect(try client.get("/plugin/sound/api/hello").status == 200)
        let points = try JSON(parsing: root.must("hooks", "--json").output)["points"].elements
        #expect(
            points.flatMap { $0["hooks"].elements }.allSatisfy {
                $0["plugin"].string == "crossing-one"
            })
    }

    @Test func hookThatDoesNotComeBack_fails_andHoldsNobodyElse() throws {
        try install(["in-process", "isolated"])
        try root.must("install", Fixtures.bundle("sound"))
        let waiting = try host.client()
        try waiting.send("GET", "/plugin/sound/api/hello?by=crossing-two&do=hang")
        for _ in 0..<20 { #expect(try host.hello("sound") == hello) }
        let late = try waiting.readResponse()
        #expect(late.status == 500)
        #expect(late.text.contains("The plugin crossing-two failed in its hook"))
        try eventually("the log says so") {
            host.log.contains("hook around request: it did not come back within 10 s")
        }
    }

    // MARK: - Calls

    @Test(arguments: places)
    func callsInACircle_endWithAnError_andNotInADeadlock(_ modes: [String]) throws {
        try installNarrow(modes)
        #expect(try get("crossing-one/api/call?0") == "0 0 done")
        // Its only thread waits for the call.
        #expect(
            try get("crossing-one/api/call?1") == "-67 -72 the call would wait for itself")
        #expect(
            try get("crossing-two/api/call?5") == "-67 -72 the call would wait for itself")
        #expect(try get("crossing-two/api/call?0") == "0 0 done")
    }

    @Test(arguments: places)
    func callsWithinCalls_areCounted_acrossProcesses(_ modes: [String]) throws {
        try install(modes)
        #expect(try get("crossing-one/api/call?4") == "0 0 done")
        let deep = try get("crossing-one/api/call?1000")
        #expect(deep == "-67 -71 too many calls are within each other")
    }

    @Test(arguments: places)
    func callThatIsCalledOffOrLate_ends_whereItIsCarriedOut(_ modes: [String]) throws {
        try install(modes)
        #expect(try get("crossing-one/api/begin") == "0")
        try eventually("the method runs") { exists("begun", of: "crossing-two") }
        #expect(try get("crossing-one/api/cancel") == "0")
        try eventually("the method knows that it is over") { exists("over", of: "crossing-two") }
        #expect(try get("crossing-two/api/late?ms=50") == "-68")
        try eventually("the other method knows it too") { exists("over", of: "crossing-one") }
    }

    // MARK: - State

    @Test func requestsWait_whileAnIsolatedPluginHandsItsStateOver() throws {
        let text = #"{"plugins": {"counting": {"configuration": {"quiet": true}}}}"#
        try text.write(
            toFile: root.path + "/config/local.json", atomically: true, encoding: .utf8)
        try root.must("install", Fixtures.bundle("counting"), "--mode", "isolated")
        let load = SteadyLoad(
            port: host.port, paths: ["/plugin/counting/api/hello"], connections: 2)
        for number in 1...5 {
            let count = try host.client().request("POST", "/plugin/counting/api/count", body: "")
            #expect(count.text == "\(number)")
            try root.must("reload", "counting", "--force")
        }
        let result = load.end()
        #expect(result.failures.isEmpty, "\(result.failures.prefix(3))")
    }
}
