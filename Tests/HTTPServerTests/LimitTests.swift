import CLinux
import Foundation
import HTTPServer
import HTTPWire
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(10)))
struct LimitTests {
    @Test func idleConnection_isClosed() async throws {
        try await withServer(["/": .hello], configure: setting { $0.idleTimeoutSeconds = 0.2 }) {
            server in
            let client = try server.client()
            #expect(try client.get("/").text == "hello")
            #expect(client.isClosedByPeer())
        }
    }

    @Test func silentConnection_isClosed() async throws {
        try await withServer(["/": .hello], configure: setting { $0.headTimeoutSeconds = 0.2 }) {
            server in
            do {
                let client = try server.client()
                #expect(client.isClosedByPeer())
            }
        }
    }

    @Test func clientAfterALongSilence_hasItsTime() async throws {
        try await withServer(
            ["/": .hello],
            configure: setting {
                $0.headTimeoutSeconds = 0.3
                $0.reactorCount = 1
            }
        ) { server in
            try await withServer(["/": .hello]) { other in
                let bystander = try other.client()
                #expect(bystander.isSilent(forMilliseconds: 700))
            }
            let client = try server.client()
            #expect(client.isSilent(forMilliseconds: 60))
            #expect(try client.get("/").text == "hello")
        }
    }

    @Test func slowHead_isAnsweredWith408HoweverItDrips() async throws {
        try await withServer(["/": .hello], configure: setting { $0.headTimeoutSeconds = 0.3 }) {
            server in
            let client = try server.client()
            try client.send("GET / HTTP/1.1\r\n")
            let dripper = Background {
                // Each byte comes in time; the head as a whole does not.
                while (try? client.send("X")) != nil, client.isSilent(forMilliseconds: 20) {}
            }
            let response = try client.response()
            #expect(response.status == 408)
            try await dripper.value
        }
    }

    @Test func pausingBody_isAnsweredWith408() async throws {
        let closed = Signal()
        @Sendable func release(_ exchange: Exchange) {
            if exchange.path == "/stream" { Streamer.release(exchange) }
        }
        try await withServer(
            [
                "/buffer": .echo,
                "/stream": .streamed { exchange in
                    let streamer = Streamer(exchange)
                    streamer.onBody = { _, _ in true }
                    streamer.onClosed = { reason in
                        #expect(reason == .bodyTimeout)
                        exchange.abort()
                        closed.set()
                    }
                    streamer.observe()
                },
            ],
            onEnded: release,
            configure: setting { $0.bodyTimeoutSeconds = 0.2 }
        ) { server in
            for path in ["/buffer", "/stream"] {
                let client = try server.client()
                let response = try client.ask(
                    "POST \(path) HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab")
                #expect(response.status == 408)
            }
            await closed.wait()
            await server.settle()
            #expect(server.application.endedCount.load(ordering: .relaxed) == 2)
        }
    }

    @Test func clientThatDoesNotRead_isCut() async throws {
        let closed = Signal()
        try await withServer(
            [
                "/": .endless { reason in
                    #expect(reason == .writeTimeout)
                    closed.set()
                }
            ], onEnded: Streamer.release, configure: setting { $0.writeTimeoutSeconds = 0.3 }
        ) { server in
            let client = try server.client(receiveBufferBytes: 4_096)
            try client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await closed.wait()
            await server.settle()
            #expect(server.server.reactors[0].connectionCount == 0)
            _ = client
        }
    }

    @Test func applicationThatTakesItsTime_isNotTimedOut() async throws {
        try await withServer(
            [
                "/": .buffered { exchange in
                    let remote = exchange.remote
                    elsewhere {
                        var ticks = 0
                        while ticks < 12, poll(nil, 0, 50) == 0 { ticks += 1 }
                        remote.answer(200, "slow")
                    }
                }
            ],
            configure: setting {
                $0.idleTimeoutSeconds = 0.1
                $0.bodyTimeoutSeconds = 0.1
                $0.writeTimeoutSeconds = 0.1
            }
        ) { server in
            do {
                let client = try server.client()
                #expect(try client.get("/").text == "slow")
            }
        }
    }

    @Test func longHead_isRefused() async throws {
        try await withServer(["/": .hello]) { server in
            let fields = "X: " + String(repeating: "a", count: 40_000) + "\r\n"
            do {
                let client = try server.client()
                #expect(try client.get("/", fields).status == 431)
            }
            let target = "/" + String(repeating: "a", count: 9_000)
            do {
                let client = try server.client()
                #expect(try client.get(target).status == 414)
            }
            let many = String(repeating: "X: y\r\n", count: 200)
            do {
                let client = try server.client()
                #expect(try client.get("/", many).status == 431)
            }
            let long = "X: " + String(repeating: "a", count: 30_000) + "\r\n"
            do {
                let client = try server.client()
                #expect(try client.get("/", long).status == 200)
            }
        }
    }

    @Test func connectionsBeyondTheLimit_waitInTheBacklog() async throws {
        try await withServer(
            ["/": .hello],
            configure: setting {
                $0.connectionsMax = 3
                $0.idleKeptSeconds = 60
            }
        ) { server in
            var clients = try (0..<3).map { _ in try server.client() }
            for client in clients { #expect(try client.get("/").text == "hello") }
            let waiting = try server.client()
            try waiting.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await server.settle()
            #expect(server.server.reactors[0].connectionCount == 3)
            clients.removeFirst()
            #expect(try waiting.response().text == "hello")
        }
    }

    @Test func oneConnection_doesNotStarveTheOthers() async throws {
        let order = Mutex<[String]>([])
        let gate = DispatchSemaphore(value: 0)
        let blocked = Signal()
        try await withServer(
            [
                "/gate": .buffered { exchange in
                    blocked.set()
                    gate.wait()
                    exchange.answer(200, "")
                },
                "/a": .buffered { exchange in
                    order.withLock { $0.append("a") }
                    exchange.answer(200, "")
                },
                "/b": .buffered { exchange in
                    order.withLock { $0.append("b") }
                    exchange.answer(200, "")
                },
            ], configure: setting { $0.pipelinedMax = 10 }
        ) { server in
            let greedy = try server.client()
            let modest = try server.client()
            _ = try greedy.get("/none")
            _ = try modest.get("/none")
            let holder = try server.client()
            try holder.send("GET /gate HTTP/1.1\r\nHost: x\r\n\r\n")
            await blocked.wait()
            try greedy.send(String(repeating: "GET /a HTTP/1.1\r\nHost: x\r\n\r\n", count: 100))
            try modest.send("GET /b HTTP/1.1\r\nHost: x\r\n\r\n")
            gate.signal()
            _ = try modest.response()
            for _ in 0..<100 { _ = try greedy.response() }
            let position = order.withLock { $0.firstIndex(of: "b") }
            #expect((position ?? 100) <= 20)
        }
    }
}
