import Glibc
import Testing

@testable import HTTPServer

/// Connections that came in elsewhere.
@Suite(.timeLimit(.minutes(10)))
struct ConnectedSocketTests {
    private func pair() throws -> (client: TestClient, server: Int32) {
        var ends: [Int32] = [-1, -1]
        try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
        return (TestClient(adopting: ends[0]), ends[1])
    }

    @Test func connectedSockets_areServed_andSpreadOverTheReactors() async throws {
        try await withServer(["/": .hello], reactors: 2) { server in
            var clients: [TestClient] = []
            for _ in 0..<4 {
                let (client, end) = try pair()
                server.server.adopt(connection: end)
                for _ in 0..<2 { #expect(try client.get("/").text == "hello") }
                clients.append(client)
            }
            #expect(server.server.reactors.map(\.connectionCount) == [2, 2])
            withExtendedLifetime(clients) {}
        }
    }

    @Test func connectedSocket_isClosed_whenTheServerHasStopped() async throws {
        let (client, end) = try pair()
        try await withServer(["/": .hello]) { server in
            await server.stop()
            server.server.adopt(connection: end)
            #expect(client.isClosedByPeer())
            #expect(server.server.connectionCount == 0)
        }
    }
}
