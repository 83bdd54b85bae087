import Foundation
import Glibc
import Testing

/// Requests and responses through the real host: what plugins may do, and what they do wrong.
@Suite(.ownThreads, .timeLimit(.minutes(10))) struct ExchangeTests {
    let root: Root
    let host: HostProcess

    init() throws {
        root = try Root()
        host = try HostProcess(root)
    }

    private func install(_ fixture: String) throws {
        try root.must("install", Fixtures.bundle(fixture))
    }

    // MARK: Answers of the host

    @Test func methods_areAnsweredAsTheRoutesSay() throws {
        try install("sound")
        let client = try host.client()
        let head = try client.request("HEAD", "/plugin/sound/api/hello")
        #expect(head.status == 200)
        #expect(head["content-length"] == "\(hello.utf8.count)")
        let post = try client.request("POST", "/plugin/sound/api/hello", body: "x")
        #expect(post.status == 405)
        #expect(post["allow"]?.contains("GET") == true)
        let options = try client.request("OPTIONS", "/plugin/sound/api/hello")
        #expect(options["allow"]?.contains("GET") == true)
        let missing = try client.get("/plugin/sound/api/nothing")
        #expect(missing.status == 404)
        #expect(missing["content-type"] == "application/problem+json")
        #expect(missing.json?["status"].number == 404)
        #expect(try client.get("/plugin/sound")["location"]?.hasSuffix("/plugin/sound/") == true)
    }

    @Test func pipelinedRequests_areAnsweredInOrder() throws {
        try install("sound")
        let client = try host.client()
        for number in 0..<50 {
            try client.send(
                "GET", "/plugin/sound/api/\(number % 2 == 0 ? "hello" : "nothing-\(number)")")
        }
        for number in 0..<50 {
            let response = try client.readResponse()
            #expect(response.status == (number % 2 == 0 ? 200 : 404))
            if number % 2 == 1 { #expect(response.text.contains("nothing-\(number)")) }
        }
    }

    @Test(
        arguments: [
            "/plugin/sound/../../host.db", "/plugin/sound/%2e%2e/%2e%2e/manifest.json",
            "/plugin/sound/..%2f..%2fmanifest.json", "/plugin/sound/%2e%2e%5cmanifest.json",
            "/plugin/sound/./../sound/../../../../../../etc/passwd", "/plugin/sound//etc/passwd",
            "/plugin/sound/%00", "/plugin/../host.sock", "//etc/passwd",
        ])
    func paths_neverLeadOutOfThePublishedFiles(_ path: String) throws {
        try install("sound")
        let client = try host.client()
        try client.send(raw: "GET \(path) HTTP/1.1\r\nHost: test\r\n\r\n")
        let response = try client.readResponse()
        #expect([301, 307, 308, 400, 403, 404].contains(response.status), "\(response)")
        #expect(!response.text.contains("root:"))
        #expect(!response.text.contains("\"abi\""))
        #expect(!response.text.contains("SQLite"))
    }

    @Test func symbolicLinkOutOfTheFiles_isNotFollowed() throws {
        try install("sound")
        try FileManager.default.createSymbolicLink(
            atPath: "\(root.plugin("sound"))/priv/static/out", withDestinationPath: "/etc")
        let response = try host.get("/plugin/sound/out/passwd")
        #expect(response.status != 200)
        #expect(!response.text.contains("root:"))
    }

    // MARK: Bodies

    @Test func upload_reachesThePluginInPieces_howeverItIsFramed() throws {
        try install("streaming_upload")
        let body = String(repeating: "0123456789abcdef", count: 1 << 16)
        let sum = body.utf8.reduce(UInt32(0)) { $0 &+ UInt32($1) }
        for route in ["upload", "paused"] {
            let client = try host.client()
            let path = "/plugin/streaming-upload/api/\(route)"
            let declared = try #require(try client.request("POST", path, body: body).json)
            #expect(declared["bytes"].number == Double(body.utf8.count))
            #expect(declared["sum"].number == Double(sum))
            #expect((declared["pieces"].number ?? 0) > 1)

            try client.send("POST", path, headers: ["Transfer-Encoding": "chunked"])
            for start in stride(from: 0, to: body.utf8.count, by: 10_000) {
                let piece = body.dropFirst(start).prefix(10_000)
                let size = String(piece.utf8.count, radix: 16)
                try client.send(raw: "\(size)\r\n\(piece)\r\n")
            }
            try client.send(raw: "0\r\n\r\n")
            let chunked = try #require(try client.readResponse().json)
            #expect(chunked["bytes"] == declared["bytes"])
            #expect(chunked["sum"] == declared["sum"])
        }
    }

    @Test func bigResponse_arrivesWhole_whileTheHostStaysSmall() throws {
        try install("big_response")
        let size = 48 << 20
        let client = try host.client()
        _ = try client.get("/plugin/big-response/api/hello")
        let before = host.state.residentBytes
        try client.send("GET", "/plugin/big-response/api/pieces?bytes=\(size)")
        let head = try client.readHead()
        #expect(head["content-length"] == "\(size)")
        // Nothing is read yet: the plugin is told to wait, and the host keeps only its buffer.
        try eventually("the plugin was told to wait") {
            (Int(try host.get("/plugin/big-response/api/full").text) ?? 0) > 0
        }
        #expect(host.state.residentBytes - before < 16 << 20)
        var offset = 0
        while offset < size {
            let piece = try client.read(exactly: min(1 << 16, size - offset))
            let isRight = piece.enumerated().allSatisfy { index, byte in
                byte == UInt8((offset + index) % 251)
            }
            try #require(isRight, "the bytes after \(offset) are others")
            offset += piece.count
        }
        #expect(try client.get("/plugin/big-response/api/hello").text == hello)
    }

    @Test func pluginIsTold_whenClientsGoAway() throws {
        try install("client_gone")
        var clients: [HTTPClient] = []
        for _ in 0..<20 {
            let client = try host.client()
            try client.send("GET", "/plugin/client-gone/api/wait")
            clients.append(client)
        }
        try root.waitForStatus("client-gone", "all of them wait") { $0["in_flight"].number == 20 }
        for client in clients { client.reset() }
        try eventually("the plugin knows that all have gone") {
            try host.get("/plugin/client-gone/api/gone").text == "20"
        }
        try root.waitForStatus("client-gone", "none waits") { $0["in_flight"].number == 0 }
    }

    // MARK: What plugins do wrong

    @Test func failingHandler_isAnsweredWith500_andTheConnectionGoesOn() throws {
        try install("handle_returns_error")
        let client = try host.client()
        let response = try client.get("/plugin/handle-returns-error/api/fail")
        #expect(response.status == 500)
        #expect(response["content-type"] == "application/problem+json")
        #expect(try client.get("/plugin/handle-returns-error/api/hello").text == hello)
    }

    @Test func handlerThatCompletesNothing_isAnsweredWith500_orCut() throws {
        try install("handle_completes_nothing")
        #expect(try host.get("/plugin/handle-completes-nothing/api/nothing").status == 500)
        #expect(throws: HTTPClient.Failure.self) {
            try host.get("/plugin/handle-completes-nothing/api/half")
        }
        #expect(try host.hello("handle-completes-nothing") == hello)
        #expect(try root.status("handle-completes-nothing")["in_flight"].number == 0)
    }

    @Test func misusedResponse_isRefusedCallByCall_andCanStillBeCompleted() throws {
        try install("response_misused")
        let text = try host.get("/plugin/response-misused/api/misused").text
        let lines = text.split(separator: "\n")
        #expect(lines.count == 13)
        for line in lines.prefix(11) { #expect(line.hasSuffix(": -2"), "\(line)") }
        for line in lines.dropFirst(11) { #expect(line.hasSuffix(": -3"), "\(line)") }
    }

    @Test func secondCompletion_isRefused() throws {
        try install("response_completed_twice")
        #expect(try host.get("/plugin/response-completed-twice/api/twice").text == "first")
        #expect(try host.get("/plugin/response-completed-twice/api/second").text == "-3")
        #expect(try host.hello("response-completed-twice") == hello)
    }

    @Test func undeclaredService_isNotHandedOut() throws {
        try install("undeclared_service")
        #expect(try host.get("/plugin/undeclared-service/api/log").text == "null")
    }

    @Test func requestThatIsNeverAnswered_isNamedInTheStatus_andKeepsItsImageOnly() throws {
        try install("handle_never_completes")
        let client = try host.client()
        try client.send("GET", "/plugin/handle-never-completes/api/never")
        try root.waitForStatus("handle-never-completes", "it waits") {
            $0["in_flight"].number == 1
        }
        expectRefusal(
            try root.host(
                "deactivate", "handle-never-completes", "--drain-seconds", "1", "--on-timeout",
                "refuse"), "handle-never-completes")
        #expect(try host.hello("handle-never-completes") == hello)
        try root.must(
            "deactivate", "handle-never-completes", "--drain-seconds", "1", "--on-timeout",
            "quarantine")
        let status = try root.waitForStatus("handle-never-completes", "it is pinned") {
            $0["last_unload"]["verdict"].string == "pinned"
        }
        #expect("\(status["last_unload"]["reasons"])".contains("request"), "\(status)")
        #expect(!host.maps(of: "handle-never-completes").isEmpty)
        #expect(try host.get("/").status == 200)
    }

    @Test func pluginOfTheFrozenHeader_isServed() throws {
        let frozen = "\(Repository.path)/Tests/Fixtures/abi-1"
        let files = try TemporaryDirectory()
        let manifest = try Data(contentsOf: URL(fileURLWithPath: "\(frozen)/manifest.json"))
        try files.write("manifest.json", manifest)
        let name = try #require(try JSON(parsing: manifest)["name"].string)
        try files.write("lib/.keep", "")
        try Command.succeed([
            "/usr/bin/gcc", "-std=c11", "-O1", "-fPIC", "-fvisibility=hidden", "-shared",
            "-I\(frozen)/include", "\(frozen)/plugin.c", "-o", files("lib/lib\(name).so"),
        ])
        try FileManager.default.removeItem(atPath: files("lib/.keep"))
        let bundle = files("frozen.tar.gz")
        try Fixtures.pack(files.path, as: bundle)
        try root.must("install", bundle)
        #expect(try host.hello(name) == hello)
    }
}
