import Dispatch
import Glibc
import HTTPServer
import HTTPWire
import Synchronization
import Testing

/// Requests that go through to another server of this kind.
@Suite(.timeLimit(.minutes(10)))
struct UpstreamTests {
    /// Runs a test with a server in front of another one.
    private func withPair(
        _ routes: [String: TestApplication.Route], _ fields: [(String, String)] = [],
        onEnded: (@Sendable (Exchange) -> Void)? = nil,
        _ body: (TestServer, Upstream) async throws -> Void
    ) async throws {
        let directory = try TestDirectory()
        let path = directory.path + "/back"
        let application = TestApplication(routes, onEnded: onEnded)
        var configuration = ServerConfiguration()
        configuration.reactorCount = 1
        configuration.serverName = ""
        let back = try HTTPServer(configuration: configuration, application: application)
        _ = try back.listen([.unix(path: path)])
        try back.start()
        let upstream = Upstream.at(path)
        var front = ["/": TestApplication.Route.forwarded(to: upstream, fields)]
        for name in routes.keys { front[name] = .forwarded(to: upstream, fields) }
        front["/buffered"] = .forwarded(to: upstream, fields, buffered: true, path: "/echo")
        front["/program"] = .forwarded(
            to: upstream, fields, path: "/", readsUnderscoresAsHyphens: true)
        try await withServer(front) { server in try await body(server, upstream) }
        await back.stop(drainSeconds: 5)
    }

    private static let tells = TestApplication.Route.buffered { exchange in
        var text = String(decoding: exchange.head.target) + "\n"
        for field in exchange.fields {
            text += String(decoding: field.name) + ": " + String(decoding: field.value) + "\n"
        }
        exchange.answer(200, text, [("X-Answer", "yes")])
    }

    @Test func requests_passWithTheirFields_overOneConnection() async throws {
        try await withPair(["/": Self.tells], [("X-Own", "mine")]) { server, upstream in
            let client = try server.client()
            for _ in 0..<100 {
                let answer = try client.ask(
                    "GET /?a=b%20c HTTP/1.1\r\nHost: there\r\nAccept: x/y\r\nx-own: forged\r\n\r\n")
                #expect(answer.status == 200)
                #expect(answer["x-answer"] == "yes")
                #expect(answer.text == "/?a=b%20c\nHost: there\nAccept: x/y\nX-Own: mine\n")
                #expect(answer.fields.filter { $0.name == "date" }.count == 1)
            }
            #expect(upstream.figures.connections == 1)
            #expect(upstream.figures.requests == 100)
            #expect(upstream.figures.faults == 0)
            #expect(upstream.endpoints[0].inFlight == 0)
            #expect(upstream.endpoints[0].requests == 100)
        }
    }

    @Test func fieldsThatPoseAsOthers_goNoFurther_toAProgramThatMayMistakeThem() async throws {
        try await withPair(["/": Self.tells], [("X-Own", "mine")]) { server, _ in
            let client = try server.client()
            let forged = "x_own: a\nContent_Length: 99\nTransfer_encoding: chunked\n"
            let harmless = "x_other: b\nX_Own_: c\n_: d\n"
            let fields = (forged + harmless).split(separator: "\n").joined(separator: "\r\n")
            let rest = " HTTP/1.1\r\nHost: h\r\n\(fields)\r\n\r\n"
            let told = try client.ask("GET /program" + rest)
            #expect(told.text == "/\nHost: h\n\(harmless)X-Own: mine\n")
            let other = try client.ask("GET /" + rest)
            #expect(other.text == "/\nHost: h\n\(forged)\(harmless)X-Own: mine\n")
        }
    }

    @Test func fieldsOfTheConnection_goNoFurther() async throws {
        try await withPair(["/": Self.tells]) { server, _ in
            let answer = try server.client().ask(
                "GET / HTTP/1.1\r\nHost: a\r\nConnection: x-secret, keep-alive\r\nX-Secret: 1\r\n"
                    + "Keep-Alive: 5\r\nProxy-Connection: close\r\nTE: trailers\r\n"
                    + "X-Kept: 2\r\n\r\n"
            )
            #expect(
                answer.text == "/\nHost: a\nX-Kept: 2\nConnection: TE\nTE: trailers\n")
        }
    }

    @Test func path_isEscapedAgain() async throws {
        let seen = TestApplication.Route.buffered { exchange in
            exchange.answer(200, String(decoding: exchange.head.target))
        }
        try await withPair(["/ä b?": seen, "/x%2Fy": seen]) { server, _ in
            let client = try server.client()
            #expect(try client.get("/%C3%A4%20b%3F?q=%C3%A4").text == "/%C3%A4%20b%3F?q=%C3%A4")
            #expect(try client.get("/./x%2fy").text == "/x%2Fy")
        }
    }

    @Test func bodies_passInBothDirections_howeverTheyAreFramed() async throws {
        try await withPair(["/echo": .echo]) { server, _ in
            let client = try server.client()
            for path in ["/echo", "/buffered"] {
                let plain = try client.ask(
                    "POST \(path) HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
                #expect(plain.text == "hello")
                let chunked = try client.ask(
                    "POST \(path) HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                        + "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n")
                #expect(chunked.text == "hello")
                let none = try client.ask(
                    "POST \(path) HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
                #expect(none.status == 200)
                #expect(none.text == "")
                try client.send("PUT \(path) HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n")
                for byte in "abc".utf8 { try client.send([byte]) }
                #expect(try client.response().text == "abc")
            }
        }
    }

    @Test func largeBodies_stream_withLittleMemory() async throws {
        // Sends back what comes, as it comes.
        let echo = TestApplication.Route.streamed { exchange in
            let streamer = Streamer(exchange)
            exchange.start()
            streamer.onWritable = { exchange.resumeBody() }
            streamer.onClosed = { _ in exchange.abort() }
            streamer.onBody = { bytes, isLast in
                let result: ResponseResult = bytes.isEmpty ? .accepted : exchange.write(bytes)
                if isLast { exchange.finish() }
                return result == .accepted
            }
            streamer.observe()
        }
        try await withPair(["/": echo], onEnded: Streamer.release) { server, _ in
            let client = try server.client()
            let total = 24 << 20
            try client.send(
                "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                    + "Content-Length: \(total)\r\n\r\n"
            )
            let sending = Background {
                let piece = [UInt8](repeating: 0x61, count: 1 << 20)
                for _ in 0..<(total >> 20) { try client.send(piece) }
            }
            let head = try client.read(through: "\r\n\r\n")
            #expect(head.contains("chunked"))
            // The chunks' framing comes on top.
            #expect(try client.countToEnd() > total)
            try await sending.value
            #expect(await server.peakBufferBytes() < 8 << 20)
        }
    }

    @Test func trailers_passInBothDirections() async throws {
        let route = TestApplication.Route.buffered { exchange in
            let told = exchange.trailers.map { String(decoding: $0.name) }.joined()
            exchange.start()
            exchange.put(told)
            _ = withFields([("X-Sum", "7")]) { exchange.finish(trailers: $0) }
        }
        try await withPair(["/": route]) { server, _ in
            let client = try server.client()
            try client.send(
                "POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n\r\n"
                    + "1\r\nx\r\n0\r\nDigest: q\r\n\r\n")
            _ = try client.read(through: "\r\n\r\n")
            #expect(try client.read(through: "\r\n\r\n") == "6\r\nDigest\r\n0\r\nX-Sum: 7\r\n\r\n")
        }
    }

    @Test func responsesWithoutBodies_keepTheirHeads() async throws {
        let route = TestApplication.Route.buffered { exchange in
            let status = UInt16(String(decoding: exchange.query)) ?? 200
            exchange.answer(status, "12345", [("ETag", "\"a\"")])
        }
        try await withPair(["/": route]) { server, upstream in
            let client = try server.client()
            let head = try client.ask("HEAD /?200 HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(head["content-length"] == "5")
            #expect(head["etag"] == "\"a\"")
            #expect(try client.get("/?204").status == 204)
            #expect(try client.get("/?304")["etag"] == "\"a\"")
            #expect(try client.get("/?205").text == "")
            #expect(try client.get("/?404").text == "12345")
            #expect(upstream.figures.connections == 1)
        }
    }

    @Test func webSocket_passesThroughATunnel() async throws {
        try await withPair(["/": .echoSocket()]) { server, upstream in
            let socket = try SocketClient(server)
            #expect(socket.answer["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
            try socket.send("hello")
            #expect(try socket.frame().text == "hello")
            let large = [UInt8](repeating: 7, count: 900_000)
            try socket.send(0x82, large)
            #expect(try socket.frame().payload == large)
            #expect(upstream.endpoints[0].inFlight == 1)
            try socket.sendClose(1000, "bye")
            #expect(try socket.frame().code == 1000)
            #expect(socket.isClosed())
            // A request after it finds nothing of it left.
            #expect(try server.client().get("/").status == 426)
            #expect(upstream.endpoints[0].inFlight == 0)
        }
    }

    @Test func tunnel_isClosedBetweenTwoFrames_whenTheServerStops() async throws {
        let goOn = DispatchSemaphore(value: 0)
        let back = try ScriptedUpstream { peer, _ in
            _ = try peer.read(through: "\r\n\r\n")
            try peer.send(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                    + "Upgrade: websocket\r\n\r\n")
            try peer.send([0x81, 1, 0x61, 0x81, 5, 0x68, 0x65])
            goOn.wait()
            try peer.send([0x6C, 0x6C, 0x6F, 0x81, 4, 0x6C])
            _ = try? peer.readToEnd()
        }
        try await withForwarding(to: .at(back.path)) { server in
            let socket = try SocketClient(server)
            #expect(try socket.frame().text == "a")
            let stopping = Task { await server.stop() }
            // Nobody is let in any more when it has begun to stop.
            while (try? server.client()) != nil { await Task.yield() }
            goOn.signal()
            #expect(try socket.frame().text == "hello")
            let end = try socket.frame()
            #expect(end.opcode == .close && end.code == 1001 && end.reason == "the server stops")
            #expect(socket.isClosed())
            await stopping.value
        }
    }

    @Test func tunnel_endsWithItsClient() async throws {
        let peer = SocketPeer.echo()
        try await withPair(["/": .socket { peer }]) { server, _ in
            let socket = try SocketClient(server)
            try socket.send("a")
            _ = try socket.frame()
            socket.client.closeWithReset()
            #expect(await peer.waitForEnd() != nil)
        }
    }
}
