import CLinux
import Dispatch
import Glibc
import HTTPServer
import HTTPWire
import Synchronization
import Testing

/// Upstreams that are slow, gone, wrong or hostile: the client gets an answer of the server's own,
/// and nothing of what it must not see.
@Suite(.timeLimit(.minutes(10)))
struct HostileUpstreamTests {
    // MARK: - What is no response

    static let malformed = [
        "HELO\r\n\r\n", "HTTP/2.0 200 OK\r\n\r\n", "HTTP/1.1 99 Low\r\n\r\n",
        "HTTP/1.1 600 High\r\n\r\n", "HTTP/1.1 200\r\n\r\n", "HTTP/1.1  200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\n\n", "\r\nHTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA : b\r\n\r\n", "HTTP/1.1 200 OK\r\nA\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", "HTTP/1.1 200 OK\r\nA: \u{0}\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\rInjected: c\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        "HTTP/1.1 200 OK\r\n" + String(repeating: "A: b\r\n", count: 101) + "\r\n",
        "HTTP/1.1 200 OK\r\nA: " + String(repeating: "b", count: 40_000) + "\r\n\r\n",
        String(repeating: "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", count: 17),
    ]

    @Test(arguments: malformed)
    func malformedResponse_becomes502_andTheClientGoesOn(_ answer: String) async throws {
        let back = try ScriptedUpstream.answering(answer)
        let upstream = Upstream.at(back.path)
        try await withForwarding(to: upstream) { server in
            let client = try server.client()
            let response = try client.get("/")
            #expect(response.status == 502)
            #expect(response["content-type"] == "application/problem+json")
            #expect(!response.text.contains("Injected"))
            #expect(try client.get("/direct").text == "hello")
            #expect(upstream.figures.faults == 1)
            #expect(upstream.figures.retries == 0)
        }
    }

    @Test func fieldsThatTheServerWrites_areNotTakenFromTheUpstream() async throws {
        let back = try ScriptedUpstream.answering(
            "HTTP/1.1 200 Fine\r\nDate: yesterday\r\nServer: other\r\nConnection: x-hop\r\n"
                + "X-Hop: 1\r\nKeep-Alive: timeout=9\r\nContent-Length: 2\r\nX-Kept: 3\r\n\r\nok")
        try await withForwarding(to: Upstream.at(back.path)) { server in
            let response = try server.client().get("/")
            #expect(response.text == "ok")
            #expect(response["x-hop"] == nil)
            #expect(response["keep-alive"] == nil)
            #expect(response["connection"] == nil)
            #expect(response["x-kept"] == "3")
            #expect(response["date"] != "yesterday")
            #expect(response.fields.filter { $0.name == "server" }.map(\.value) == ["PluginHost"])
        }
    }

    /// What comes after a response is never taken for the next one.
    @Test func bytesAfterAResponse_areNotGivenToTheNextRequest() async throws {
        let back = try ScriptedUpstream { peer, number in
            _ = try peer.read(through: "\r\n\r\n")
            let poison = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
            try peer.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood" + poison)
            _ = try peer.readToEnd()
        }
        let upstream = Upstream.at(back.path)
        try await withForwarding(to: upstream) { server in
            let client = try server.client()
            for _ in 0..<5 { #expect(try client.get("/").text == "good") }
            #expect(upstream.figures.connections == 5)
        }
    }

    @Test func bytesThatNobodyAskedFor_endAnIdleConnection() async throws {
        let isClosed = Signal()
        let back = try ScriptedUpstream { peer, number in
            _ = try peer.read(through: "\r\n\r\n")
            try peer.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood")
            guard number == 1 else { return }
            try peer.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
            _ = try? peer.readToEnd()
            isClosed.set()
        }
        try await withForwarding(to: Upstream.at(back.path)) { server in
            let client = try server.client()
            #expect(try client.get("/").text == "good")
            await isClosed.wait()
            #expect(try client.get("/").text == "good")
        }
    }

    // MARK: - Bodies

    @Test func bodyThatEndsWithTheConnection_isPassedOnWhole() async throws {
        let back = try ScriptedUpstream { peer, _ in
            _ = try peer.read(through: "\r\n\r\n")
            try peer.send("HTTP/1.0 200 OK\r\n\r\nall of it")
        }
        try await withForwarding(to: Upstream.at(back.path)) { server in
            let client = try server.client()
            for _ in 0..<2 { #expect(try client.get("/").text == "all of it") }
        }
    }

    @Test(arguments: [
        "Content-Length: 100\r\n\r\nonly this", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n",
    ])
    func bodyThatIsCutShort_isNeverTakenForTheWhole(_ rest: String) async throws {
        let back = try ScriptedUpstream { peer, _ in
            _ = try peer.read(through: "\r\n\r\n")
            try peer.send("HTTP/1.1 200 OK\r\n" + rest)
        }
        try await withForwarding(to: Upstream.at(back.path)) { server in
            let client = try server.client()
            #expect(throws: TestClient.Failure.self) { try client.get("/") }
        }
    }

    @Test func endlessBody_stopsWhenTheClientDoes() async throws {
        let sent = Counter()
        let isOver = Signal()
        let back = try ScriptedUpstream { peer, _ in
            _ = try peer.read(through: "\r\n\r\n")
            try peer.send("HTTP/1.1 200 OK\r\n\r\n")
            let piece = [UInt8](repeating: 0x61, count: 64 << 10)
            defer { isOver.set() }
            while true {
                try peer.send(piece)
                sent.increment(by: piece.count)
            }
        }
        try await withForwarding(to: Upstream.at(back.path)) { server in
            let client = try server.client(receiveBufferBytes: 16 << 10)
            try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            _ = try client.read(count: 4 << 20)
            #expect(await server.peakBufferBytes() < 8 << 20)
            client.closeWithReset()
            // Its sending fails once nobody takes it any more.
            await isOver.wait()
            #expect(sent.value >= 4 << 20)
        }
    }

    @Test func requestBody_waitsForTheUpstream_withLittleMemory() async throws {
        let mayRead = DispatchSemaphore(value: 0)
        let total = 16 << 20
        let back = try ScriptedUpstream { peer, _ in
            _ = try peer.read(through: "\r\n\r\n")
            mayRead.wait()
            _ = try peer.read(count: total)
            try peer.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone")
        }
        try await withForwarding(to: Upstream.at(back.path)) { server in
            let client = try server.client()
            let sending = Background {
                try client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \(total)\r\n\r\n")
                try client.send([UInt8](repeating: 1, count: total))
            }
            await server.settle()
            mayRead.signal()
            try await sending.value
            #expect(try client.response().text == "done")
            #expect(await server.peakBufferBytes() < 8 << 20)
        }
    }

    @Test func earlyAnswer_reachesAClientThatStillSends() async throws {
        let back = try ScriptedUpstream { peer, _ in
            _ = try peer.read(through: "\r\n\r\n")
            try peer.send("HTTP/1.1 413 No\r\nContent-Length: 3\r\n\r\nbig")
        }
        try await withForwarding(to: Upstream.at(back.path)) { server in
            let client = try server.client()
            try client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\nx")
            let response = try client.response()
            #expect(response.status == 413)
            #expect(response.text == "big")
        }
    }

    // MARK: - Continue

    private static let expecting =
        "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"

    @Test func clientThatWaits_isToldToGoOn_whenTheUpstreamSaysSo() async throws {
        let back = try ScriptedUpstream { peer, _ in
            let head = try peer.read(through: "\r\n\r\n")
            guard head.contains("Expect: 100-continue") else { return }
            try peer.send("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n")
            let body = String(decoding: try peer.read(count: 4), as: UTF8.self)
            try peer.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n" + body)
        }
        let upstream = Upstream.at(back.path) { $0.continueTimeoutSeconds = 3_600 }
        try await withForwarding(to: upstream) { server in
            let client = try server.client()
            try client.send(Self.expecting)
            #expect(try client.response().status == 100)
            try client.send("body")
            #expect(try client.response().text == "body")
        }
    }

    @Test func clientThatWaits_isRefused_whenTheUpstreamRefuses() async throws {
        let back = try ScriptedUpstream.answering(
            "HTTP/1.1 403 Never\r\nContent-Length: 2\r\n\r\nno")
        let upstream = Upstream.at(back.path) { $0.continueTimeoutSeconds = 3_600 }
        try await withForwarding(to: upstream) { server in
            let client = try server.client()
            try client.send(Self.expecting)
            #expect(try client.response().text == "no")
        }
    }

    @Test func clientThatWaits_isToldToGoOn_whenTheUpstreamSaysNothing() async throws {
        let back = try ScriptedUpstream { peer, _ in
            _ = try peer.read(through: "\r\n\r\n")
            _ = try peer.read(count: 4)
            try peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        }
        let upstream = Upstream.at(back.path) { $0.continueTimeoutSeconds = 0.1 }
        try await withForwarding(to: upstream) { server in
            let client = try server.client()
            try client.send(Self.expecting)
            #expect(try client.response().status == 100)
            try client.send("body")
            #expect(try client.response().text == "ok")
        }
    }

    // MARK: - Gone

    /// Answers one request a connection and closes, without a word about that.
    private static func forgetful() throws -> ScriptedUpstream {
        try ScriptedUpstream { peer, _ in
            _ = try peer.read(through: "\r\n\r\n")
            try peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        }
    }

    @Test func connectionThatIsGone_isNoFailure() async throws {
        let back = try Self.forgetful()
        let upstream = Upstream.at(back.path)
        try await withForwarding(to: upstream) { server in
            let client = try server.client()
            for _ in 0..<50 {
                #expect(try client.get("/").text == "ok")
            }
            #expect(upstream.figures.faults == 0)
        }
    }

    @Test func requestThatWasTaken_isSentAgain_onlyIfThatIsHarmless() async throws {
        // Takes the first request and leaves.
        let back = try ScriptedUpstream { peer, number in
            _ = try peer.read(through: "\r\n\r\n")
            if number % 2 == 1 { return }
            try peer.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
        }
        let upstream = Upstream.at(back.path)
        try await withForwarding(to: upstream) { server in
            let client = try server.client()
            #expect(try client.get("/").text == "ok")
            #expect(upstream.figures.retries == 1)
            let post = try client.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
            #expect(post.status == 502)
            #expect(upstream.figures.retries == 1)
        }
    }

    @Test func upstreamThatLeavesTwice_is502() async throws {
        let back = try ScriptedUpstream { peer, _ in _ = try peer.read(through: "\r\n\r\n") }
        let upstream = Upstream.at(back.path)
        try await withForwarding(to: upstream) { server in
            let client = try server.client()
            #expect(try client.get("/").status == 502)
            #expect(back.accepted.value == 2)
            #expect(try client.get("/direct").text == "hello")
        }
    }

    @Test func halfAResponse_isNotAskedForAgain() async throws {
        let back = try ScriptedUpstream { peer, _ in
            _ = try peer.read(through: "\r\n\r\n")
            try peer.send("HTTP/1.1 200 OK\r\nConte")
        }
        let upstream = Upstream.at(back.path)
        try await withForwarding(to: upstream) { server in
            let client = try server.client()
            #expect(try client.get("/").status == 502)
            #expect(back.accepted.value == 1)
        }
    }

    @Test func clientThatLeaves_takesTheUpstreamConnectionAlong() async throws {
        let isWaiting = Signal()
        let isClosed = Signal()
        let back = try ScriptedUpstream { peer, _ in
            _ = try peer.read(through: "\r\n\r\n")
            isWaiting.set()
            _ = try? peer.readToEnd()
            isClosed.set()
        }
        let upstream = Upstream.at(back.path)
        try await withForwarding(to: upstream) { server in
            let client = try server.client()
            try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await isWaiting.wait()
            client.closeWithReset()
            await isClosed.wait()
            #expect(try server.client().get("/direct").text == "hello")
            #expect(upstream.endpoints[0].inFlight == 0)
            #expect(upstream.figures.faults == 0)
        }
    }

    @Test func nobodyThere_is503_andNobodyAtTheSocket502() async throws {
        let upstream = Upstream.at()
        try await withForwarding(to: upstream) { server in
            let client = try server.client()
            let absent = try client.get("/")
            #expect(absent.status == 503)
            #expect(absent["retry-after"] == "1")
            let endpoint = upstream.add(address: "/nowhere/socket")
            #expect(try client.get("/").status == 502)
            upstream.remove(endpoint)
            #expect(try client.get("/").status == 503)
            let back = try ScriptedUpstream.answering(
                "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            upstream.add(address: back.path)
            #expect(try client.get("/").text == "ok")
        }
    }

    @Test func deadEndpoint_isNoFailure_whileAnotherOneLives() async throws {
        let back = try ScriptedUpstream.answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        let upstream = Upstream.at("/nowhere/socket", back.path)
        try await withForwarding(to: upstream) { server in
            let client = try server.client()
            for _ in 0..<20 { #expect(try client.get("/").text == "ok") }
            #expect(upstream.figures.faults == 0)
            #expect(upstream.endpoints.map(\.inFlight) == [0, 0])
        }
    }

    @Test func endpointThatIsTakenOut_losesItsIdleConnections() async throws {
        let isClosed = Signal()
        let back = try ScriptedUpstream { peer, _ in
            _ = try peer.read(through: "\r\n\r\n")
            try peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            _ = try? peer.readToEnd()
            isClosed.set()
        }
        let upstream = Upstream.at(back.path)
        try await withForwarding(to: upstream) { server in
            let client = try server.client()
            #expect(try client.get("/").text == "ok")
            await server.server.forEachReactor { $0.forget(upstream) }
            await isClosed.wait()
        }
    }

    @Test func tooManyRequestsAtOnce_areRefused() async throws {
        let isWaiting = Signal()
        let isOver = Signal()
        let back = try ScriptedUpstream { peer, _ in
            _ = try peer.read(through: "\r\n\r\n")
            isWaiting.set()
            _ = try? peer.readToEnd()
            isOver.set()
        }
        let upstream = Upstream.at(back.path) { $0.connectionsMax = 1 }
        try await withForwarding(to: upstream) { server in
            let first = try server.client()
            try first.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await isWaiting.wait()
            #expect(try server.client().get("/").status == 503)
            first.closeWithReset()
            await isOver.wait()
        }
    }

    // MARK: - Slow

    @Test func answerThatDoesNotCome_is504() async throws {
        let back = try ScriptedUpstream { peer, _ in _ = try peer.readToEnd() }
        let upstream = Upstream.at(back.path) { $0.firstByteTimeoutSeconds = 0.2 }
        try await withForwarding(to: upstream) { server in
            let client = try server.client()
            #expect(try client.get("/").status == 504)
            #expect(try client.get("/direct").text == "hello")
        }
    }

    @Test func answerThatPauses_isCut() async throws {
        let back = try ScriptedUpstream { peer, _ in
            _ = try peer.read(through: "\r\n\r\n")
            try peer.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab")
            _ = try peer.readToEnd()
        }
        let upstream = Upstream.at(back.path) { $0.idleTimeoutSeconds = 0.2 }
        try await withForwarding(to: upstream) { server in
            let client = try server.client()
            #expect(throws: TestClient.Failure.self) { try client.get("/") }
        }
    }

    @Test func backlogThatIsFull_is504_whenItStaysSo() async throws {
        let directory = try TestDirectory()
        let path = directory.path + "/socket"
        let listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(listener) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        listen(listener, 0)
        let waiting = try TestClient(unix: path)
        defer { withExtendedLifetime(waiting) {} }
        let upstream = Upstream.at(path) { $0.connectTimeoutSeconds = 0.2 }
        try await withForwarding(to: upstream) { server in
            let client = try server.client()
            #expect(try client.get("/").status == 504)
            // With room again the next one is let in.
            let isAnswered = Background {
                while case let descriptor = accept(listener, nil, nil), descriptor >= 0 {
                    let peer = TestClient(adopting: descriptor)
                    guard (try? peer.read(through: "\r\n\r\n")) != nil else { continue }
                    try peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                    return
                }
            }
            waiting.closeWithReset()
            #expect(try client.get("/").text == "ok")
            try await isAnswered.value
        }
    }

    @Test func keepAliveHint_isObeyed() async throws {
        let isClosed = Signal()
        let back = try ScriptedUpstream { peer, _ in
            _ = try peer.read(through: "\r\n\r\n")
            try peer.send(
                "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1\r\nContent-Length: 2\r\n\r\nok")
            _ = try? peer.readToEnd()
            isClosed.set()
        }
        let upstream = Upstream.at(back.path) { $0.idleKeptSeconds = 3_600 }
        try await withForwarding(to: upstream) { server in
            let client = try server.client()
            #expect(try client.get("/").text == "ok")
            await isClosed.wait()
        }
    }
}
