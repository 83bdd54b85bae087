import CPluginABI
import Foundation
import HTTPServer
import HostModel
import Testing

@testable import PluginHost

/// What clients see of plugins that operators have mounted beside `/plugin/NAME/`.
@Suite(.timeLimit(.minutes(10))) struct OperatorMountPagesTests {
    private let routes = [
        RouteDeclaration(method: "GET", pattern: "/hello"),
        RouteDeclaration(method: "GET", pattern: "/x"),
        RouteDeclaration(method: "GET", pattern: "/"),
        RouteDeclaration(method: "GET", pattern: "/item/{id}"),
        RouteDeclaration(method: "POST", pattern: "/deep/{rest...}"),
    ]

    private func plugin(_ name: String) throws -> FakePlugin {
        try FakePlugin(name, routes: routes) { call in
            call.respond(200, [], "\(name) \(call.path) \(call.parameters.joined(separator: ","))")
        }
    }

    /// Serves the plugins `one` and `two` and the directory of `one`, mounted as told.
    private func serving(
        _ places: [(String?, String, String)],
        _ body: (RawClient, (String, String, String) -> RawResponse) throws -> Void
    ) async throws {
        let directory = NSTemporaryDirectory() + "mount-test-" + UUID().uuidString
        try FileManager.default.createDirectory(
            atPath: directory + "/sub", withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try Data("index".utf8).write(to: URL(fileURLWithPath: directory + "/index.html"))
        try Data("sub".utf8).write(to: URL(fileURLWithPath: directory + "/sub/index.html"))
        let plugins = [try plugin("one"), try plugin("two")]
        let files = try StaticFileResponder(directory: directory)
        let mounts = [
            Mount(
                name: plugins[0].generation.name, generation: plugins[0].generation,
                staticFiles: files),
            Mount(name: plugins[1].generation.name, generation: plugins[1].generation),
            Mount(
                name: try PluginName(checking: "resting"), generation: nil,
                availability: .inactive),
        ]
        var addresses: [MountAddress: PluginName] = [:]
        for (host, prefix, name) in places {
            addresses[try MountAddress(host: host, prefix: prefix)] = try PluginName(checking: name)
        }
        let host = try await BridgeServer(plugins)
        await host.publish(MountTable(mounts: mounts, operators: OperatorMounts(addresses)))
        let client = host.client()
        do {
            try body(client) { method, name, target in
                client.send("\(method) \(target) HTTP/1.1\r\nHost: \(name)\r\n\r\n")
                return client.read(hasBody: method != "HEAD")
            }
        } catch {
            await host.stop()
            throw error
        }
        await host.stop()
    }

    @Test func mountedPlugin_servesItsRoutesAndFiles_asAtItsOwnPlace() async throws {
        try await serving([(nil, "/shop", "one")]) { _, ask in
            for own in ["/plugin/one", "/shop"] {
                #expect(ask("GET", "x", own + "/api/hello").text == "one /hello ")
                #expect(ask("GET", "x", own + "/api/item/7?a=b").text == "one /item/7 7")
                #expect(ask("GET", "x", own + "/api").text == "one / ")
                #expect(ask("GET", "x", own + "/").text == "index")
                #expect(ask("GET", "x", own + "/sub/").text == "sub")
                #expect(ask("GET", "x", own + "/sub").header("Location") == own + "/sub/")
                #expect(ask("GET", "x", own + "?q").header("Location") == own + "/?q")
                #expect(ask("GET", "x", own + "/api/none").status == 404)
                #expect(ask("DELETE", "x", own + "/api/hello").status == 405)
                #expect(ask("OPTIONS", "x", own + "/api/hello").status == 204)
                #expect(ask("HEAD", "x", own + "/api/hello").status == 200)
            }
            #expect(ask("GET", "x", "/shopping").status == 404)
            #expect(ask("GET", "x", "/").text.contains("<h1>Plugins</h1>"))
        }
    }

    @Test func rootMount_takesEverythingButTheHostsOwn() async throws {
        try await serving([(nil, "/", "one"), (nil, "/two", "two")]) { client, ask in
            #expect(ask("GET", "x", "/").text == "index")
            #expect(ask("GET", "x", "/api/x").text == "one /x ")
            #expect(ask("GET", "x", "/api/").text == "one / ")
            #expect(ask("GET", "x", "/api").text == "one / ")
            #expect(ask("GET", "x", "//api//item/%41").text == "one /item/A A")
            #expect(ask("GET", "x", "/sub").header("Location") == "/sub/")
            #expect(ask("GET", "x", "/two/api/x").text == "two /x ")
            #expect(ask("GET", "x", "/two/").status == 404)
            #expect(ask("GET", "x", "/healthz").text.contains("ok"))
            #expect(ask("GET", "x", "/plugin/two/api/x").text == "two /x ")
            #expect(ask("GET", "x", "/plugin").header("Location") == "/")
            #expect(ask("GET", "x", "/plugin/none/").status == 404)
            #expect(ask("OPTIONS", "x", "*").status == 204)
            // The shortest head that there can be in front of a path.
            client.send("G /api/x HTTP/1.1\r\nHost: x\r\n\r\n")
            #expect(client.read().status == 405)
            client.send("G /api/ HTTP/1.1\r\nHost: x\r\n\r\n")
            #expect(client.read().status == 405)
        }
    }

    @Test func hostDecides_whoAnswers() async throws {
        let places: [(String?, String, String)] = [
            ("one.example", "/", "one"), ("*.example", "/", "two"), (nil, "/api", "one"),
        ]
        try await serving(places) { client, ask in
            #expect(ask("GET", "one.example:99", "/api/x").text == "one /x ")
            #expect(ask("GET", "ONE.example", "/api/x").text == "one /x ")
            #expect(ask("GET", "other.example", "/api/x").text == "two /x ")
            #expect(ask("GET", "other.test", "/api/x").status == 404)
            #expect(ask("GET", "other.test", "/api/api/x").text == "one /x ")
            #expect(ask("GET", "other.test", "http://one.example/api/x").text == "one /x ")
            client.send("GET /api/x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            #expect(client.read().status == 404)
        }
    }

    @Test func inactivePlugin_isToldWith503_whereverItIsMounted() async throws {
        try await serving([(nil, "/rest", "resting")]) { _, ask in
            for path in [
                "/rest/api/x", "/rest/page.html", "/plugin/resting/api/x", "/plugin/resting/",
            ] {
                let response = ask("GET", "x", path)
                #expect(response.status == 503, "\(path)")
                #expect(response.header("Content-Type") == "application/problem+json")
                #expect(response.text.contains("resting is installed and not active"))
            }
            #expect(ask("GET", "x", "/").text.contains("inactive"))
        }
    }
}
