import CLinux
import Foundation
import HTTPWire
import Synchronization
import Testing

@testable import HTTPServer

@Suite(.timeLimit(.minutes(10)))
struct OverrunTests {
    /// Code that does not return before it is let go.
    private final class Gate: Sendable {
        let reached = Signal()
        private let semaphore = DispatchSemaphore(value: 0)

        func pass() {
            reached.set()
            semaphore.wait()
        }

        func open() { semaphore.signal() }
    }

    /// A route whose code waits at the gate and then answers.
    private static func stuck(_ gate: Gate, _ text: String = "at last") -> TestApplication.Route {
        .buffered { exchange in
            exchange.call(.handle) {
                gate.pass()
                exchange.answerFromCall(text)
            }
        }
    }

    private static func get(_ path: String) -> String {
        "GET \(path) HTTP/1.1\r\nHost: x\r\n\r\n"
    }

    /// Releases what every route but "/" keeps.
    private static func releaseStreamer(_ exchange: Exchange) {
        if String(decoding: exchange.path) != "/" { Streamer.release(exchange) }
    }

    @Test func otherConnections_areServed_whileACallDoesNotReturn() async throws {
        let gate = Gate()
        try await withServer(["/": .hello, "/stuck": Self.stuck(gate)]) { server in
            let other = try server.client()
            #expect(try other.get("/").text == "hello")
            let waiting = try server.client()
            try waiting.send(Self.get("/stuck"))
            await gate.reached.wait()
            for _ in 0..<100 { #expect(try other.get("/").text == "hello") }
            #expect(try server.client().get("/").text == "hello")
            gate.open()
            #expect(try waiting.response().text == "at last")
            #expect(try waiting.get("/").text == "hello")
            await server.settle()
            #expect(server.application.endedCount.load(ordering: .relaxed) == 104)
            #expect(server.application.lostThreads.withLock { $0.count } == 1)
        }
    }

    @Test func threadThatLostItsLoop_endsWhenItsCallReturns() async throws {
        let gate = Gate()
        try await withServer(["/": .hello, "/stuck": Self.stuck(gate)]) { server in
            let waiting = try server.client()
            try waiting.send(Self.get("/stuck"))
            await gate.reached.wait()
            #expect(try server.client().get("/").text == "hello")
            let thread = try #require(server.application.lostThreads.withLock { $0.first })
            let path = "/proc/self/task/\(thread)"
            #expect(FileManager.default.fileExists(atPath: path))
            gate.open()
            #expect(try waiting.response().text == "at last")
            // The time limit bounds this.
            while FileManager.default.fileExists(atPath: path) { await Task.yield() }
        }
    }

    @Test func requestsBehindACallThatOverran_areAnsweredInOrder() async throws {
        let gate = Gate()
        try await withServer(["/": .hello, "/stuck": Self.stuck(gate)]) { server in
            let client = try server.client()
            try client.send(Self.get("/") + Self.get("/stuck") + Self.get("/") + Self.get("/"))
            #expect(try client.response().text == "hello")
            await gate.reached.wait()
            gate.open()
            #expect(try client.response().text == "at last")
            #expect(try client.response().text == "hello")
            #expect(try client.response().text == "hello")
        }
    }

    @Test func connection_goesOn_whenACallOverrunsAfterItsAnswer() async throws {
        let gate = Gate()
        try await withServer([
            "/": .hello,
            "/lingers": .buffered { exchange in
                exchange.call(.handle) {
                    exchange.answerFromCall("first")
                    gate.pass()
                    // The request stays readable until the call has returned.
                    #expect(String(decoding: exchange.query) == "kept")
                }
            },
        ]) { server in
            let client = try server.client()
            try client.send(Self.get("/lingers?kept") + Self.get("/"))
            #expect(try client.response().text == "first")
            #expect(try client.response().text == "hello")
            for _ in 0..<50 { #expect(try client.get("/").text == "hello") }
            await server.settle()
            #expect(server.application.endedCount.load(ordering: .relaxed) == 51)
            gate.open()
            // The time limit bounds this.
            while server.application.endedCount.load(ordering: .relaxed) < 52 {
                await server.settle()
            }
        }
    }

    @Test func pieceOfABody_staysReadable_whileItsObserverOverruns() async throws {
        let gate = Gate()
        let received = Mutex<[UInt8]>([])
        try await withServer(
            [
                "/": .hello,
                "/upload": .streamed { exchange in
                    let streamer = Streamer(exchange)
                    var isFirst = true
                    streamer.onBody = { bytes, isLast in
                        exchange.call(.body) {
                            if isFirst {
                                isFirst = false
                                gate.pass()
                            }
                            received.withLock { $0 += Array(bytes) }
                            if isLast { exchange.answerFromCall("taken") }
                        }
                        return true
                    }
                    streamer.observe()
                },
            ], onEnded: Self.releaseStreamer
        ) { server in
            let body = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
            let client = try server.client()
            try client.send(
                "POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: \(body.count)\r\n\r\n")
            try client.send(Array(body[..<5_000]))
            await gate.reached.wait()
            let sending = Background {
                try client.send(Array(body[5_000...]) + Array(Self.get("/").utf8))
            }
            for _ in 0..<50 { #expect(try server.client().get("/").text == "hello") }
            gate.open()
            #expect(try client.response().text == "taken")
            #expect(try client.response().text == "hello")
            try await sending.value
            #expect(received.withLock { $0 } == body)
        }
    }

    @Test func observers_areNotCalled_whileACallOverruns() async throws {
        let gate = Gate()
        let inside = Counter()
        let closed = Signal()
        let pieces = Counter()
        try await withServer(
            [
                "/": .hello,
                "/upload": .streamed { exchange in
                    exchange.call(.handle) {
                        let streamer = Streamer(exchange)
                        streamer.onBody = { _, _ in
                            #expect(inside.value == 0)
                            pieces.increment()
                            return true
                        }
                        streamer.onClosed = { reason in
                            #expect(inside.value == 0)
                            #expect(reason == .peerReset || reason == .peerClosed)
                            exchange.abort()
                            closed.set()
                        }
                        streamer.observe()
                        inside.increment()
                        gate.pass()
                        inside.increment(by: -1)
                    }
                },
            ], onEnded: Self.releaseStreamer
        ) { server in
            let other = try server.client()
            var client: TestClient? = try server.client()
            try client?.send("POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\npart")
            await gate.reached.wait()
            #expect(try other.get("/").text == "hello")
            client = nil
            for _ in 0..<20 { #expect(try other.get("/").text == "hello") }
            gate.open()
            await closed.wait()
            #expect(pieces.value <= 1)
            // The time limit bounds this.
            while server.application.endedCount.load(ordering: .relaxed) < 22 {
                await server.settle()
            }
        }
    }

    @Test func loopGoesOn_whenOnClosedOverruns() async throws {
        let gate = Gate()
        try await withServer(
            [
                "/": .hello,
                "/held": .streamed { exchange in
                    let streamer = Streamer(exchange)
                    streamer.onClosed = { _ in
                        exchange.call(.closed) {
                            gate.pass()
                            exchange.remote.abort()
                        }
                    }
                    streamer.observe()
                    exchange.start()
                    exchange.put("x")
                },
            ], onEnded: Self.releaseStreamer
        ) { server in
            var client: TestClient? = try server.client()
            try client?.send(Self.get("/held"))
            _ = try client?.read(through: "x\r\n")
            client = nil
            // A client that has gone is noticed when something is sent, or when the kernel asks it;
            // stopping notices it as well.
            let stopped = Task { await server.server.stop(drainSeconds: 0.2) }
            await gate.reached.wait()
            gate.open()
            await stopped.value
        }
    }

    @Test func moves_doNotWaitForACallThatOverran() async throws {
        let gate = Gate()
        try await withServer(["/": .hello, "/stuck": Self.stuck(gate)], reactors: 2) { server in
            let waiting = try server.client()
            try waiting.send(Self.get("/stuck"))
            await gate.reached.wait()
            for _ in 0..<5 {
                try await server.server.moveReactorsToFreshThreads()
                for _ in 0..<4 { #expect(try server.client().get("/").text == "hello") }
            }
            gate.open()
            #expect(try waiting.response().text == "at last")
        }
    }

    @Test func stop_doesNotWaitForACallThatOverran() async throws {
        let gate = Gate()
        try await onOwnThread {
            let server = try TestServer(["/": .hello, "/stuck": Self.stuck(gate)])
            let waiting = try server.client()
            try waiting.send(Self.get("/stuck"))
            await gate.reached.wait()
            #expect(try server.client().get("/").text == "hello")
            await server.server.stop(drainSeconds: 0.1)
            #expect(waiting.isClosedByPeer())
            gate.open()
        }
    }

    @Test func everyAnswerIsRight_whileCallsOverrunAndReactorsMove() async throws {
        try await withServer(
            [
                "/": .hello,
                "/nap": .buffered { exchange in
                    exchange.call(.handle) {
                        let never = DispatchSemaphore(value: 0)
                        _ = never.wait(timeout: .now() + .microseconds(.random(in: 0...12_000)))
                        exchange.answerFromCall("rested")
                    }
                },
            ], reactors: 2, configure: setting { $0.inlineBudgetMilliseconds = 2 }
        ) { server in
            let stops = Signal()
            let naps = Counter()
            let clients = (0..<8).map { index in
                Background {
                    let client = try server.client()
                    while !stops.isSet {
                        let path = index % 2 == 0 ? "/nap" : "/"
                        let expected = index % 2 == 0 ? "rested" : "hello"
                        guard try client.get(path).text == expected else {
                            throw TestClient.Failure(description: "wrong answer")
                        }
                        if index % 2 == 0 { naps.increment() }
                    }
                }
            }
            while naps.value < 400, !clients.contains(where: \.hasEnded) {
                try await server.server.moveReactorsToFreshThreads()
            }
            stops.set()
            for client in clients { try await client.value }
            #expect(server.application.lostThreads.withLock { $0.count } > 10)
            #expect(server.server.reactors.allSatisfy { $0.connectionCount <= 8 })
        }
    }
}

extension Exchange {
    /// Runs the closure as code that may overrun.
    fileprivate func call(_ kind: CallKind, _ body: () -> Void) {
        let call = beginCall(kind)
        body()
        guard endCall(call) else { surrender(kind, result: 0) }
    }

    /// Answers from within `call`.
    fileprivate func answerFromCall(_ text: String) {
        let entry = enterLoop()
        if entry.isOpen {
            answer(200, text)
            leaveLoop(entry)
        } else {
            remote.answer(200, text)
        }
    }
}
