import CPluginABI
import HTTPServer
import HostModel
import Synchronization
import Testing

@testable import PluginHost

/// What `ph_http` and `ph_log` have since ABI 1.1.
@Suite struct LaterFunctionTests {
    private func requestID(_ call: FakeCall) -> String {
        FakeCall.string(call.http.pointee.request_id(call.response))
    }

    @Test func requestID_isTheClientsOrMade_andInTheResponse() async throws {
        let plugin = try FakePlugin { call in
            let name = requestID(call)
            #expect(requestID(call) == name)
            let answer = call.respond(200, [], name)
            #expect(call.http.pointee.request_id(call.response).data == nil)
            return answer
        }
        let host = try await BridgeServer([plugin])
        let client = host.client()
        let given = client.call("GET", "/plugin/fake/api/hello", ["X-Request-ID: abc"])
        #expect(given.text == "abc" && given.header("X-Request-ID") == "abc")
        let made = client.call("GET", "/plugin/fake/api/hello")
        #expect(made.text.utf8.count == 32 && made.header("X-Request-ID") == made.text)
        await host.stop()
    }

    @Test func requestID_mayBeAsked_onAnotherThread() async throws {
        let plugin = try FakePlugin { call in
            onThread { _ = call.respond(200, [], requestID(call)) }
            return ph_status(PH_PENDING)
        }
        let host = try await BridgeServer([plugin])
        let client = host.client()
        for _ in 0..<50 {
            let answer = client.call("GET", "/plugin/fake/api/hello")
            #expect(answer.text.utf8.count == 32)
            #expect(answer.header("X-Request-ID") == answer.text)
        }
        await host.stop()
    }

    @Test func traceParent_isTheClients_orANewOne() async throws {
        let plugin = try FakePlugin { call in
            call.respond(
                200, [], FakeCall.string(call.http.pointee.trace_parent(call.response)))
        }
        let host = try await BridgeServer([plugin])
        let client = host.client()
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        let kept = client.call("GET", "/plugin/fake/api/hello", ["traceparent: \(parent)"])
        #expect(kept.text == parent)
        let made = client.call("GET", "/plugin/fake/api/hello", ["traceparent: 00-0-0-01"])
        #expect(made.text.wholeMatch(of: /00-[0-9a-f]{32}-[0-9a-f]{16}-00/) != nil)
        await host.stop()
    }

    @Test func trailers_goBothWays() async throws {
        let plugin = try FakePlugin(
            routes: [RouteDeclaration(method: "POST", pattern: "/hello")]
        ) { call in
            var count = 0
            let trailers = call.http.pointee.request_trailers(call.response, &count)
            let told = (0..<count).map { index in
                trailers.map { FakeCall.string($0[index].value) } ?? "null"
            }
            #expect(call.begin() == ph_status(PH_OK))
            _ = call.write(told.joined(separator: ","))
            let refused = FakeCall.withHeaders([("Content-Type", "x")]) {
                call.http.pointee.finish_with_trailers(call.response, $0, $1)
            }
            #expect(refused == ph_status(PH_INVALID))
            return FakeCall.withHeaders([("Digest", "abc")]) {
                call.http.pointee.finish_with_trailers(call.response, $0, $1)
            }
        }
        let host = try await BridgeServer([plugin])
        let client = host.client()
        client.send(
            "POST /plugin/fake/api/hello HTTP/1.1\r\nHost: x\r\nTE: trailers\r\n"
                + "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
                + "0\r\nOne: first\r\nTwo: second\r\n\r\n")
        let raw = client.readToEnd()
        #expect(raw.hasSuffix("\r\n\r\nc\r\nfirst,second\r\n0\r\nDigest: abc\r\n\r\n"))
        await host.stop()
        #expect(host.faults.all.isEmpty)
    }

    @Test func laterFunctions_ofAResponseThatIsOver_doNothing() async throws {
        let kept = Mutex<FakeCall?>(nil)
        let plugin = try FakePlugin { call in
            kept.withLock { $0 = call }
            return call.respond(200)
        }
        let host = try await BridgeServer([plugin])
        _ = host.client().call("GET", "/plugin/fake/api/hello")
        let call = try #require(kept.withLock { $0 })
        var count = 7
        #expect(call.http.pointee.request_trailers(call.response, &count) == nil)
        #expect(count == 0)
        #expect(call.http.pointee.trace_parent(call.response).data == nil)
        #expect(
            call.http.pointee.finish_with_trailers(call.response, nil, 0)
                == ph_status(PH_WRONG_STATE))
        #expect(call.http.pointee.finish_with_trailers(nil, nil, 0) == ph_status(PH_INVALID))
        await host.stop()
    }
}
