import Dispatch
import HTTPServer
import HTTPWire
import Synchronization
import Testing

/// Code of WebSockets that does not return in time.
@Suite(.timeLimit(.minutes(10))) struct WebSocketOverrunTests {
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

    /// A peer that sends everything back, and waits at the gate before what begins with "stuck".
    private static func stuck(_ gate: Gate) -> SocketPeer {
        SocketPeer { peer, message in
            peer.call(.message) {
                if message.text.hasPrefix("stuck") { gate.pass() }
                peer.send(message.kind, message.bytes)
            }
            return true
        }
    }

    @Test(arguments: [5, 40_000])
    func otherConnections_areServed_whileAMessageIsNotTaken(_ length: Int) async throws {
        let gate = Gate()
        let peer = Self.stuck(gate)
        try await withServer(["/": .hello, "/stuck": .socket { peer }]) { server in
            let socket = try SocketClient(server, "/stuck")
            let long = "stuck" + String(repeating: "x", count: length - 5)
            for text in ["before", long, "after", "stuck again", "last"] { try socket.send(text) }
            #expect(try socket.frame().text == "before")
            await gate.reached.wait()
            for _ in 0..<20 { #expect(try server.client().get("/").text == "hello") }
            gate.open()
            gate.open()
            for text in [long, "after", "stuck again", "last"] {
                #expect(try socket.frame().text == text)
            }
            try socket.sendClose(1000)
            #expect(try socket.frame().code == 1000)
            let end = await peer.waitForEnd()
            #expect(end?.code == 1000)
        }
    }

    @Test func lossOfTheConnection_isTold_whenTheCodeHasReturned() async throws {
        let gate = Gate()
        let peer = Self.stuck(gate)
        try await withServer(["/": .hello, "/stuck": .socket { peer }]) { server in
            let socket = try SocketClient(server, "/stuck")
            try socket.send("stuck")
            await gate.reached.wait()
            #expect(try server.client().get("/").text == "hello")
            socket.client.closeWithReset()
            #expect(try server.client().get("/").text == "hello")
            #expect(!peer.closed.isSet)
            gate.open()
            let end = await peer.waitForEnd()
            #expect(end?.code == 1006)
        }
    }

    @Test func farewellThatDoesNotReturn_holdsNobodyUp() async throws {
        let gate = Gate()
        let peer = SocketPeer.echo()
        peer.onClosed = { peer in peer.call(.closed) { gate.pass() } }
        try await withServer(["/": .hello, "/stuck": .socket { peer }]) { server in
            let socket = try SocketClient(server, "/stuck")
            try socket.sendClose(1000)
            await gate.reached.wait()
            #expect(try server.client().get("/").text == "hello")
            #expect(try socket.frame().code == 1000)
            gate.open()
        }
    }
}
