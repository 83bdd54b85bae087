import Foundation
import HTTPServer
import Synchronization
import Testing

/// Clients that leave large responses unread: what they may take up, and for how long.
@Suite(.timeLimit(.minutes(10)))
struct SlowReaderTests {
    /// What the kernel takes as a whole on the loopback interface.
    private static let large = String(repeating: "a", count: 768 << 10)

    @Test func fewClientsAtATime_haveAllOfALargeResponseInTheKernel() async throws {
        try await withServer(
            ["/": .buffered { $0.answer(200, Self.large) }],
            configure: setting {
                $0.idleTimeoutSeconds = 600
                $0.writeTimeoutSeconds = 600
            }
        ) { server in
            let clients = try (0..<48).map { _ in try server.client(receiveBufferBytes: 4_096) }
            for client in clients { try client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n") }
            let sockets = try #require(
                try ServerSockets.wait(port: server.port) { sockets in
                    sockets.unacknowledgedBytes.count { $0 > 64 << 10 } == clients.count
                })
            #expect((1...32).contains(sockets.unacknowledgedBytes.count { $0 > 512 << 10 }))
            for index in stride(from: 0, to: clients.count, by: 8) {
                #expect(try clients[index].response().body.count == Self.large.utf8.count)
            }
        }
    }

    @Test(arguments: ["", "Connection: close\r\n"])
    func readerOfWhatOnlyTheKernelHas_isNotCut_asLongAsItReads(fields: String) async throws {
        try await withServer(
            ["/": .buffered { $0.answer(200, Self.large) }],
            configure: setting {
                $0.idleTimeoutSeconds = 4
                $0.lingerSeconds = 24
                $0.writeTimeoutSeconds = 4
            }
        ) { server in
            let client = try server.client(receiveBufferBytes: 65_536)
            try client.send("GET / HTTP/1.1\r\nHost: x\r\n\(fields)\r\n")
            _ = try client.read(through: "\r\n\r\n")
            var left = Self.large.utf8.count
            while left > 0 {
                left -= try client.read(count: min(left, 16_384)).count
                _ = poll(nil, 0, 150)
            }
        }
    }

    @Test(arguments: ["", "Connection: close\r\n"])
    func clientThatReadsNothing_ofWhatOnlyTheKernelHas_isCut(fields: String) async throws {
        try await withServer(
            ["/": .buffered { $0.answer(200, Self.large) }],
            configure: setting {
                $0.idleTimeoutSeconds = 0.2
                $0.lingerSeconds = 1.2
                $0.writeTimeoutSeconds = 0.2
            }
        ) { server in
            let client = try server.client(receiveBufferBytes: 4_096)
            try client.send("GET / HTTP/1.1\r\nHost: x\r\n\(fields)\r\n")
            if !fields.isEmpty { client.finishSending() }
            let gone = try ServerSockets.wait(port: server.port) { sockets in
                server.application.handled.load(ordering: .relaxed) == 1
                    && sockets.unacknowledgedBytes.isEmpty
            }
            #expect(gone != nil)
            withExtendedLifetime(client) {}
        }
    }

    @Test func slowestReaders_areCut_whenBuffersHaveNoRoomForAnotherResponse() async throws {
        let most = 24 << 20
        let body = String(repeating: "a", count: 4 << 20)
        try await withServer(
            ["/": .buffered { $0.answer(200, body) }],
            configure: setting { $0.bufferBytesMax = most }
        ) { server in
            let slow = try (0..<16).map { _ in try server.client(receiveBufferBytes: 4_096) }
            for client in slow { try client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n") }
            let reader = try server.client()
            #expect(try reader.get("/").body.count == body.utf8.count)
            #expect(await server.peakBufferBytes() <= most + 17 * 32_768)
            let left = try ServerSockets(port: server.port).unacknowledgedBytes.count
            #expect(left < 17)
            withExtendedLifetime(slow) {}
        }
    }
}
