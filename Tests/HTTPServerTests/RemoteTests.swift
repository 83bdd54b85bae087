import Foundation
import HTTPServer
import HTTPWire
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(10)))
struct RemoteTests {
    @Test func response_mayComeFromAnotherThread() async throws {
        try await withServer([
            "/": .buffered { exchange in
                #expect(exchange.isOnLoopThread)
                let remote = exchange.remote
                elsewhere {
                    #expect(!remote.exchange.isOnLoopThread)
                    #expect(String(decoding: remote.exchange.body, as: UTF8.self) == "body")
                    #expect(remote.answer(200, "late", [("X-A", "b")]) == .accepted)
                }
            }
        ]) { server in
            let client = try server.client()
            let request = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"
            try client.send(String(repeating: request, count: 50))
            for _ in 0..<50 {
                let response = try client.response()
                #expect(response.text == "late")
                #expect(response["x-a"] == "b")
            }
            await server.settle()
            #expect(server.application.endedCount.load(ordering: .relaxed) == 50)
        }
    }

    @Test func viewsOfTheRequest_stayInPlaceWhileItIsPending() async throws {
        let pending = Signal()
        let handle = Mutex<RemoteExchange?>(nil)
        try await withServer([
            "/later": .buffered { exchange in
                handle.withLock { $0 = exchange.remote }
                pending.set()
            }
        ]) { server in
            let client = try server.client()
            try client.send("POST /later?q=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody")
            await pending.wait()
            // More bytes arrive, and others are served meanwhile.
            try client.send(String(repeating: "GET / HTTP/1.1\r\nHost: y\r\n\r\n", count: 2_000))
            for _ in 0..<10 { _ = try server.client().get("/other") }
            let remote = try #require(handle.withLock { $0 })
            let exchange = remote.exchange
            #expect(String(decoding: exchange.path) == "/later")
            #expect(String(decoding: exchange.query) == "q=1")
            #expect(String(decoding: exchange.body, as: UTF8.self) == "body")
            #expect(exchange.firstValue(named: "host").map { String(decoding: $0) } == "x")
            remote.answer(200, "done")
            #expect(try client.response().text == "done")
            for _ in 0..<2_000 { #expect(try client.response().status == 404) }
        }
    }

    @Test func responses_waitOutsideTheQueue_whileTheLoopHasEnoughToTake() async throws {
        let count = 64
        let bytes = 64 << 10
        let remotes = Mutex<[RemoteExchange]>([])
        let areThere = Signal()
        let hasReached = Signal()
        let loopGoesOn = DispatchSemaphore(value: 0)
        let begun = Mutex(0)
        let returned = Mutex(0)
        func configure(_ configuration: inout ServerConfiguration) {
            configuration.remoteBytesMax = 4 * bytes
        }
        let (allBegan, someReturned, allReturned) = (Signal(), Signal(), Signal())
        try await withServer(
            [
                "/": .buffered { exchange in
                    let arrived = remotes.withLock {
                        $0.append(exchange.remote)
                        return $0.count
                    }
                    if arrived == count { areThere.set() }
                }
            ], configure: configure
        ) { server in
            let clients = try (0..<count).map { _ in try server.client() }
            for client in clients { try client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n") }
            await areThere.wait()
            let isPosted = server.server.reactors[0].post {
                hasReached.set()
                loopGoesOn.wait()
            }
            try #require(isPosted)
            await hasReached.wait()
            let text = String(repeating: "a", count: bytes)
            for remote in remotes.withLock({ $0 }) {
                elsewhere {
                    if begun.withLock({
                        $0 += 1
                        return $0 == count
                    }) {
                        allBegan.set()
                    }
                    remote.answer(200, text)
                    let done = returned.withLock {
                        $0 += 1
                        return $0
                    }
                    if done == 3 { someReturned.set() }
                    if done == count { allReturned.set() }
                }
            }
            await allBegan.wait()
            await someReturned.wait()
            #expect(returned.withLock { $0 } <= 4)
            loopGoesOn.signal()
            for client in clients { #expect(try client.response().body.count == bytes) }
            await allReturned.wait()
        }
    }

    @Test func remoteWriter_isHeldBackTruthfully() async throws {
        let total = 64 << 20
        let fullCount = Counter()
        try await withServer(
            [
                "/": .streamed { exchange in
                    let streamer = Streamer(exchange)
                    let writable = DispatchSemaphore(value: 0)
                    streamer.onWritable = { writable.signal() }
                    streamer.onClosed = { _ in writable.signal() }
                    streamer.observe()
                    let remote = exchange.remote
                    elsewhere {
                        remote.start()
                        let piece = String(repeating: "a", count: 65_536)
                        var sent = 0
                        while sent < total {
                            let result = remote.put(piece)
                            sent += 65_536
                            if result == .full {
                                fullCount.increment()
                                writable.wait()
                            } else if result != .accepted {
                                Issue.record("\(result)")
                                break
                            }
                        }
                        remote.finish()
                    }
                }
            ], onEnded: Streamer.release
        ) { server in
            let client = try server.client()
            try client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            _ = try client.read(through: "\r\n\r\n")
            var received = 0
            while true {
                let line = try client.read(through: "\r\n")
                let size = try #require(
                    Int(String(decoding: line.utf8.dropLast(2), as: UTF8.self), radix: 16))
                _ = try client.read(count: size + 2)
                received += size
                if size == 0 { break }
            }
            #expect(received == total)
            #expect(fullCount.value > 0)
            #expect(await server.peakBufferBytes() < 4 << 20)
        }
    }

    @Test func remoteWriterThatDoesNotWait_isRefusedInTheEnd() async throws {
        let refused = Signal()
        try await withServer([
            "/": .streamed { exchange in
                let remote = exchange.remote
                elsewhere {
                    remote.start()
                    let piece = String(repeating: "a", count: 1 << 20)
                    for _ in 0..<64 where remote.put(piece) == .tooLong {
                        refused.set()
                        break
                    }
                    remote.abort()
                }
            }
        ]) { server in
            let client = try server.client(receiveBufferBytes: 4_096)
            try client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await refused.wait()
        }
    }

    @Test func clientThatLeavesBeforeTheAnswer_isSafe() async throws {
        let pending = Signal()
        let closed = Signal()
        let handle = Mutex<RemoteExchange?>(nil)
        let ended = Signal()
        @Sendable func release(_ exchange: Exchange) {
            Streamer.release(exchange)
            ended.set()
        }
        try await withServer(
            [
                "/": .streamed { exchange in
                    let streamer = Streamer(exchange)
                    streamer.onClosed = { reason in
                        #expect(reason == .peerReset)
                        closed.set()
                    }
                    streamer.observe()
                    handle.withLock { $0 = exchange.remote }
                    pending.set()
                }
            ],
            onEnded: release
        ) { server in
            var client: TestClient? = try server.client()
            try client?.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await pending.wait()
            client?.closeWithReset()
            client = nil
            await closed.wait()
            #expect(server.application.endedCount.load(ordering: .relaxed) == 0)
            let remote = try #require(handle.withLock { $0 })
            #expect(String(decoding: remote.exchange.path) == "/")
            #expect(remote.answer(200, "too late") == .closed)
            await ended.wait()
            // The handle of a former use does nothing to the next one.
            remote.abort()
            do {
                let client = try server.client()
                #expect(try client.get("/none").status == 404)
            }
            #expect(server.application.endedCount.load(ordering: .relaxed) == 1)
        }
    }

    @Test func secondAnswer_cutsNothingAndIsRefused() async throws {
        try await withServer([
            "/": .buffered { exchange in
                #expect(exchange.answer(200, "first") == .accepted)
                #expect(exchange.answer(200, "second") == .outOfOrder)
                #expect(exchange.start() == .outOfOrder)
            }
        ]) { server in
            let client = try server.client()
            for _ in 0..<3 { #expect(try client.get("/").text == "first") }
        }
    }

    @Test func postedClosures_areBounded() async throws {
        let blocked = Signal()
        let gate = DispatchSemaphore(value: 0)
        let ran = Counter()
        try await withServer(["/": .hello], configure: setting { $0.postedMax = 100 }) { server in
            let reactor = server.server.reactors[0]
            let isPosted = reactor.post {
                blocked.set()
                gate.wait()
            }
            #expect(isPosted)
            await blocked.wait()
            var accepted = 0
            while reactor.post({ ran.increment() }) { accepted += 1 }
            #expect(accepted == 100)
            gate.signal()
            await server.settle()
            #expect(ran.value == 100)
        }
    }
}
