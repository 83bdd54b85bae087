import Foundation
import Testing

/// Plugins at places that their operator gave them.
@Suite(.ownThreads, .timeLimit(.minutes(10))) struct MountTests {
    let root: Root

    init() throws {
        root = try Root()
        try root.must("install", Fixtures.bundle("sound"))
        try root.must("install", Fixtures.bundle("versioned_v1"))
    }

    private func get(_ host: HostProcess, _ name: String, _ path: String) throws -> HTTPResponse {
        let client = try host.client()
        try client.send(raw: "GET \(path) HTTP/1.1\r\nHost: \(name)\r\n\r\n")
        return try client.readResponse()
    }

    @Test func mount_servesAtOnce_andSurvivesARestart() throws {
        let first = try HostProcess(root)
        #expect(try first.get("/shop/api/hello").status == 404)
        let told = try root.must("mount", "sound", "--at", "/shop/")
        #expect(told.output == "sound is mounted at /plugin/sound, /shop\n")
        try root.must("mount", "versioned", "--at", "/", "--host", "*.Example")
        #expect(try first.get("/shop/api/hello").text == hello)
        #expect(try first.get("/shop/").text.contains("<title>sound</title>"))
        #expect(try get(first, "www.example:1", "/api/hello").text == hello)
        #expect(try get(first, "www.test", "/api/hello").status == 404)

        let mounts = try root.must("mounts").output
        #expect(mounts.contains("any") && mounts.contains("*.example"))
        let list = try JSON(parsing: root.must("mounts", "--json").output)["mounts"].elements
        #expect(list.map { $0["plugin"].string } == ["sound", "versioned"])
        #expect(list.map { $0["prefix"].string } == ["/shop", "/"])
        #expect(list.map { $0["host"].string } == [nil, "*.example"])
        #expect(try root.status("sound")["mounts"].elements.first?["prefix"].string == "/shop")
        let routes = try root.must("routes").output
        #expect(routes.contains("/shop/api/hello") && routes.contains("*.example/api/hello"))
        #expect(try first.terminate() == 0)

        let second = try HostProcess(root)
        #expect(try second.get("/shop/api/hello").text == hello)
        try root.must("unmount", "sound")
        #expect(try second.get("/shop/api/hello").status == 404)
        #expect(try second.hello("sound") == hello)
        #expect(try get(second, "www.example", "/api/hello").text == hello)
    }

    @Test func mount_isRefused_namingWhatIsThere() throws {
        let host = try HostProcess(root)
        try root.must("mount", "sound", "--at", "/")
        expectRefusal(
            try root.host("mount", "versioned", "--at", "/"), "sound", "versioned",
            "host unmount sound --at /")
        expectRefusal(try root.host("mount", "sound", "--at", "/plugin/x"), "/plugin")
        expectRefusal(try root.host("mount", "sound", "--at", "/a b"), "letters")
        expectRefusal(try root.host("mount", "sond", "--at", "/x"), "sound")
        expectRefusal(try root.host("unmount", "sound", "--at", "/x"), "/x")
        #expect(try root.host("mount", "sound").status == 2)
        #expect(try root.host("unmount", "sound", "--host", "x").status == 2)
        #expect(try host.get("/api/hello").text == hello)
    }

    @Test func deactivatedPlugin_keepsItsMounts_andARemovedOneLosesThem() throws {
        let host = try HostProcess(root)
        try root.must("mount", "sound", "--at", "/shop")
        try root.must("deactivate", "sound")
        for path in ["/shop/api/hello", "/shop/", "/plugin/sound/api/hello"] {
            let response = try host.get(path)
            #expect(response.status == 503, "\(path)")
            #expect(response.text.contains("sound"), "\(path)")
        }
        try root.must("activate", "sound")
        #expect(try host.get("/shop/api/hello").text == hello)
        try root.must("remove", "sound")
        #expect(try host.get("/shop/api/hello").status == 404)
        try root.must("mount", "versioned", "--at", "/shop")
        #expect(try host.get("/shop/api/hello").text == hello)
    }

    @Test func mounts_comeAndGo_withoutAFailedRequest() throws {
        let host = try HostProcess(root)
        try root.must("mount", "sound", "--at", "/shop")
        let load = SteadyLoad(
            port: host.port, paths: ["/shop/api/hello", "/plugin/versioned/api/hello"],
            connections: 4)
        for number in 0..<8 {
            try root.must("mount", "versioned", "--at", "/other/\(number)")
            if number % 2 == 0 { try root.must("unmount", "versioned") }
        }
        try root.must("reload", "sound", "--force")
        let result = load.end()
        #expect(result.answers > 0)
        #expect(result.failures.isEmpty, "\(result.failures.prefix(3))")
    }

    @Test func accessLog_namesThePlugin_thatIsMounted() throws {
        try root.must("mount", "sound", "--at", "/shop")
        let files = try TemporaryDirectory()
        let host = try HostProcess(root, options: ["--access-log", files("access.log")])
        #expect(try host.get("/shop/").status == 200)
        #expect(try host.get("/shop/none").status == 404)
        #expect(try host.get("/none").status == 404)
        var entries: [JSON] = []
        try eventually("three requests are entered") {
            let text = try? String(contentsOfFile: files("access.log"), encoding: .utf8)
            entries = (text ?? "").split(separator: "\n")
                .compactMap { try? JSON(parsing: String($0)) }
            return entries.count == 3
        }
        #expect(entries.count { $0["plugin"].string == "sound" } == 2)
    }

    @Test func webSocket_isSpokenBelowAMount() throws {
        try root.must("install", Fixtures.bundle("websocket"))
        let host = try HostProcess(root)
        try root.must("mount", "websocket", "--at", "/", "--host", "test")
        let socket = try SocketClient(host, "/api/echo")
        try socket.send("below a mount")
        #expect(try socket.frame().text == "below a mount")
        try root.must("unmount", "websocket")
        try socket.send("still")
        #expect(try socket.frame().text == "still")
        #expect(try host.get("/api/echo").status == 404)
    }

    @Test func installedPlugin_thatIsNotActive_isToldWith503() throws {
        let host = try HostProcess(root)
        try root.must("remove", "sound")
        #expect(try host.get("/plugin/sound/").status == 404)
        try root.must(
            "install", Fixtures.bundle("sound"), "--no-activate", "--allow-tombstoned")
        #expect(try host.get("/plugin/sound/").status == 503)
        try root.must("deactivate", "versioned")
        #expect(try host.terminate() == 0)
        let again = try HostProcess(root)
        #expect(try again.get("/plugin/versioned/api/hello").status == 503)
        #expect(try again.get("/plugin/sound/api/hello").status == 503)
    }

    @Test func mount_canBeMade_whileNoHostRuns() throws {
        try root.must("mount", "sound", "--at", "/", "--host", "localhost")
        let host = try HostProcess(root)
        #expect(try get(host, "localhost", "/api/hello").text == hello)
        #expect(try host.get("/api/hello").status == 404)
    }
}
