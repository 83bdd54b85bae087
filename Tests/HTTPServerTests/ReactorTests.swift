import CLinux
import Foundation
import HTTPWire
import Synchronization
import Testing

@testable import HTTPServer

@Suite(.timeLimit(.minutes(10)))
struct ReactorTests {
    @Test func everyReactor_isReachedOnItsOwnThread() async throws {
        let seen = Mutex<[Int: Int32]>([:])
        try await withServer(["/": .hello], reactors: 3) { server in
            await server.server.forEachReactor { reactor in
                #expect(reactor.isCurrentThread)
                seen.withLock { $0[reactor.index] = linux_thread_id() }
            }
            let ids = seen.withLock { $0 }
            #expect(ids.count == 3)
            #expect(Set(ids.values).count == 3)
            for (index, id) in ids {
                #expect(threadName(id) == "reactor-\(index)\n")
            }
        }
    }

    @Test func movedReactors_runOnFreshThreadsWithoutAFailedRequest() async throws {
        try await withServer(["/": .hello], reactors: 2) { server in
            let stops = Signal()
            let served = Counter()
            let clients = (0..<4).map { _ in
                Background {
                    let client = try server.client()
                    while !stops.isSet {
                        guard try client.get("/").text == "hello" else {
                            throw TestClient.Failure(description: "wrong answer")
                        }
                        served.increment()
                    }
                }
            }
            var threads: Set<Int32> = []
            for round in 0..<50 {
                let current = Mutex<Set<Int32>>([])
                await server.server.forEachReactor { _ in
                    _ = current.withLock { $0.insert(linux_thread_id()) }
                }
                let ids = current.withLock { $0 }
                #expect(ids.count == 2)
                #expect(threads.isDisjoint(with: ids), "round \(round)")
                threads = ids
                try await server.server.moveReactorsToFreshThreads()
                // All are served on the new threads before the next move.
                let before = served.value
                while served.value < before + 8, !clients.contains(where: \.hasEnded) {
                    await Task.yield()
                }
                // Joined threads leave the table a moment later; the time limit bounds this.
                for id in ids {
                    while FileManager.default.fileExists(atPath: "/proc/self/task/\(id)") {}
                }
            }
            stops.set()
            for client in clients { try await client.value }
            #expect(served.value >= 50 * 8)
        }
    }

    @Test func movesInQuickSuccession_allEnd() async throws {
        try await withServer(["/": .hello], reactors: 4) { server in
            for _ in 0..<300 { try await server.server.moveReactorsToFreshThreads() }
            let client = try server.client()
            #expect(try client.get("/").text == "hello")
        }
    }

    @Test func connections_areSpreadEvenly() async throws {
        try await withServer(["/": .hello], reactors: 4) { server in
            var clients: [TestClient] = []
            for _ in 0..<200 {
                let client = try server.client()
                #expect(try client.get("/").text == "hello")
                clients.append(client)
            }
            let counts = server.server.reactors.map(\.connectionCount)
            #expect(counts.reduce(0, +) == 200)
            #expect((counts.max() ?? 0) - (counts.min() ?? 0) <= 4)
        }
    }

    @Test func aThousandConnections_areServed() async throws {
        try await withServer(["/": .hello], reactors: 2) { server in
            let clients = try (0..<1_000).map { _ in try server.client() }
            for round in 0..<3 {
                for client in clients { try client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n") }
                for client in clients {
                    #expect(try client.response().text == "hello", "round \(round)")
                }
            }
            #expect(server.server.reactors.map(\.connectionCount).reduce(0, +) == 1_000)
        }
    }

    @Test func idleConnections_holdNoBuffers() async throws {
        try await withServer(["/": .hello]) { server in
            var clients: [TestClient] = []
            for _ in 0..<50 { clients.append(try server.client()) }
            for client in clients { _ = try client.get("/") }
            for _ in 0..<500 {
                let client = try server.client()
                _ = try client.get("/")
                clients.append(client)
            }
            #expect(server.server.reactors[0].connectionCount == 550)
            let bytes = await server.peakBufferBytes()
            #expect(bytes < 550 * 512)
            #expect(MemoryLayout<ConnectionFields>.stride <= 512)
        }
    }

    @Test func stop_letsRunningRequestsEnd() async throws {
        try await onOwnThread {
            let pending = Signal()
            let handle = Mutex<RemoteExchange?>(nil)
            let server = try TestServer([
                "/": .hello,
                "/later": .buffered { exchange in
                    handle.withLock { $0 = exchange.remote }
                    pending.set()
                },
            ])
            let idle = try server.client()
            #expect(try idle.get("/").text == "hello")
            let busy = try server.client()
            try busy.send("GET /later HTTP/1.1\r\nHost: x\r\n\r\n")
            await pending.wait()
            let stopped = Task { await server.server.stop(drainSeconds: 30) }
            #expect(idle.isClosedByPeer())
            handle.withLock { $0 }?.answer(200, "done")
            let response = try busy.response()
            #expect(response.text == "done")
            #expect(response["connection"] == "close")
            busy.finishSending()
            await stopped.value
            #expect(throws: TestClient.Failure.self) { _ = try server.client() }
            #expect(server.application.endedCount.load(ordering: .relaxed) == 2)
        }
    }

    @Test func stop_cutsWhatDoesNotEnd() async throws {
        try await onOwnThread {
            let pending = Signal()
            let closed = Signal()
            let server = try TestServer(
                [
                    "/": .streamed { exchange in
                        let streamer = Streamer(exchange)
                        streamer.onClosed = { reason in
                            #expect(reason == .shutdown)
                            closed.set()
                        }
                        streamer.observe()
                        pending.set()
                    }
                ], onEnded: Streamer.release)
            let client = try server.client()
            try client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await pending.wait()
            await server.server.stop(drainSeconds: 0.1)
            await closed.wait()
            #expect(client.isClosedByPeer())
            #expect(server.application.endedCount.load(ordering: .relaxed) == 1)
        }
    }

    @Test func adoptedListener_isServed() async throws {
        try await onOwnThread {
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
            let listener = withUnsafeBytes(of: &address) {
                linux_listen(
                    $0.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count), 16)
            }
            let port = UInt16(linux_local_port(listener))
            let server = try HTTPServer(application: TestApplication(["/": .hello]))
            try server.adopt([listener])
            try server.start()
            let response = try TestClient(port: port).get("/")
            #expect(response.text == "hello")
            await server.stop(drainSeconds: 1)
            let other = try HTTPServer(application: TestApplication([:]))
            #expect(throws: ServerError.self) { try other.adopt([open("/dev/null", O_RDONLY)]) }
        }
    }

    @Test func unixSocket_tellsThePeersUser() async throws {
        try await onOwnThread {
            let directory = try TestDirectory()
            let path = directory.path + "/host.sock"
            let server = try HTTPServer(
                application: TestApplication([
                    "/": .buffered { exchange in
                        exchange.answer(
                            200,
                            "\(exchange.remoteAddress) \(exchange.peerUserID.map(Int.init) ?? -1)")
                    }
                ]))
            try server.listen([.unix(path: path)])
            try server.start()
            let client = try TestClient(unix: path)
            #expect(try client.get("/").text == "unix \(getuid())")
            await server.stop(drainSeconds: 1)
        }
    }

    @Test func usedAddress_isRefusedWithItsReason() async throws {
        try await withServer(["/": .hello]) { server in
            let other = try HTTPServer(application: TestApplication([:]))
            let error = #expect(throws: ServerError.self) {
                try other.listen([.ip("127.0.0.1", port: server.port)])
            }
            #expect(error?.code == .listenFailed)
            #expect(error?.errno == EADDRINUSE)
            let text = error?.description ?? ""
            #expect(text.contains("\n  why: Address already in use"))
        }
    }

    @Test func addresses_areReadAsTheyAreWritten() throws {
        #expect(try ListenAddress("127.0.0.1:80") == .ip("127.0.0.1", port: 80))
        #expect(try ListenAddress("[::1]:8080") == .ip("::1", port: 8080))
        #expect(try ListenAddress(":0") == .ip("0.0.0.0", port: 0))
        #expect(try ListenAddress("unix:/run/x") == .unix(path: "/run/x"))
        for text in ["", "80", "127.0.0.1", "::1:80", "127.0.0.1:99999", "unix:"] {
            #expect(throws: ServerError.self) { try ListenAddress(text) }
        }
    }
}

/// The name of a thread of this process. Files of /proc have no size that Foundation could trust.
private func threadName(_ id: Int32) -> String {
    let descriptor = open("/proc/self/task/\(id)/comm", O_RDONLY)
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 64)
    let count = read(descriptor, &bytes, bytes.count)
    return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
}
