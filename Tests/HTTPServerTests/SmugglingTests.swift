import Foundation
import Glibc
import HTTPServer
import Testing

/// Bytes that two readers might take apart in two ways, sent to a real server.
@Suite(.timeLimit(.minutes(10)))
struct SmugglingTests {
    private static let canary = Array("GET /canary HTTP/1.1\r\nHost: x\r\n\r\n".utf8)

    private func withEcho(_ body: (TestServer, Counter) async throws -> Void) async throws {
        let canaries = Counter()
        try await withServer([
            "/echo": .echo, "/small": .buffered(10) { $0.answer(200, "") },
            "/canary": .buffered { exchange in
                canaries.increment()
                exchange.answer(200, "canary")
            },
        ]) { try await body($0, canaries) }
    }

    /// The statuses of the responses in a stream, none of which has such a line in its body.
    private func statuses(_ bytes: [UInt8]) -> [Int] {
        String(decoding: bytes, as: UTF8.self).split(separator: "HTTP/1.1 ").compactMap {
            Int($0.prefix(3))
        }
    }

    @Test func thereAreCases_andTheCanarySings() async throws {
        #expect(RefusedCase.all.count >= 140)
        #expect(Set(RefusedCase.all.map(\.name)).count == RefusedCase.all.count)
        try await withEcho { server, canaries in
            let client = try server.client()
            try client.send("GET /echo HTTP/1.1\r\nHost: x\r\n\r\n")
            try client.send(Self.canary)
            client.finishSending()
            #expect(try statuses(client.readToEnd()) == [200, 200])
            #expect(canaries.value == 1)
        }
    }

    @Test func ambiguousRequest_isRefused_andNothingBehindItIsRead() async throws {
        try await withEcho { server, canaries in
            for refused in RefusedCase.all {
                let client = try server.client()
                // A request before it on the same connection is answered all the same.
                try client.send("GET /echo HTTP/1.1\r\nHost: x\r\n\r\n")
                try client.send(refused.bytes + Self.canary)
                client.finishSending()
                #expect(try statuses(client.readToEnd()) == [200, refused.status], "\(refused)")
                #expect(canaries.value == 0, "\(refused)")
            }
        }
    }

    /// Every byte at every place of a `Transfer-Encoding` line beside a length that covers all the
    /// rest: whatever the server makes of it, the canary is part of the body or comes too late.
    @Test func oddByteInATransferEncodingLine_neverSetsTheCanaryFree() async throws {
        let line = Array("Transfer-Encoding: chunked".utf8)
        let body = Array("0\r\n\r\n".utf8) + Self.canary
        let head = Array("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: \(body.count)\r\n".utf8)
        let places = [0, 1, 8, 9, 17, 18, 19, 22, 26]
        try await withEcho { server, canaries in
            for byte in UInt8.min...UInt8.max {
                for place in places {
                    let odd = line[..<place] + [byte] + line[place...]
                    let client = try server.client()
                    try client.send(head + odd + Array("\r\n\r\n".utf8) + body)
                    client.finishSending()
                    let found = try statuses(client.readToEnd())
                    // Another name or another coding; or a line that is none.
                    #expect(found == [200] || found == [400] || found == [501], "\(byte) \(place)")
                    #expect(canaries.value == 0, "byte \(byte) at \(place)")
                }
            }
        }
    }

    @Test func lengthOfAnUnreadBody_coversWhatLooksLikeARequest() async throws {
        let length = Self.canary.count
        try await withEcho { server, canaries in
            for method in ["GET", "HEAD", "DELETE", "OPTIONS", "TRACE", "POST", "X"] {
                let client = try server.client()
                try client.send(
                    "\(method) /none HTTP/1.1\r\nHost: x\r\nContent-Length: \(length)\r\n\r\n")
                try client.send(Self.canary)
                try client.send("GET /echo HTTP/1.1\r\nHost: x\r\n\r\n")
                client.finishSending()
                #expect(try statuses(client.readToEnd()) == [404, 200], "\(method)")
                #expect(canaries.value == 0, "\(method)")
            }
        }
    }
}
