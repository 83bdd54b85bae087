import CPluginABI
import HostModel
import Testing

@testable import PluginHost

@Suite struct HostPagesTests {
    private func host() async throws -> BridgeServer {
        let plugin = try FakePlugin(
            routes: [
                RouteDeclaration(method: "GET", pattern: "/hello"),
                RouteDeclaration(method: "PUT", pattern: "/hello"),
                RouteDeclaration(method: "GET", pattern: "/a<b"),
            ]
        ) { $0.respond(200, [], $0.method) }
        let resting = Mount(
            name: try PluginName(checking: "resting"), generation: nil,
            availability: .unavailable(retryAfterSeconds: 7))
        return try await BridgeServer([plugin], mounts: [resting])
    }

    @Test(arguments: [
        "/nothing", "/plugin/absent/api/hello", "/plugin/fake/api/absent", "/plugin/fake/apihello",
        "/plugin/fake/absent.html", "/plugins", "/plugin/FAKE/api/hello",
    ])
    func unknownPath_isTold(path: String) async throws {
        let host = try await host()
        let response = host.client().call("GET", path)
        #expect(response.status == 404)
        #expect(response.header("Content-Type") == "application/problem+json")
        #expect(response.text.contains(path))
        await host.stop()
    }

    @Test func otherMethod_isRefused_withAllow() async throws {
        let host = try await host()
        let client = host.client()
        let refused = client.call("POST", "/plugin/fake/api/hello", body: "")
        #expect(refused.status == 405)
        #expect(refused.header("Allow") == "GET, HEAD, OPTIONS, PUT")
        let options = client.call("OPTIONS", "/plugin/fake/api/hello")
        #expect(options.status == 204)
        #expect(options.header("Allow") == "GET, HEAD, OPTIONS, PUT")
        #expect(client.call("OPTIONS", "*").header("Allow") != nil)
        #expect(client.call("DELETE", "/").status == 405)
        await host.stop()
    }

    @Test func head_isAnsweredWithTheLengthAndNoBody() async throws {
        let host = try await host()
        let client = host.client()
        let response = client.call("HEAD", "/plugin/fake/api/hello")
        #expect(response.status == 200)
        #expect(response.header("Content-Length") == "4")
        #expect(client.call("GET", "/plugin/fake/api/hello").text == "GET")
        await host.stop()
    }

    @Test func pluginThatDoesNotServe_isUnavailable_withRetryAfter() async throws {
        let host = try await host()
        let response = host.client().call("GET", "/plugin/resting/api/hello")
        #expect(response.status == 503)
        #expect(response.header("Retry-After") == "7")
        await host.stop()
    }

    @Test func mountWithoutSlash_isRedirected() async throws {
        let host = try await host()
        let response = host.client().call("GET", "/plugin/fake?x=1")
        #expect(response.status == 308)
        #expect(response.header("Location") == "/plugin/fake/?x=1")
        await host.stop()
    }

    @Test func frontPage_listsThePlugins_escaped() async throws {
        let host = try await host()
        let page = host.client().call("GET", "/")
        #expect(page.header("Content-Type") == "text/html; charset=utf-8")
        #expect(page.text.contains("/plugin/fake/api/a&lt;b"))
        #expect(page.text.contains("resting"))
        let list = host.client().call("GET", "/", ["Accept: application/json"])
        let json = try JSON.parse(list.body)
        let plugins = json["plugins"]?.array ?? []
        #expect(plugins.map { $0["name"]?.string } == ["fake", "resting"])
        #expect(plugins.map { $0["state"]?.string } == ["active", "unavailable"])
        #expect(plugins.first?["version"]?.string == "1.0.0")
        await host.stop()
    }

    @Test func hostIsHealthy() async throws {
        let host = try await host()
        #expect(host.client().call("GET", "/healthz").text == #"{"status":"ok"}"#)
        await host.stop()
    }

    @Test func hostWithoutATable_saysThatItIsStarting() async throws {
        let host = try await host()
        await host.server.forEachReactor { PluginApplication.uninstall(from: $0) }
        #expect(host.client().call("GET", "/plugin/fake/api/hello").status == 503)
        await host.stop()
    }
}
