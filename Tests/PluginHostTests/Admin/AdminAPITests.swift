import HostModel
import Testing

@testable import PluginHost

/// The admin interface over a root that nothing is installed in.
@Suite struct AdminAPITests {
    private let place = AdminSocketTests.Place()

    private func api() async throws -> AdminAPI {
        AdminAPI(
            manager: try await PluginManager(
                root: RootLayout(root: place.path + "/root"), server: nil,
                log: HostLog(minimum: .error)))
    }

    private func refusal(
        _ method: String, _ path: String, _ body: JSONValue? = nil
    ) async throws -> HostError? {
        let api = try await api()
        return await #expect(throws: HostError.self) { try await api.answer(method, path, body) }
    }

    @Test func emptyRoot_hasNoPluginsAndNoRoutes_andIsHealthy() async throws {
        let api = try await api()
        #expect(try await api.answer("GET", "/plugins")["plugins"] == [])
        #expect(try await api.answer("GET", "/routes")["routes"] == [])
        #expect(try await api.answer("GET", "/mounts")["mounts"] == [])
        #expect(try await api.answer("GET", "/health")["status"] == "ok")
    }

    @Test(arguments: ["/", "/plugin", "/plugins/a/explode", "/plugins/a/reload/now", "/routes/x"])
    func unknownPath_isRefusedWith404(path: String) async throws {
        let error = try #require(try await refusal("POST", path))
        #expect(AdminAPI.httpStatus(of: error) == 404)
        #expect(error.what.contains(path))
    }

    @Test(arguments: [
        ("POST", "/health"), ("DELETE", "/plugins"), ("PUT", "/plugins/a"),
        ("GET", "/plugins/a/reload"), ("POST", "/mounts"), ("GET", "/plugins/a/mount"),
    ])
    func otherMethod_isRefusedWith405(method: String, path: String) async throws {
        let error = try #require(try await refusal(method, path))
        #expect(AdminAPI.httpStatus(of: error) == 405)
        #expect(!AdminAPI.methods(of: path).contains(method))
        #expect(!AdminAPI.methods(of: path).isEmpty)
    }

    @Test(arguments: [
        ("GET", "/plugins/nobody"), ("DELETE", "/plugins/nobody"),
        ("POST", "/plugins/nobody/activate"), ("POST", "/plugins/nobody/deactivate"),
        ("POST", "/plugins/nobody/reload"), ("POST", "/plugins/nobody/rollback"),
        ("POST", "/plugins/nobody/unmount"),
    ])
    func absentPlugin_isRefusedWith404_byName(method: String, path: String) async throws {
        let error = try #require(try await refusal(method, path))
        #expect(AdminAPI.httpStatus(of: error) == 404)
        #expect(error.description.contains("nobody"))
    }

    @Test func everyFaultOfABody_isTold() async throws {
        let error = try #require(
            try await refusal(
                "POST", "/plugins", ["path": "relative", "mode": "sideways", "actvate": true]))
        #expect(AdminAPI.httpStatus(of: error) == 400)
        for word in ["path", "mode", "actvate", "activate"] {
            #expect(error.reasons.contains { $0.contains("\"\(word)\"") }, "\(word)")
        }
    }

    @Test func eachWordThatIsNoService_isNamed() async throws {
        let body: JSONValue = ["path": "/x.tar.gz", "grant": ["ph.log/1", "all", "ph.log"]]
        let error = try #require(try await refusal("POST", "/plugins", body))
        #expect(error.reasons.count == 2)
        for word in ["all", "ph.log"] {
            #expect(error.reasons.contains { $0.hasPrefix("\"\(word)\" in \"grant\"") }, "\(word)")
        }
    }

    @Test(
        arguments: [
            ("mount", [:], "at"), ("mount", ["at": 1], "at"), ("mount", ["at": "shop"], "slash"),
            ("mount", ["at": "/", "host": "a:80"], "port"), ("mount", ["at": "/plugin"], "/plugin"),
            ("unmount", ["host": "a"], "at"), ("rollback", ["version": "x"], "version"),
            ("mount", ["at": "/", "hots": "a"], "host"),
        ] as [(String, JSONValue, String)])
    func placeOrVersion_isRefusedWith400_whenItIsNone(
        verb: String, body: JSONValue, mention: String
    ) async throws {
        let error = try #require(try await refusal("POST", "/plugins/a/\(verb)", body))
        #expect(AdminAPI.httpStatus(of: error) == 400)
        #expect(error.description.contains(mention), "\(error)")
    }

    @Test(arguments: [-1, 86_401]) func drainSeconds_haveBounds(seconds: Int64) async throws {
        let body: JSONValue = ["drain_seconds": .number(JSONNumber(seconds))]
        let error = try #require(try await refusal("POST", "/plugins/a/deactivate", body))
        #expect(AdminAPI.httpStatus(of: error) == 400)
        #expect(error.description.contains("86400"))
    }

    @Test func nameThatIsNone_isRefusedWith400() async throws {
        let error = try #require(try await refusal("GET", "/plugins/Not_A_Name"))
        #expect(AdminAPI.httpStatus(of: error) == 400)
    }

    @Test func everyMember_mayBeLeftOut_andSoMayTheBody() async throws {
        let error = try #require(try await refusal("POST", "/plugins/a/reload", nil))
        #expect(AdminAPI.httpStatus(of: error) == 404)
    }
}
