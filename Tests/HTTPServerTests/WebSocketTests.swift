import Glibc
import HTTPServer
import HTTPWire
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(10))) struct WebSocketTests {
    // MARK: - The handshake

    @Test func handshake_isAnswered_andMessagesGoBackAndForth() async throws {
        try await withServer(["/": .echoSocket()]) { server in
            let socket = try SocketClient(server)
            #expect(socket.answer["upgrade"] == "websocket")
            #expect(socket.answer["connection"] == "Upgrade")
            #expect(socket.answer["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
            #expect(socket.answer["sec-websocket-extensions"] == nil)
            #expect(socket.answer["content-length"] == nil)
            #expect(socket.answer["date"] != nil)
            try socket.send("hello")
            #expect(try socket.frame() == .init(first: 0x81, payload: Array("hello".utf8)))
            try socket.send(0x82, [0, 0xFF])
            #expect(try socket.frame() == .init(first: 0x82, payload: [0, 0xFF]))
        }
    }

    @Test func requestThatIsNoHandshake_isToldToUpgrade_andTheConnectionGoesOn() async throws {
        try await withServer(["/": .echoSocket(), "/hello": .hello]) { server in
            let client = try server.client()
            let plain = try client.get("/")
            #expect(plain.status == 426)
            #expect(plain["upgrade"] == "websocket")
            #expect(plain["connection"] == "Upgrade")
            #expect(plain.text.contains("RFC 6455"))
            #expect(try client.get("/hello").text == "hello")
            let old = try client.ask(
                SocketClient.request("/").replacing("Version: 13", with: "Version: 8"))
            #expect(old.status == 426)
            #expect(old["sec-websocket-version"] == "13")
            let torn = try client.ask(SocketClient.request("/").replacing("dGhl", with: ""))
            #expect(torn.status == 400)
            #expect(try client.get("/hello").text == "hello")
        }
    }

    @Test func framesSentWithTheHandshake_areNotLost() async throws {
        try await withServer(["/": .echoSocket(), "/hello": .hello]) { server in
            let client = try server.client()
            try client.send(
                Array("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n".utf8)
                    + Array(SocketClient.request("/").utf8) + SocketClient.frame(0x81, [0x61]))
            #expect(try client.response().text == "hello")
            #expect(try client.response().status == 101)
            #expect(try client.read(count: 3) == [0x81, 1, 0x61])
        }
    }

    @Test func handshakeAcceptedOnAnotherThread_keepsTheOrderOfWhatIsSent() async throws {
        let route = TestApplication.Route.buffered { exchange in
            elsewhere {
                let peer = SocketPeer.echo()
                peer.accept(exchange, subprotocol: "")
                for number in 0..<100 { peer.send("\(number)") }
                peer.close(4000, "done")
            }
        }
        try await withServer(["/": route]) { server in
            let socket = try SocketClient(server)
            for number in 0..<100 { #expect(try socket.frame().text == "\(number)") }
            let end = try socket.frame()
            #expect(end.code == 4000 && end.reason == "done")
        }
    }

    // MARK: - Messages

    @Test(arguments: [0, 1, 125, 126, 127, 128, 65_535, 65_536, 65_537, 1 << 20])
    func messages_ofEveryFormOfLength_comeBackWhole(_ length: Int) async throws {
        try await withServer(["/": .echoSocket()]) { server in
            let socket = try SocketClient(server)
            let bytes = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            let client = socket.client
            let writer = Background { try client.send(SocketClient.frame(0x82, bytes)) }
            let frame = try socket.frame()
            #expect(frame.first == 0x82 && frame.payload == bytes)
            try await writer.value
        }
    }

    @Test func fragments_arePutTogether_withPingsBetweenThem() async throws {
        try await withServer(["/": .echoSocket()]) { server in
            let socket = try SocketClient(server)
            let bytes = Array("héllo wörld".utf8)
            for (index, byte) in bytes.enumerated() {
                try socket.send(index == 0 ? 0x01 : 0x00, [byte])
                try socket.send(0x89, [byte])
                #expect(try socket.frame() == .init(first: 0x8A, payload: [byte]))
            }
            try socket.send(0x80)
            #expect(try socket.frame() == .init(first: 0x81, payload: bytes))
        }
    }

    @Test func pieces_areHandedOn_asTheyCome() async throws {
        let pieces = Mutex<[SocketPeer.Message]>([])
        let seen = Signal()
        let echo: @Sendable () -> SocketPeer = {
            SocketPeer { peer, message in
                pieces.withLock { $0.append(message) }
                if message.isLast { seen.set() }
                peer.sendPiece(message.kind, message.bytes, isLast: message.isLast)
                return true
            }
        }
        let route = TestApplication.Route.socket({ $0.deliversPieces = true }, echo)
        try await withServer(["/": route]) { server in
            let socket = try SocketClient(server)
            try socket.send(0x01, Array("ab".utf8))
            #expect(try socket.frame() == .init(first: 0x01, payload: Array("ab".utf8)))
            try socket.send(0x00, Array("c".utf8))
            #expect(try socket.frame() == .init(first: 0x00, payload: Array("c".utf8)))
            try socket.send(0x80)
            #expect(try socket.frame() == .init(first: 0x80, payload: []))
            await seen.wait()
            #expect(pieces.withLock { $0 }.map(\.text) == ["ab", "c", ""])
            #expect(pieces.withLock { $0 }.map(\.isLast) == [false, false, true])
        }
    }

    @Test func textThatCannotBeUTF8_isRefused_beforeItsMessageIsComplete() async throws {
        let peer = SocketPeer.echo()
        try await withServer(["/": .socket { peer }]) { server in
            let socket = try SocketClient(server)
            try socket.send(0x01, [0xCE, 0xBA, 0xE1])
            try socket.client.send([0x80, 0xFE, 0x10, 0x00, 0, 0, 0, 0, 0xED, 0xA0])
            let end = try socket.frame()
            #expect(end.opcode == .close && end.code == 1007)
            let told = await peer.waitForEnd()
            #expect(told?.code == 1007)
        }
    }

    @Test func messageBeyondTheLimit_isRefused_byItsHeaderAlone() async throws {
        try await withServer(["/": .echoSocket { $0.messageBytesMax = 1000 }]) { server in
            let socket = try SocketClient(server)
            try socket.send(0x82, [UInt8](repeating: 1, count: 1000))
            #expect(try socket.frame().payload.count == 1000)
            try socket.send(0x02, [UInt8](repeating: 1, count: 600))
            try socket.client.send([0x80, 0xFE, 0x01, 0x91, 0, 0, 0, 0])
            #expect(try socket.frame().code == 1009)
        }
    }

    // MARK: - The end

    @Test func closeOfTheClient_isAnsweredWithItsCode_andTheConnectionEnds() async throws {
        let peer = SocketPeer.echo()
        try await withServer(["/": .socket { peer }]) { server in
            let socket = try SocketClient(server)
            try socket.sendClose(1001, "bye")
            let end = try socket.frame()
            #expect(end.code == 1001 && end.payload.count == 2)
            #expect(socket.isClosed())
            let told = await peer.waitForEnd()
            #expect(told == .init(code: 1001, reason: "bye"))
            #expect(peer.send("late") == .closed)
        }
    }

    @Test func closeOfTheServer_waitsForTheClients_andDropsWhatComesBetween() async throws {
        let peer = SocketPeer { peer, _ in
            peer.close(3000, "enough")
            return true
        }
        try await withServer(["/": .socket { peer }]) { server in
            let socket = try SocketClient(server)
            try socket.send("a")
            let end = try socket.frame()
            #expect(end.code == 3000 && end.reason == "enough")
            try socket.send("dropped")
            try socket.send(0x89, [1])
            #expect(!peer.closed.isSet)
            try socket.sendClose(3000)
            #expect(socket.isClosed())
            let told = await peer.waitForEnd()
            #expect(told == .init(code: 3000, reason: ""))
        }
    }

    @Test func closeThatIsNeverAnswered_endsByItself() async throws {
        let peer = SocketPeer { peer, _ in
            peer.close(1000)
            return true
        }
        try await withServer(["/": .socket({ $0.closeSeconds = 0.1 }, { peer })]) { server in
            let socket = try SocketClient(server)
            try socket.send("a")
            #expect(try socket.frame().code == 1000)
            let told = await peer.waitForEnd()
            #expect(told?.code == 1006)
            #expect(socket.isClosed())
        }
    }

    @Test func lossOfTheConnection_isTold() async throws {
        let (gone, reset) = (SocketPeer.echo(), SocketPeer.echo())
        try await withServer(["/gone": .socket { gone }, "/reset": .socket { reset }]) { server in
            let first = try SocketClient(server, "/gone")
            first.client.finishSending()
            let firstEnd = await gone.waitForEnd()
            #expect(firstEnd?.code == 1006)
            let second = try SocketClient(server, "/reset")
            second.client.closeWithReset()
            let secondEnd = await reset.waitForEnd()
            #expect(secondEnd?.code == 1006)
        }
    }

    @Test func serverThatStops_closesWith1001() async throws {
        let peer = SocketPeer.echo()
        let server = try TestServer(["/": .socket { peer }])
        let socket = try SocketClient(server)
        await peer.opened.wait()
        let stopping = Task { await server.stop() }
        #expect(try socket.frame().code == 1001)
        try socket.sendClose(1001)
        await stopping.value
        let told = await peer.waitForEnd()
        #expect(told?.code == 1001)
    }

    @Test func silentClient_isAsked_andGivenUp() async throws {
        let peer = SocketPeer.echo()
        let quick: @Sendable (inout WebSocketOptions) -> Void = {
            $0.pingSeconds = 0.1
            $0.pongSeconds = 0.2
        }
        let route = TestApplication.Route.socket(quick, { peer })
        try await withServer(["/": route]) { server in
            let socket = try SocketClient(server)
            #expect(try socket.frame().opcode == .ping)
            try socket.send(0x8A)
            #expect(try socket.frame().opcode == .ping)
            let told = await peer.waitForEnd()
            #expect(told?.code == 1006)
            #expect(socket.isClosed())
        }
    }

    // MARK: - Back-pressure

    @Test func senderThatIsToldToWait_isWoken_whenTheClientHasRead() async throws {
        let peer = SocketPeer.echo()
        try await withServer(["/": .socket { peer }]) { server in
            let client = try server.client(receiveBufferBytes: 4096)
            let socket = try SocketClient(over: client)
            await peer.opened.wait()
            let piece = [UInt8](repeating: 7, count: 100_000)
            var sent = 0
            while peer.send(.binary, piece) != .full { sent += 1 }
            #expect(!peer.writable.isSet)
            for _ in 0...sent { #expect(try socket.frame().payload.count == piece.count) }
            await peer.writable.wait()
        }
    }

    @Test func senderThatDoesNotWait_isRefused_andTheMessagesBeforeAreWhole() async throws {
        let peer = SocketPeer.echo()
        let patient: @Sendable (inout WebSocketOptions) -> Void = {
            $0.queueBytesMax = 1 << 20
            // A client with so small a buffer takes its time.
            $0.closeSeconds = 60
        }
        let route = TestApplication.Route.socket(patient, { peer })
        try await withServer(["/": route]) { server in
            let client = try server.client(receiveBufferBytes: 4096)
            let socket = try SocketClient(over: client)
            await peer.opened.wait()
            let piece = [UInt8](repeating: 7, count: 100_000)
            var sent = 0
            while peer.send(.binary, piece) != .tooLong { sent += 1 }
            peer.close(1000)
            for _ in 0..<sent { #expect(try socket.frame().payload.count == piece.count) }
            #expect(try socket.frame().code == 1000)
        }
    }

    @Test func receiverThatPauses_getsNothing_untilItGoesOn() async throws {
        let count = Counter()
        let peer = SocketPeer { peer, message in
            count.increment()
            peer.send(message.kind, message.bytes)
            return message.text != "pause"
        }
        try await withServer(["/": .socket { peer }]) { server in
            let socket = try SocketClient(server)
            try socket.send("pause")
            #expect(try socket.frame().text == "pause")
            for _ in 0..<10 { try socket.send("x") }
            await server.settle()
            #expect(count.value == 1)
            peer.socket?.resume()
            for _ in 0..<10 { #expect(try socket.frame().text == "x") }
        }
    }

    @Test func floodOfPings_isAnswered_withinTheMemoryOfItsConnection() async throws {
        try await withServer(["/": .echoSocket()]) { server in
            let socket = try SocketClient(server)
            let ping = SocketClient.frame(0x89, [UInt8](repeating: 9, count: 125))
            let flood = [UInt8]((0..<2000).map { _ in ping }.joined())
            let rounds = 40
            let client = socket.client
            let writer = Background { for _ in 0..<rounds { try client.send(flood) } }
            for _ in 0..<(2000 * rounds) {
                let frame = try socket.frame()
                guard frame.first == 0x8A, frame.payload.count == 125 else {
                    Issue.record("\(frame)")
                    break
                }
            }
            try await writer.value
            #expect(await server.peakBufferBytes() < 4 << 20)
        }
    }

    // MARK: - Misuse

    @Test func sends_thatDoNotFit_areRefused() async throws {
        let results = Mutex<[WebSocketResult]>([])
        let seen = Signal()
        let peer = SocketPeer { peer, _ in
            results.withLock {
                $0 = [
                    peer.send(.text, [0xFF]), peer.sendPiece(.text, [0xCE], isLast: true),
                    peer.sendPiece(.text, [0xCE], isLast: false),
                    peer.send("within"), peer.sendPiece(.binary, [1], isLast: false),
                    peer.sendPiece(.text, [0xBA], isLast: true),
                    peer.close(1005), peer.close(999), peer.close(1006),
                    peer.close(1000, String(repeating: "x", count: 124)),
                    peer.close(1000), peer.close(1000), peer.send("late"),
                ]
            }
            seen.set()
            return true
        }
        try await withServer(["/": .socket { peer }]) { server in
            let socket = try SocketClient(server)
            try socket.send("go")
            await seen.wait()
            #expect(
                results.withLock { $0 } == [
                    .invalid, .invalid, .accepted, .outOfOrder, .outOfOrder, .accepted, .accepted,
                    .invalid, .invalid, .invalid, .closed, .closed, .closed,
                ])
            #expect(try socket.frame() == .init(first: 0x01, payload: [0xCE]))
            #expect(try socket.frame() == .init(first: 0x80, payload: [0xBA]))
            #expect(try socket.frame() == .init(first: 0x88, payload: []))
        }
    }

    @Test func reactorsThatMove_takeTheirSocketsAlong() async throws {
        try await withServer(["/": .echoSocket()], reactors: 2) { server in
            let sockets = try (0..<8).map { _ in try SocketClient(server) }
            for round in 0..<3 {
                try await server.server.moveReactorsToFreshThreads()
                for socket in sockets {
                    try socket.send("\(round)")
                    #expect(try socket.frame().text == "\(round)")
                }
            }
        }
    }
}
