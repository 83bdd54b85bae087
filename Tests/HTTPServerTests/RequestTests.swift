import HTTPServer
import Testing

@Suite(.timeLimit(.minutes(10)))
struct RequestTests {
    @Test func response_hasItsHeadAndBody() async throws {
        try await withServer(["/": .hello]) { server in
            let response = try server.client().get("/")
            #expect(response.status == 200)
            #expect(response.text == "hello")
            #expect(response["content-length"] == "5")
            #expect(response["server"] == "PluginHost")
            #expect(response["date"]?.hasSuffix(" GMT") == true)
            #expect(response["connection"] == nil)
        }
    }

    @Test func connection_servesRequestAfterRequest() async throws {
        try await withServer(["/": .hello]) { server in
            let client = try server.client()
            for _ in 0..<100 { #expect(try client.get("/").text == "hello") }
            #expect(server.server.reactors[0].connectionCount == 1)
            await server.settle()
            #expect(server.application.endedCount.load(ordering: .relaxed) == 100)
        }
    }

    @Test func pipelinedRequests_areAnsweredInOrder() async throws {
        try await withServer(["/": .hello, "/echo": .echo]) { server in
            let client = try server.client()
            var batch = ""
            for index in 0..<300 {
                batch += "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n"
                batch += String(index + 100)
            }
            try client.send(batch)
            for index in 0..<300 { #expect(try client.response().text == String(index + 100)) }
        }
    }

    @Test func pipelinedRequests_mayBeCutAnywhere() async throws {
        try await withServer(["/echo": .echo]) { server in
            let pair =
                "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab"
                + "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                + "2\r\ncd\r\n1\r\ne\r\n0\r\n\r\n"
            let bytes = Array(pair.utf8)
            let client = try server.client()
            for cut in 1..<bytes.count {
                try client.send(Array(bytes[..<cut]))
                await server.settle()
                try client.send(Array(bytes[cut...]))
                #expect(try client.response().text == "ab")
                #expect(try client.response().text == "cde")
            }
            for byte in bytes { try client.send([byte]) }
            #expect(try client.response().text == "ab")
            #expect(try client.response().text == "cde")
        }
    }

    @Test func largeBodies_arriveWhole() async throws {
        try await withServer(["/echo": .echo]) { server in
            let client = try server.client()
            for size in [16_000, 16_384, 70_000, 1 << 20] {
                let body = String(repeating: "0123456789abcdef", count: size / 16)
                let plain = try client.ask(
                    "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: \(body.utf8.count)\r\n\r\n"
                        + body)
                #expect(plain.text.utf8.elementsEqual(body.utf8) && plain.status == 200)
                let chunk = String(body.utf8.count, radix: 16)
                let chunked = try client.ask(
                    "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                        + "\(chunk)\r\n\(body)\r\n0\r\n\r\n")
                #expect(chunked.text.utf8.elementsEqual(body.utf8) && chunked.status == 200)
            }
        }
    }

    @Test func head_isAnsweredWithoutBody() async throws {
        try await withServer(["/": .hello]) { server in
            let client = try server.client()
            let response = try client.ask("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
            #expect(response["content-length"] == "5")
            #expect(try client.get("/").text == "hello")
        }
    }

    @Test func http10_closesUnlessAskedToStay() async throws {
        try await withServer(["/": .hello]) { server in
            let closing = try server.client()
            #expect(try closing.ask("GET / HTTP/1.0\r\n\r\n")["connection"] == "close")
            #expect(closing.isClosedByPeer())
            let staying = try server.client()
            for _ in 0..<2 {
                let response = try staying.ask("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
                #expect(response["connection"] == "keep-alive")
            }
        }
    }

    @Test func connection_closesWhenAsked() async throws {
        try await withServer(["/": .hello]) { server in
            let client = try server.client()
            let response = try client.get("/", "Connection: close\r\n")
            #expect(response["connection"] == "close")
            #expect(client.isClosedByPeer())
        }
    }

    @Test func halfClosingClient_getsItsResponse() async throws {
        try await withServer(["/": .hello]) { server in
            let client = try server.client()
            try client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            client.finishSending()
            #expect(try client.response().text == "hello")
            #expect(client.isClosedByPeer())
        }
    }

    @Test func path_isDecodedAndFreeOfDots() async throws {
        try await withServer(["/a b/c": .hello]) { server in
            let client = try server.client()
            #expect(try client.get("/x/../a%20b/./c").status == 200)
            #expect(try client.get("/../etc/passwd").status == 400)
        }
    }

    @Test func malformedRequest_isAnsweredWithAProblemAndClosed() async throws {
        try await withServer(["/": .hello]) { server in
            let client = try server.client()
            let response = try client.ask("GET / HTTP/1.1\r\nHost : x\r\n\r\n")
            #expect(response.status == 400)
            #expect(response["content-type"] == "application/problem+json")
            #expect(response["connection"] == "close")
            #expect(response.text.contains("\"status\":400"))
            #expect(response.text.hasPrefix("{\"type\":\"about:blank\",\"title\":\"Bad Request\""))
            client.finishSending()
            #expect(client.isClosedByPeer())
        }
    }

    @Test func expectation_isMetOnlyWhenTheBodyIsWanted() async throws {
        try await withServer(
            ["/echo": .echo, "/small": .buffered(2) { $0.answer(200, "small") }]
        ) { server in
            let client = try server.client()
            try client.send(
                "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
                    + "Expect: 100-continue\r\n\r\n")
            #expect(try client.response().status == 100)
            try client.send("whole")
            #expect(try client.response().text == "whole")
            try client.send(
                "POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
                    + "Expect: 100-continue\r\n\r\n")
            #expect(try client.response().status == 413)
        }
    }

    @Test func bodyBeyondItsLimit_isRefused() async throws {
        try await withServer(["/": .buffered(10) { $0.answer(200, "ok") }]) { server in
            let declared = try server.client()
            #expect(
                try declared.ask("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n").status
                    == 413)
            let chunked = try server.client()
            #expect(
                try chunked.ask(
                    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                        + "b\r\n01234567890\r\n0\r\n\r\n"
                ).status == 413)
            let fitting = try server.client()
            #expect(
                try fitting.ask(
                    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n0123456789"
                ).status == 200)
            await server.settle()
            #expect(server.application.endedCount.load(ordering: .relaxed) == 3)
            #expect(server.application.handled.load(ordering: .relaxed) == 1)
        }
    }

    @Test func responseBeforeTheBody_leavesTheConnectionUsable() async throws {
        try await withServer(["/": .responded { $0.answer(403, "no") }, "/ok": .hello]) { server in
            let client = try server.client()
            let response = try client.ask(
                "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody")
            #expect(response.status == 403)
            #expect(response["connection"] == nil)
            #expect(try client.get("/ok").text == "hello")
            let large = try client.ask(
                "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
            #expect(large["connection"] == "close")
        }
    }

    @Test func requestsPerConnection_areLimited() async throws {
        func limit(_ configuration: inout ServerConfiguration) {
            configuration.requestsPerConnectionMax = 3
        }
        try await withServer(["/": .hello], configure: limit) { server in
            let client = try server.client()
            #expect(try client.get("/")["connection"] == nil)
            #expect(try client.get("/")["connection"] == nil)
            #expect(try client.get("/")["connection"] == "close")
            client.finishSending()
            #expect(client.isClosedByPeer())
        }
    }

    @Test func headerInjection_isRefused() async throws {
        let bad: [(String, String)] = [
            ("X-A", "a\r\nSet-Cookie: b"), ("X-A", "a\nb"), ("X-A", "a\u{0}b"), ("X A", "b"),
            ("", "b"), ("Content-Length", "3"), ("transfer-encoding", "chunked"),
            ("Connection", "close"),
        ]
        for (name, value) in bad {
            try await withServer([
                "/": .buffered { exchange in
                    #expect(exchange.answer(200, "no", [(name, value)]) == .fieldRefused)
                    #expect(exchange.remote.answer(200, "no", [(name, value)]) == .fieldRefused)
                    exchange.answer(200, "yes", [("X-A", "fine")])
                }
            ]) { server in
                let response = try server.client().get("/")
                #expect(response.text == "yes")
                #expect(response["x-a"] == "fine")
                #expect(response.fields.count == 4)
            }
        }
    }

    @Test func asteriskAndAbsoluteForms_reachTheApplication() async throws {
        try await withServer(["*": .hello, "/p": .hello]) { server in
            let client = try server.client()
            #expect(try client.ask("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n").status == 200)
            #expect(try client.ask("GET http://x/p HTTP/1.1\r\nHost: x\r\n\r\n").status == 200)
        }
    }

    @Test func remoteAddress_isTheClients() async throws {
        try await withServer([
            "/": .buffered { exchange in
                exchange.answer(200, "\(exchange.remoteAddress) \(exchange.remotePort)")
            }
        ]) { server in
            let text = try server.client().get("/").text
            #expect(text.hasPrefix("127.0.0.1 "))
            #expect(text != "127.0.0.1 0")
        }
    }

    @Test(arguments: [200, 204, 205, 304, 418, 599, 600, 999] as [UInt16])
    func status_hasABodyOrNone_andTheNextResponseStandsBehindIt(status: UInt16) async throws {
        let isBare = [204, 205, 304].contains(status)
        let routes: [String: TestApplication.Route] = [
            "/whole": .buffered { $0.answer(status, "body") },
            "/begun": .buffered { exchange in
                exchange.start(status)
                exchange.put("body")
                exchange.finish()
            },
        ]
        try await withServer(routes) { server in
            let client = try server.client()
            for path in ["/whole", "/begun", "/whole"] {
                let response = try client.get(path)
                #expect(response.status == Int(status))
                #expect(response.text == (isBare ? "" : "body"), "\(path)")
                let length = response["content-length"]
                if status == 205 { #expect(length == "0", "\(path)") }
                if isBare, status != 205 { #expect(length == nil, "\(path)") }
                if isBare { #expect(response["transfer-encoding"] == nil, "\(path)") }
            }
        }
    }

    @Test func statusOutsideTheRange_isRefused() async throws {
        try await withServer([
            "/": .buffered { exchange in
                for status: UInt16 in [0, 99, 100, 199, 1_000, .max] {
                    #expect(exchange.answer(status, "") == .fieldRefused, "\(status)")
                }
                exchange.answer(200, "fine")
            }
        ]) { server in
            let text = try server.client().get("/").text
            #expect(text == "fine")
        }
    }

    @Test func connect_isRefusedAndEndsTheConnection() async throws {
        try await withServer(["/": .hello]) { server in
            let client = try server.client()
            try client.send(
                "CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n")
            client.finishSending()
            let response = try client.response()
            #expect(response.status == 501 && response["connection"] == "close")
            #expect(client.isClosedByPeer())
            #expect(server.application.routed.load(ordering: .relaxed) == 0)
        }
    }

    @Test func unknownUpgrade_isOverlooked() async throws {
        try await withServer(["/": .hello]) { server in
            let client = try server.client()
            let fields =
                "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n"
            #expect(try client.get("/", fields).text == "hello")
            #expect(try client.get("/").text == "hello")
        }
    }

    @Test func rangeOfWhatIsMade_isOverlooked() async throws {
        try await withServer(["/": .hello]) { server in
            let response = try server.client().get("/", "Range: bytes=0-1,3-\r\n")
            #expect(response.status == 200 && response.text == "hello")
        }
    }
}
