import CLinux
import Foundation
import HTTPServer
import HTTPWire
import Synchronization
import Testing

/// Clients that hold on to a connection by being slow: however they spread their bytes, they end.
@Suite(.timeLimit(.minutes(10)))
struct SlowClientTests {
    @Test(
        arguments: ["/buffer", "/stream"], ["Content-Length: 1000", "Transfer-Encoding: chunked"])
    func drippingBody_isAnsweredWith408(path: String, framing: String) async throws {
        @Sendable func release(_ exchange: Exchange) {
            if exchange.path == "/stream" { Streamer.release(exchange) }
        }
        try await withServer(
            [
                "/buffer": .echo,
                "/stream": .streamed { exchange in
                    let streamer = Streamer(exchange)
                    streamer.onBody = { _, _ in true }
                    streamer.onClosed = { _ in exchange.abort() }
                    streamer.observe()
                },
            ],
            onEnded: release,
            configure: setting {
                $0.bodyTimeoutSeconds = 0.5
                $0.bodyBytesPerSecondMin = 100_000
            }
        ) { server in
            let client = try server.client()
            try client.send("POST \(path) HTTP/1.1\r\nHost: x\r\n\(framing)\r\n\r\n")
            let dripper = Background {
                // No pause is long; the whole would take a minute.
                while (try? client.send("1\r\na\r\n")) != nil, client.isSilent(forMilliseconds: 20)
                {}
            }
            #expect(try client.response().status == 408)
            try await dripper.value
        }
    }

    @Test func pauseWithinABody_isForgiven_whenTheRateIsKept() async throws {
        try await withServer(
            ["/": .echo],
            configure: setting {
                $0.bodyTimeoutSeconds = 20
                $0.bodyBytesPerSecondMin = 1_000
            }
        ) { server in
            let client = try server.client()
            let piece = String(repeating: "a", count: 1_000)
            try client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n")
            for _ in 0..<5 {
                #expect(client.isSilent(forMilliseconds: 60))
                try client.send(piece)
            }
            #expect(try client.response().body.count == 5_000)
        }
    }

    @Test func drippingReader_isCut() async throws {
        let closed = Signal()
        try await withServer(
            [
                "/": .endless { reason in
                    #expect(reason == .writeTimeout)
                    closed.set()
                }
            ], onEnded: Streamer.release,
            configure: setting {
                $0.writeTimeoutSeconds = 0.5
                $0.responseBytesPerSecondMin = 100 << 20
            }
        ) { server in
            let client = try server.client(receiveBufferBytes: 4_096)
            try client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            let reader = Background {
                while !closed.isSet, (try? client.read(count: 2_000)) != nil {
                    _ = poll(nil, 0, 5)
                }
            }
            await closed.wait()
            try await reader.value
        }
    }

    @Test func steadyReader_isServedBeyondTheTimeout() async throws {
        try await withServer(
            [
                "/": .endless(pieceBytes: 1 << 18)
            ], onEnded: Streamer.release,
            configure: setting {
                $0.writeTimeoutSeconds = 2
                $0.responseBytesPerSecondMin = 1_000
            }
        ) { server in
            let client = try server.client(receiveBufferBytes: 65_536)
            try client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            // The writer is blocked all the while, and for more than twice the timeout.
            let end = ContinuousClock.now + .seconds(5)
            while ContinuousClock.now < end {
                #expect(try client.read(count: 20_000).count == 20_000)
                _ = poll(nil, 0, 20)
            }
        }
    }

    @Test func hundredsOfSlowClients_keepNobodyWaiting_andEnd() async throws {
        try await withServer(
            ["/": .hello, "/echo": .echo],
            configure: setting {
                $0.headTimeoutSeconds = 4
                $0.bodyTimeoutSeconds = 4
            }
        ) { server in
            let heads = try (0..<150).map { _ in try server.client() }
            let bodies = try (0..<150).map { _ in try server.client() }
            for client in heads { try client.send("GET / HTTP/1.1\r\nHost: x\r\nX-") }
            for client in bodies {
                try client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\na")
            }
            for _ in 0..<50 { #expect(try server.client().get("/").text == "hello") }
            await server.settle()
            // A slow head takes far less than the 16 KiB that a quick one is read into.
            #expect(await server.peakBufferBytes() < 150 * 20_000)
            for client in heads + bodies { #expect(try client.response().status == 408) }
        }
    }

    @Test(arguments: ["Content-Length: 900000", "Transfer-Encoding: chunked"])
    func bodiesOfMany_takeNoMoreMemoryThanTheyMay(framing: String) async throws {
        let most = 3 << 20
        try await withServer(["/echo": .echo], configure: setting { $0.bufferBytesMax = most }) {
            server in
            let clients = try (0..<12).map { _ in try server.client() }
            let piece = String(repeating: "a", count: 500_000)
            for client in clients {
                try client.send("POST /echo HTTP/1.1\r\nHost: x\r\n\(framing)\r\n\r\n")
                try client.send(framing.hasSuffix("chunked") ? "7a120\r\n\(piece)\r\n" : piece)
            }
            var answers = clients.map {
                pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0)
            }
            #expect(poll(&answers, nfds_t(answers.count), 20_000) > 0)
            for (client, answer) in zip(clients, answers) where answer.revents != 0 {
                #expect(try client.response().status == 503)
            }
            // Beside its body a connection has a head, what came behind it, and a response.
            #expect(await server.peakBufferBytes() <= most + 12 * 4 * 16_384)
        }
    }

    @Test func idleConnections_makeRoomForOthers() async throws {
        try await withServer(
            ["/": .hello],
            configure: setting {
                $0.connectionsMax = 8
                $0.idleKeptSeconds = 0.2
            }
        ) { server in
            let idle = try (0..<7).map { _ in try server.client() }
            for client in idle { #expect(try client.get("/").text == "hello") }
            // One is in the middle of a request, and has been so for longest.
            let busy = try server.client()
            try busy.send("GET / HTTP/1.1\r\nHost: x\r\n")
            let others = try (0..<4).map { _ in try server.client() }
            for client in others { #expect(try client.get("/").text == "hello") }
            try busy.send("\r\n")
            #expect(try busy.response().text == "hello")
            #expect(idle.filter { !$0.isSilent(forMilliseconds: 0) }.count >= 3)
        }
    }

    @Test func clientThatSendsOn_stillReadsItsRefusal() async throws {
        try await withServer(
            ["/": .buffered(10) { $0.answer(200, "") }],
            configure: setting { $0.lingerSeconds = 180 }
        ) { server in
            let client = try server.client()
            try client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 8000000\r\n\r\n")
            // All of it, before a byte of the response is looked at.
            try client.send(String(repeating: "a", count: 8_000_000))
            #expect(try client.response().status == 413)
        }
    }
}
