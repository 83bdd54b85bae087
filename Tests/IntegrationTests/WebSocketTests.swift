import Foundation
import Testing

/// WebSockets of plugins: what becomes of them when their plugins come and go.
@Suite(.ownThreads, .timeLimit(.minutes(10))) struct WebSocketTests {
    let root: Root
    let host: HostProcess

    init() throws {
        root = try Root()
        host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("websocket"))
    }

    private static let echo = "/plugin/websocket/api/echo"

    private func counts() throws -> (open: Double?, closed: Double?, last: Double?) {
        let json = try host.get("/plugin/websocket/api/counts").json
        return (json?["open"].number, json?["closed"].number, json?["last"].number)
    }

    @Test func plugin_speaksWebSocket_fromItsLoopAndFromAThread() throws {
        for query in ["", "?thread=1", "?pieces=1"] {
            let socket = try SocketClient(
                host, Self.echo + query, headers: ["Sec-WebSocket-Protocol": "x, echo.v1"])
            #expect(socket.answer["sec-websocket-protocol"] == "echo.v1")
            for number in 0..<100 { try socket.send("message \(number)") }
            for number in 0..<100 { #expect(try socket.frame().text == "message \(number)") }
            let large = Data((0..<200_000).map { UInt8(truncatingIfNeeded: $0) })
            try socket.send(0x82, large)
            var back = Data()
            repeat {
                let frame = try socket.frame()
                back += frame.payload
                if frame.first & 0x80 != 0 { break }
            } while true
            #expect(back == large)
            try socket.close(3333)
            #expect(try socket.frame().code == 3333)
        }
        try eventually("all are closed") { try counts() == (3, 3, 3333) }
        let status = try root.waitForStatus("websocket", "no socket is open") {
            $0["sockets"].number == 0
        }
        #expect(status["in_flight"].number == 0)
    }

    @Test func request_isAnsweredByTheHost_whenItIsNoHandshake_orComesFromElsewhere() throws {
        #expect(try host.get(Self.echo).status == 426)
        let foreign = #expect(throws: SocketClient.Refused.self) {
            try SocketClient(host, Self.echo, headers: ["Origin": "http://evil.example"])
        }
        #expect(foreign?.response.status == 403)
        let own = try SocketClient(host, Self.echo, headers: ["Origin": "http://test"])
        try own.send("hello")
        #expect(try own.frame().text == "hello")
        #expect(try counts().open == 1)
    }

    @Test func message_goesToEverybodyInTheRoom() throws {
        let sockets = try (0..<20).map { _ in
            try SocketClient(host, "/plugin/websocket/api/room")
        }
        for (number, socket) in sockets.enumerated() {
            try socket.send("from \(number)")
            for other in sockets { #expect(try other.frame().text == "from \(number)") }
        }
        sockets[0].client.reset()
        try eventually("it is told of the loss") { try counts().last == 1006 }
    }

    @Test func socketOfAnOldGeneration_livesOn_untilItsClientLeaves() throws {
        let socket = try SocketClient(host, Self.echo)
        try root.must("reload", "websocket", "--force")
        try socket.send("still there")
        #expect(try socket.frame().text == "still there")
        let status = try root.status("websocket")
        #expect(status["sockets"].number == 1)
        let old = status["images"].elements.first { $0["generation"].number == 1 } ?? .null
        #expect(old["use"].string == "draining", "\(status)")
        #expect(old["sockets"].number == 1, "\(status)")
        #expect(old["reasons"].strings == ["1 WebSocket is open"], "\(status)")

        let next = try SocketClient(host, Self.echo)
        try socket.close()
        #expect(try socket.frame().code == 1000)
        try root.waitForStatus("websocket", "generation 1 is unloaded") {
            $0["last_unload"]["generation"].number == 1
                && $0["last_unload"]["verdict"].string == "unloaded"
        }
        try host.waitUntilUnmapped("websocket", except: 2)
        try next.send("new")
        #expect(try next.frame().text == "new")
    }

    @Test func socketOfAnOldGeneration_isClosedWith1012_whenTheDrainIsOver() throws {
        let (polite, silent) = (
            try SocketClient(host, Self.echo), try SocketClient(host, Self.echo + "?thread=1")
        )
        try root.must("reload", "websocket", "--force", "--drain-seconds", "0")
        #expect(try polite.frame().code == 1012)
        #expect(try silent.frame().code == 1012)
        try polite.close(1012)
        // The other one never answers; it is given up.
        try root.waitForStatus("websocket", "generation 1 is unloaded") {
            $0["last_unload"]["generation"].number == 1
                && $0["last_unload"]["verdict"].string == "unloaded"
        }
        try host.waitUntilUnmapped("websocket", except: 2)
    }

    @Test func pluginThatStops_closesItsSocketsWith1012_andNobodyElses() throws {
        try root.must("install", Fixtures.bundle("websocket_other"))
        let own = try SocketClient(host, Self.echo)
        let others = try SocketClient(host, "/plugin/websocket-other/api/echo")
        let deactivating = try ChildProcess([
            HostProcess.binary, "deactivate", "websocket", "--root", root.path,
        ])
        #expect(try own.frame().code == 1012)
        try own.close(1012)
        #expect(deactivating.waitForEnd(within: 60) == .exited(0))
        #expect(try root.status("websocket")["last_unload"]["verdict"].string == "unloaded")
        for number in 0..<5 {
            try root.must("activate", "websocket")
            try others.send("\(number)")
            #expect(try others.frame().text == "\(number)")
            try root.must("deactivate", "websocket")
        }
    }

    @Test func callsThatDoNotFit_areRefused_alsoAfterTheRelease() throws {
        let socket = try SocketClient(host, "/plugin/websocket/api/misuses")
        #expect(try socket.frame().code == 4000)
        try socket.close(4000)
        let (invalid, wrong, closed) = (-2, -3, -4)
        let expected =
            [invalid, invalid, invalid, 0, wrong, wrong, invalid, invalid, invalid, invalid]
            + [invalid, 0, closed] + [closed, 0, wrong, wrong]
        try eventually("all has been tried") {
            try host.get("/plugin/websocket/api/results").text
                .split(separator: " ").map { Int($0) } == expected
        }
        #expect(try root.status("websocket")["sockets"].number == 0)
    }

    @Test func hostThatStops_closesWith1001() throws {
        let socket = try SocketClient(host, Self.echo)
        host.process.send(signal: SIGTERM)
        #expect(try socket.frame().code == 1001)
        try socket.close(1001)
        #expect(host.process.waitForEnd(within: 60) == .exited(0))
    }
}
