import CLinux
import Dispatch
import Glibc
import HTTPServer
import Synchronization
import Testing

/// What becomes of clients when the server stops.
@Suite(.timeLimit(.minutes(10)))
struct DrainTests {
    /// A server whose only reactor is held up in `/gate` until the semaphore is signalled.
    private static func gated(
        _ gate: DispatchSemaphore, _ entered: Signal
    ) throws -> TestServer {
        try TestServer([
            "/": .hello,
            "/gate": .buffered { exchange in
                entered.set()
                gate.wait()
                exchange.answer(200, "gate")
            },
        ])
    }

    @Test func requestThatHasArrived_isAnswered_whoeverHasAcceptedIt() async throws {
        try await onOwnThread {
            let gate = DispatchSemaphore(value: 0)
            let entered = Signal()
            let server = try Self.gated(gate, entered)
            let idle = try server.client()
            #expect(try idle.get("/").text == "hello")
            let holder = try server.client()
            try holder.send("GET /gate HTTP/1.1\r\nHost: x\r\n\r\n")
            await entered.wait()
            // The loop knows of none of these when it is told to drain.
            try idle.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            let strangers = try (0..<5).map { _ in try server.client() }
            for client in strangers { try client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n") }
            // They have arrived when the server's side has acknowledged them.
            for client in [idle] + strangers {
                while linux_unsent_bytes(client.descriptor) > 0 { _ = poll(nil, 0, 1) }
            }
            let stopped = Task { await server.server.stop(drainSeconds: 30) }
            gate.signal()
            for client in [idle] + strangers {
                let response = try client.response()
                #expect(response.text == "hello")
                #expect(client.isClosedByPeer())
                client.finishSending()
            }
            holder.finishSending()
            await stopped.value
        }
    }

    @Test func responseWhileDraining_saysThatTheConnectionCloses() async throws {
        try await onOwnThread {
            let pending = Signal()
            let handle = Mutex<RemoteExchange?>(nil)
            let server = try TestServer([
                "/later": .buffered { exchange in
                    handle.withLock { $0 = exchange.remote }
                    pending.set()
                }
            ])
            let idle = try server.client()
            #expect(try idle.get("/none").status == 404)
            let client = try server.client()
            // The second one is pipelined behind the first, and is not begun any more.
            try client.send(
                "GET /later HTTP/1.1\r\nHost: x\r\n\r\nGET /later HTTP/1.1\r\nHost: x\r\n\r\n")
            await pending.wait()
            let stopped = Task { await server.server.stop(drainSeconds: 30) }
            #expect(idle.isClosedByPeer())
            handle.withLock { $0 }?.answer(200, "done")
            let response = try client.response()
            #expect(response.text == "done" && response["connection"] == "close")
            #expect(client.isClosedByPeer())
            client.finishSending()
            await stopped.value
            #expect(server.application.handled.load(ordering: .relaxed) == 1)
        }
    }

    @Test func newClient_isRefusedWhileOthersAreFinished() async throws {
        try await onOwnThread {
            let pending = Signal()
            let handle = Mutex<RemoteExchange?>(nil)
            let server = try TestServer([
                "/later": .buffered { exchange in
                    handle.withLock { $0 = exchange.remote }
                    pending.set()
                }
            ])
            let client = try server.client()
            try client.send("GET /later HTTP/1.1\r\nHost: x\r\n\r\n")
            await pending.wait()
            let stopped = Task { await server.server.stop(drainSeconds: 30) }
            // Those who come before the listener is closed are told at once.
            while let early = try? server.client() { #expect(early.isClosedByPeer()) }
            handle.withLock { $0 }?.answer(200, "done")
            #expect(try client.response().text == "done")
            client.finishSending()
            await stopped.value
        }
    }

    @Test func clientThatIsNotDone_holdsUpTheStopOnlyUntilTheDeadline() async throws {
        try await onOwnThread {
            let server = try TestServer([
                "/": .hello, "/small": .buffered(1) { $0.answer(200, "") },
            ])
            let halfway = try server.client()
            try halfway.send("GET / HTTP/1.1\r\nHost: x\r\n")
            let lingering = try server.client()
            #expect(
                try lingering.ask("POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
                    .status == 413)
            await server.settle()
            await server.server.stop(drainSeconds: 0.5)
            #expect(halfway.isClosedByPeer() && lingering.isClosedByPeer())
        }
    }

    @Test func lingeringClient_isNotWaitedForTilTheDeadline() async throws {
        try await onOwnThread {
            let server = try TestServer(["/small": .buffered(1) { $0.answer(200, "") }])
            let client = try server.client()
            #expect(
                try client.ask("POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
                    .status == 413)
            // The time limit of the suite is shorter.
            await server.server.stop(drainSeconds: 600)
            #expect(client.isClosedByPeer())
        }
    }
}
