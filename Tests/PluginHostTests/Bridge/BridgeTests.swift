import CPluginABI
import HTTPServer
import HostModel
import Synchronization
import Testing

@testable import PluginHost

@Suite struct BridgeTests {
    @Test func plugin_answers_andNothingStaysInFlight() async throws {
        let plugin = try FakePlugin { $0.respond(200, [("Content-Type", "text/plain")], "hello") }
        let host = try await BridgeServer([plugin])
        let client = host.client()
        for _ in 0..<3 {
            let response = client.call("GET", "/plugin/fake/api/hello")
            #expect(response.status == 200)
            #expect(response.text == "hello")
            #expect(response.header("Content-Type") == "text/plain")
        }
        client.close()
        await host.stop()
        #expect(plugin.generation.inFlight == 0)
        #expect(plugin.generation.requests == 3)
        #expect(host.faults.all.isEmpty)
    }

    @Test func request_isShownAsItCame() async throws {
        let seen = Recorder<[String]>()
        let plugin = try FakePlugin(
            routes: [
                RouteDeclaration(method: "GET", pattern: "/other"),
                RouteDeclaration(method: "POST", pattern: "/notes/{id}/{rest...}"),
            ]
        ) { call in
            let request = call.request.pointee
            seen.add([
                call.method, call.path, FakeCall.string(request.query),
                "\(request.query.data == nil)", call.parameters.joined(separator: "|"), call.body,
                "\(request.content_length)", FakeCall.string(request.remote_address),
                "\(call.route)", call.headers.first { $0.0 == "X-One" }?.1 ?? "",
                "\(request.size)",
            ])
            return call.respond(204)
        }
        let host = try await BridgeServer([plugin])
        let client = host.client()
        let first = client.call(
            "POST", "/plugin/fake//api/./notes/a%20b/c%2Fd/e?x=%20y", ["X-One: 1"], body: "body")
        #expect(first.status == 204)
        _ = client.call("POST", "/plugin/fake/api/notes/1/2", body: "")
        _ = client.call("POST", "/plugin/fake/api/notes/1/2?", body: "")
        #expect(
            seen.all[0] == [
                "POST", "/notes/a b/c%2Fd/e", "x=%20y", "false", "a b|c%2Fd/e", "body", "4",
                "127.0.0.1:\(client.localPort)", "1", "1", "\(MemoryLayout<ph_request>.size)",
            ])
        #expect(seen.all[1][2...3] == ["", "true"])
        #expect(seen.all[2][2...3] == ["", "false"])
        client.close()
        await host.stop()
    }

    @Test(arguments: ["/plugin/fake/api", "/plugin/fake/api/", "/plugin/fake/api?x"])
    func rootOfTheAPI_isARouteToo_withOrWithoutItsSlash(path: String) async throws {
        let plugin = try FakePlugin(routes: [RouteDeclaration(method: "GET", pattern: "/")]) {
            $0.respond(200, [], $0.path)
        }
        let host = try await BridgeServer([plugin])
        #expect(host.client().call("GET", path).text == "/")
        await host.stop()
    }

    @Test func response_mayComeLater_fromAnotherThread() async throws {
        let plugin = try FakePlugin { call in
            onThread { _ = call.respond(200, [("X-From", "thread")], "later") }
            return ph_status(PH_PENDING)
        }
        let host = try await BridgeServer([plugin])
        let client = host.client()
        for _ in 0..<50 {
            let response = client.call("GET", "/plugin/fake/api/hello")
            #expect(response.text == "later")
            #expect(response.header("X-From") == "thread")
        }
        client.close()
        await host.stop()
        #expect(plugin.generation.inFlight == 0)
    }

    @Test(arguments: [PH_FAILED, PH_OK, PH_FULL])
    func handle_thatDoesNotAnswer_isAnsweredWith500(status: Int) async throws {
        let plugin = try FakePlugin { _ in ph_status(status) }
        let host = try await BridgeServer([plugin])
        let client = host.client()
        let response = client.call("GET", "/plugin/fake/api/hello")
        #expect(response.status == 500)
        #expect(response.header("Content-Type") == "application/problem+json")
        #expect(client.call("GET", "/plugin/fake/api/hello").status == 500)
        client.close()
        await host.stop()
        #expect(host.faults.all.count == 2)
        #expect(host.faults.all.first?.hasPrefix("fake GET /hello: handle returned") == true)
        #expect(plugin.generation.faults == 2)
        #expect(plugin.generation.inFlight == 0)
    }

    @Test func handle_thatFailsAfterBeginning_isCutSoThatTheClientCanTell() async throws {
        let plugin = try FakePlugin { call in
            _ = call.begin(200, [], length: 100)
            _ = call.write("part")
            return ph_status(PH_FAILED)
        }
        let host = try await BridgeServer([plugin])
        let response = host.client().call("GET", "/plugin/fake/api/hello")
        #expect(response.status == 200)
        #expect(!response.isWhole)
        await host.stop()
    }

    @Test func secondCompletion_isRefused_alsoWhenTheNextRequestIsThere() async throws {
        let results = Recorder<ph_status>()
        let former = Mutex<UInt>(0)
        let plugin = try FakePlugin { call in
            let old = former.withLock { old in
                defer { old = UInt(bitPattern: call.response) }
                return OpaquePointer(bitPattern: old)
            }
            if let old {
                let stale = FakeCall(request: call.request, response: old, http: call.http)
                results.add(stale.respond(200, [], "stale"))
            }
            let status = call.respond(200, [], "mine")
            results.add(call.respond(200, [], "twice"))
            results.add(call.begin())
            results.add(call.finish())
            call.abort()
            return status
        }
        let host = try await BridgeServer([plugin])
        let client = host.client()
        #expect(client.call("GET", "/plugin/fake/api/hello").text == "mine")
        #expect(client.call("GET", "/plugin/fake/api/hello").text == "mine")
        #expect(results.all.count == 7)
        #expect(results.all.allSatisfy { $0 == ph_status(PH_WRONG_STATE) })
        client.close()
        await host.stop()
    }

    @Test func malformedResponse_isRefused_andStillOwed() async throws {
        let results = Recorder<ph_status>()
        let plugin = try FakePlugin { call in
            results.add(call.respond(200, [("X", "a\r\nSet-Cookie: b")], ""))
            results.add(call.respond(200, [("X Y", "a")], ""))
            results.add(call.respond(200, [("Content-Length", "3")], ""))
            results.add(call.respond(200, [("Connection", "close")], ""))
            results.add(call.respond(199))
            results.add(call.respond(600))
            results.add(call.http.pointee.respond(call.response, 200, nil, 1, ph_bytes()))
            results.add(
                call.http.pointee.respond(
                    call.response, 200, nil, 0, ph_bytes(data: nil, length: 3)))
            results.add(call.http.pointee.respond(nil, 200, nil, 0, ph_bytes()))
            return call.respond(200, [], "good")
        }
        let host = try await BridgeServer([plugin])
        let response = host.client().call("GET", "/plugin/fake/api/hello")
        #expect(response.text == "good")
        #expect(results.all.count == 9)
        #expect(results.all.allSatisfy { $0 == ph_status(PH_INVALID) })
        await host.stop()
    }

    @Test func malformedResponse_fromAnotherThread_isStillOwed() async throws {
        let results = Recorder<ph_status>()
        let plugin = try FakePlugin { call in
            onThread {
                results.add(call.respond(200, [("X", "a\nb")], ""))
                results.add(call.respond(200, [], "good"))
                results.add(call.respond(200, [], "twice"))
            }
            return ph_status(PH_PENDING)
        }
        let host = try await BridgeServer([plugin])
        #expect(host.client().call("GET", "/plugin/fake/api/hello").text == "good")
        let all = await results.wait(3)
        #expect(all == [PH_INVALID, PH_OK, PH_WRONG_STATE].map { ph_status($0) })
        await host.stop()
    }

    @Test func streamedResponse_countsItsBytes() async throws {
        let results = Recorder<ph_status>()
        let plugin = try FakePlugin { call in
            results.add(call.write("early"))
            results.add(call.finish())
            _ = call.begin(200, [], length: 6)
            results.add(call.begin())
            _ = call.write("abc")
            results.add(call.write("defg"))
            _ = call.write("def")
            return call.finish()
        }
        let host = try await BridgeServer([plugin])
        #expect(host.client().call("GET", "/plugin/fake/api/hello").text == "abcdef")
        #expect(
            results.all
                == [PH_WRONG_STATE, PH_WRONG_STATE, PH_WRONG_STATE, PH_LIMIT].map { ph_status($0) })
        await host.stop()
    }

    @Test func streamedResponse_fromAnotherThread_arrivesWhole() async throws {
        let plugin = try FakePlugin { call in
            onThread {
                _ = call.begin()
                for number in 0..<1000 { _ = call.write("\(number)\n") }
                _ = call.finish()
            }
            return ph_status(PH_PENDING)
        }
        let host = try await BridgeServer([plugin])
        let response = host.client().call("GET", "/plugin/fake/api/hello")
        #expect(response.isWhole)
        #expect(response.text == (0..<1000).map { "\($0)\n" }.joined())
        await host.stop()
    }

    @Test func body_overTheRoutesLimit_isRefused() async throws {
        let plugin = try FakePlugin(
            routes: [
                RouteDeclaration(method: "POST", pattern: "/small", bodyBytesMax: 10),
                RouteDeclaration(method: "POST", pattern: "/large", bodyBytesMax: 1_000_000),
            ]
        ) { $0.respond(200, [], "\($0.body.utf8.count)") }
        let host = try await BridgeServer([plugin])
        let small = "/plugin/fake/api/small"
        let large = "/plugin/fake/api/large"
        #expect(
            host.client().call("POST", small, body: String(repeating: "x", count: 10)).text == "10")
        #expect(
            host.client().call("POST", small, body: String(repeating: "x", count: 11)).status == 413
        )
        #expect(
            host.client().call("POST", large, body: String(repeating: "x", count: 1000)).text
                == "1000")
        #expect(
            host.client().call("POST", large, body: String(repeating: "x", count: 1001)).status
                == 413)
        await host.stop()
        #expect(plugin.generation.inFlight == 0)
    }

    @Test func draining_isOverWhenTheLastRequestIsReleased() async throws {
        let calls = Recorder<FakeCall>()
        let plugin = try FakePlugin { call in
            calls.add(call)
            return ph_status(PH_PENDING)
        }
        let host = try await BridgeServer([plugin])
        let client = host.client()
        client.send("GET /plugin/fake/api/hello HTTP/1.1\r\nHost: test\r\n\r\n")
        let call = await calls.wait()[0]
        await host.publish(MountTable())
        let drained = Recorder<Int>()
        let generation = plugin.generation
        await host.server.forEachReactor { reactor in
            let index = reactor.index
            generation.beginDraining(reactor: index) { drained.add(index) }
        }
        #expect(drained.all.count == 1)
        #expect(generation.inFlight == 1)
        #expect(call.respond(200, [], "last") == ph_status(PH_OK))
        #expect(client.read().text == "last")
        #expect(Set(await drained.wait(2)) == [0, 1])
        #expect(generation.inFlight == 0)
        client.close()
        await host.stop()
    }

    @Test func replacedGeneration_isFreed_withItsMountAndTable() async throws {
        weak var generation: Generation?
        weak var mount: Mount?
        weak var table: MountTable?
        let host = try await BridgeServer([])
        do {
            let plugin = try FakePlugin { $0.respond(200, [], "old") }
            let old = Mount(name: plugin.generation.name, generation: plugin.generation)
            let first = MountTable(mounts: [old])
            (generation, mount, table) = (plugin.generation, old, first)
            await host.publish(first)
            #expect(host.client().call("GET", "/plugin/fake/api/hello").text == "old")
            await host.publish(first.removing(old.name))
        }
        #expect(generation == nil)
        #expect(mount == nil)
        #expect(table == nil)
        await host.stop()
    }
}
