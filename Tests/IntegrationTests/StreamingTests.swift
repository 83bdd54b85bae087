import Foundation
import Synchronization
import Testing

/// Bodies that are longer than the host has memory for, at the pace of whoever is slower.
@Suite(.ownThreads, .timeLimit(.minutes(10))) struct StreamingTests {
    /// A client whose two directions are used by two threads.
    ///
    /// `@unchecked Sendable` because sending touches nothing that reading does.
    private final class Wire: @unchecked Sendable {
        let client: HTTPClient
        let sent = Atomic<Int>(0)

        init(_ client: HTTPClient) { self.client = client }

        /// Sends that many bytes in chunks on a thread of its own, each with its number in it.
        func send(count: Int) {
            Thread.detachNewThread { [self] in
                let piece = [UInt8](repeating: UInt8(ascii: "x"), count: 1 << 16)
                do {
                    while sent.load(ordering: .relaxed) < count {
                        try client.send(raw: "10000\r\n")
                        try client.send(raw: piece)
                        try client.send(raw: "\r\n")
                        sent.add(piece.count, ordering: .relaxed)
                    }
                    try client.send(raw: "0\r\nDigest: abc\r\n\r\n")
                } catch {
                    // The reading side finds out what has become of the connection.
                }
            }
        }
    }

    @Test func echo_ofALongBody_staysSmall_andHoldsTheSenderBack() throws {
        guard let bundle = Repository.sampleBundle("hello-swift") else { return }
        let root = try Root()
        let host = try HostProcess(root)
        try root.must("install", bundle)
        let total = 96 << 20
        // What the kernel keeps for two directions of one connection, and what the host and the
        // plugin keep between them.
        let betweenMax = 40 << 20
        let hostMax = 24 << 20
        _ = try host.get("/plugin/hello-swift/api/hello")
        let before = host.state.residentBytes
        let wire = Wire(try host.client())
        try wire.client.send(
            "POST", "/plugin/hello-swift/api/echo", headers: ["Transfer-Encoding": "chunked"])
        wire.send(count: total)
        #expect(try wire.client.readHead().status == 200)
        var received = 0
        while let piece = try wire.client.readChunk() {
            received += piece.count
            let between = wire.sent.load(ordering: .relaxed) - received
            #expect(between < betweenMax)
            if received % (8 << 20) < piece.count {
                #expect(host.state.residentBytes - before < hostMax)
            }
        }
        #expect(received == total)
        #expect(try host.terminate() == 0)
    }

    @Test func clientThatExpectsContinue_isAskedForTheBody_onlyWhenThePluginWantsIt() throws {
        let root = try Root()
        let host = try HostProcess(root)
        try root.must("install", Fixtures.bundle("streaming_upload"))
        let path = "/plugin/streaming-upload/api"
        let client = try host.client()
        func head(_ path: String, _ length: Int) -> String {
            "POST \(path) HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                + "Content-Length: \(length)\r\n\r\n"
        }
        try client.send(raw: head(path + "/upload", 4))
        #expect(try client.readHead().status == 100)
        try client.send(raw: "body")
        #expect(try client.readResponse().json?["bytes"].number == 4)
        let missing = try host.client()
        try missing.send(raw: head(path + "/missing", 4))
        #expect(try missing.readHead().status == 404)
        let long = try host.client()
        try long.send(raw: head("/plugin/streaming-upload/api/hello", 1 << 30))
        let refused = try long.readHead()
        #expect(refused.status == 405 || refused.status == 413)
    }
}
