import Foundation
import HTTPServer
import HTTPWire
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(10)))
struct StreamingTests {
    /// Writes `total` bytes as fast as the client takes them.
    private static func generator(total: Int, pieceBytes: Int) -> TestApplication.Route {
        .streamed { exchange in
            let streamer = Streamer(exchange)
            let piece = [UInt8](repeating: 0x61, count: pieceBytes)
            var left = total
            func go() {
                while left > 0 {
                    let result = piece.withUnsafeBytes {
                        exchange.write(UnsafeRawBufferPointer(rebasing: $0.prefix(left)))
                    }
                    guard result == .accepted || result == .full else { return }
                    left -= min(left, pieceBytes)
                    if result == .full { return }
                }
                exchange.finish()
            }
            streamer.onWritable = go
            streamer.onClosed = { _ in exchange.abort() }
            streamer.observe()
            exchange.start()
            go()
        }
    }

    @Test func generatedResponse_isStreamedInConstantMemory() async throws {
        let total = 200 << 20
        try await withServer(
            ["/": Self.generator(total: total, pieceBytes: 50_000)], onEnded: Streamer.release
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
            #expect(await server.peakBufferBytes() < 2 << 20)
            await server.settle()
            #expect(server.application.endedCount.load(ordering: .relaxed) == 1)
        }
    }

    @Test func slowReader_holdsTheWriterBack() async throws {
        let written = Mutex(0)
        try await withServer(
            [
                "/": .streamed { exchange in
                    let streamer = Streamer(exchange)
                    let piece = [UInt8](repeating: 0x61, count: 10_000)
                    streamer.onClosed = { _ in exchange.abort() }
                    streamer.onWritable = {
                        while true {
                            let result = piece.withUnsafeBytes { exchange.write($0) }
                            guard result == .accepted || result == .full else { return }
                            written.withLock { $0 += piece.count }
                            if result == .full { return }
                        }
                    }
                    streamer.observe()
                    exchange.start(contentLength: 1 << 40)
                    streamer.onWritable?()
                }
            ], onEnded: Streamer.release
        ) { server in
            let client = try server.client(receiveBufferBytes: 4_096)
            try client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            _ = try client.read(count: 1_000)
            // The kernel's buffers fill; then the writer must stop at the high-water mark.
            var last = -1
            while true {
                await server.settle()
                let now = written.withLock { $0 }
                if now == last { break }
                last = now
            }
            #expect(last < 16 << 20)
            client.closeWithReset()
        }
    }

    @Test func streamedUpload_arrivesInOrder() async throws {
        let bodies: [(String, Int)] = [
            ("length", 1_000_000), ("chunked", 1_000_000), ("length", 0),
        ]
        try await withServer(
            [
                "/": .streamed { exchange in
                    let streamer = Streamer(exchange)
                    var count = 0
                    var isRight = true
                    streamer.onBody = { bytes, isLast in
                        for byte in bytes {
                            if byte != UInt8(truncatingIfNeeded: count) { isRight = false }
                            count += 1
                        }
                        if isLast { exchange.answer(200, "\(count) \(isRight)") }
                        return true
                    }
                    streamer.observe()
                }
            ], onEnded: Streamer.release
        ) { server in
            let client = try server.client()
            for (framing, size) in bodies {
                let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0) }
                let sender = Background {
                    if framing == "length" {
                        try client.send(
                            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: \(size)\r\n\r\n")
                        try client.send(bytes)
                    } else {
                        try client.send(
                            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
                        var sent = 0
                        while sent < size {
                            let part = Array(bytes[sent..<min(size, sent + 77_777)])
                            try client.send("\(String(part.count, radix: 16));a=b\r\n")
                            try client.send(part)
                            try client.send("\r\n")
                            sent += part.count
                        }
                        try client.send("0\r\nTrailer: x\r\n\r\n")
                    }
                }
                try await sender.value
                #expect(try client.response().text == "\(size) true")
            }
            await server.settle()
            #expect(server.application.endedCount.load(ordering: .relaxed) == bodies.count)
        }
    }

    @Test func pausedBody_stopsTheClient() async throws {
        let paused = Signal()
        let received = Counter()
        let handle = Mutex<RemoteExchange?>(nil)
        try await withServer(
            [
                "/": .streamed { exchange in
                    handle.withLock { $0 = exchange.remote }
                    let streamer = Streamer(exchange)
                    var pauses = true
                    streamer.onBody = { bytes, isLast in
                        received.increment(by: bytes.count)
                        if isLast { exchange.answer(200, "done") }
                        if pauses {
                            pauses = false
                            paused.set()
                            return false
                        }
                        return true
                    }
                    streamer.observe()
                }
            ], onEnded: Streamer.release
        ) { server in
            let client = try server.client()
            let size = 64 << 20
            let sender = Background {
                try client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: \(size)\r\n\r\n")
                try client.send([UInt8](repeating: 1, count: size))
            }
            await paused.wait()
            let before = received.value
            for _ in 0..<20 { await server.settle() }
            #expect(received.value == before)
            #expect(before <= 16_384)
            handle.withLock { $0 }?.resumeBody()
            try await sender.value
            #expect(try client.response().text == "done")
            #expect(received.value == size)
        }
    }

    @Test func expectation_isMetForAStreamedBody() async throws {
        try await withServer(
            [
                "/": .streamed { exchange in
                    let streamer = Streamer(exchange)
                    streamer.onBody = { bytes, isLast in
                        _ = exchange.write(bytes)
                        if isLast { exchange.finish() }
                        return true
                    }
                    exchange.start()
                    streamer.observe()
                }
            ], onEnded: Streamer.release
        ) { server in
            let client = try server.client()
            try client.send(
                "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
            let first = try client.response(toHead: true)
            #expect(first.status == 200 || first.status == 100)
            try client.send("abc")
            if first.status == 100 {
                #expect(try client.response().text == "abc")
            }
        }
    }

    @Test func reservedRoom_isWrittenInPlace() async throws {
        for contentLength in [nil, 300_000] as [UInt64?] {
            try await withServer([
                "/": .streamed { exchange in
                    exchange.start(contentLength: contentLength)
                    for _ in 0..<3 {
                        let most = contentLength == nil ? 200_000 : 100_000
                        guard let room = exchange.reserve(most) else { break }
                        memset(room, 0x62, 100_000)
                        #expect(exchange.put("x") == .outOfOrder)
                        _ = exchange.commit(100_000)
                    }
                    exchange.finish()
                }
            ]) { server in
                let response = try server.client().get("/")
                #expect(response.body.elementsEqual([UInt8](repeating: 0x62, count: 300_000)))
            }
        }
    }

    @Test func declaredLength_binds() async throws {
        try await withServer([
            "/long": .streamed { exchange in
                exchange.start(contentLength: 3)
                #expect(exchange.put("abcd") == .tooLong)
                #expect(exchange.put("abc") == .accepted)
                exchange.finish()
                #expect(exchange.put("d") == .outOfOrder)
            },
            "/short": .streamed { exchange in
                exchange.start(contentLength: 3)
                exchange.put("ab")
                exchange.finish()
            },
        ]) { server in
            let long = try server.client().get("/long")
            #expect(long.text == "abc")
            let client = try server.client()
            #expect(throws: TestClient.Failure.self) { _ = try client.get("/short") }
        }
    }

    @Test func http10Client_getsABodyThatEndsWithTheConnection() async throws {
        try await withServer([
            "/": .streamed { exchange in
                exchange.start()
                exchange.put("one")
                exchange.put("two")
                exchange.finish()
            }
        ]) { server in
            let client = try server.client()
            let response = try client.ask("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            #expect(response["transfer-encoding"] == nil)
            #expect(response["connection"] == "close")
            #expect(response.text == "onetwo")
        }
    }

    @Test func abortedResponse_isSeenAsIncomplete() async throws {
        for version in ["1.1", "1.0"] {
            try await withServer([
                "/": .streamed { exchange in
                    exchange.start()
                    exchange.put("part")
                    exchange.abort()
                }
            ]) { server in
                let client = try server.client()
                #expect(throws: TestClient.Failure.self) {
                    _ = try client.ask("GET / HTTP/\(version)\r\nHost: x\r\n\r\n")
                }
                await server.settle()
                #expect(server.application.endedCount.load(ordering: .relaxed) == 1)
            }
        }
    }

    @Test func clientThatLeaves_isReportedOnce() async throws {
        let closed = Signal()
        let closedCount = Counter()
        try await withServer(
            [
                "/": .streamed { exchange in
                    let streamer = Streamer(exchange)
                    let piece = [UInt8](repeating: 0x61, count: 50_000)
                    func go() {
                        while piece.withUnsafeBytes({ exchange.write($0) }) == .accepted {}
                    }
                    streamer.onWritable = go
                    streamer.onClosed = { reason in
                        closedCount.increment()
                        #expect(exchange.put("late") == .closed)
                        #expect(exchange.isClosed)
                        #expect(exchange.remoteAddress == "127.0.0.1")
                        #expect(String(decoding: exchange.path) == "/")
                        exchange.finish()
                        closed.set()
                    }
                    streamer.observe()
                    exchange.start()
                    go()
                }
            ], onEnded: Streamer.release
        ) { server in
            var client: TestClient? = try server.client()
            try client?.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            _ = try client?.read(count: 100_000)
            client = nil
            await closed.wait()
            await server.settle()
            #expect(closedCount.value == 1)
            #expect(server.application.endedCount.load(ordering: .relaxed) == 1)
            #expect(server.server.reactors[0].connectionCount == 0)
        }
    }

    @Test func clientThatLeavesWithinItsBody_isReported() async throws {
        let begun = Signal()
        let closed = Signal()
        @Sendable func release(_ exchange: Exchange) {
            if exchange.path == "/stream" { Streamer.release(exchange) }
        }
        try await withServer(
            [
                "/stream": .streamed { exchange in
                    let streamer = Streamer(exchange)
                    streamer.onBody = { _, _ in
                        begun.set()
                        return true
                    }
                    streamer.onClosed = { reason in
                        #expect(reason == .peerClosed)
                        exchange.abort()
                        closed.set()
                    }
                    streamer.observe()
                }, "/buffer": .echo,
            ],
            onEnded: release
        ) { server in
            for path in ["/stream", "/buffer"] {
                let client = try server.client()
                try client.send("POST \(path) HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nab")
                if path == "/stream" { await begun.wait() }
                client.finishSending()
                #expect(client.isClosedByPeer())
                if path == "/stream" { await closed.wait() }
                await server.settle()
            }
            #expect(server.application.endedCount.load(ordering: .relaxed) == 2)
            #expect(server.application.handled.load(ordering: .relaxed) == 1)
        }
    }

    @Test func malformedChunk_isRefusedAndReported() async throws {
        let closed = Signal()
        try await withServer(
            [
                "/": .streamed { exchange in
                    let streamer = Streamer(exchange)
                    streamer.onBody = { _, _ in true }
                    streamer.onClosed = { reason in
                        #expect(reason == .bodyRefused)
                        exchange.abort()
                        closed.set()
                    }
                    streamer.observe()
                }
            ], onEnded: Streamer.release
        ) { server in
            let client = try server.client()
            let response = try client.ask(
                "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n")
            #expect(response.status == 400)
            await closed.wait()
            await server.settle()
            #expect(server.application.endedCount.load(ordering: .relaxed) == 1)
        }
    }

    @Test func unreadStreamedBody_isDiscarded() async throws {
        try await withServer(["/": .streamed { $0.answer(200, "early") }, "/ok": .hello]) {
            server in
            let client = try server.client()
            let response = try client.ask(
                "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n"
                    + String(repeating: "a", count: 20_000))
            #expect(response.text == "early")
            #expect(try client.get("/ok").text == "hello")
        }
    }

    @Test func draining_isToldOnce_toEachThatIsMeant_andMayEndTheResponse() async throws {
        let told = Counter()
        @Sendable func release(_ exchange: Exchange) {
            if String(decoding: exchange.path) != "/hello" { Streamer.release(exchange) }
        }
        @Sendable func stream(_ exchange: Exchange) {
            let streamer = Streamer(exchange)
            streamer.onDraining = {
                told.increment()
                exchange.put("the end")
                exchange.finish()
            }
            streamer.onClosed = { _ in exchange.abort() }
            streamer.observe()
            exchange.start()
            exchange.put("begun")
        }
        try await withServer(
            ["/a": .streamed(stream), "/b": .streamed(stream), "/hello": .hello],
            onEnded: release
        ) { server in
            let meant = try server.client()
            let other = try server.client()
            try meant.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
            try other.send("GET /b HTTP/1.1\r\nHost: x\r\n\r\n")
            for client in [meant, other] { _ = try client.read(through: "begun\r\n") }
            await server.server.forEachReactor { reactor in
                for _ in 0..<3 { reactor.announceDraining { String(decoding: $0.path) == "/a" } }
            }
            _ = try meant.read(through: "7\r\nthe end\r\n0\r\n\r\n")
            #expect(told.value == 1)
            #expect(try meant.get("/hello").text == "hello")
            #expect(other.isSilent(forMilliseconds: 0))
            await server.server.forEachReactor { $0.announceDraining { _ in true } }
            _ = try other.read(through: "the end\r\n0\r\n\r\n")
            #expect(told.value == 2)
        }
    }
}
