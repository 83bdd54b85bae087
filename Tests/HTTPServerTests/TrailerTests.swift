import HTTPServer
import HTTPWire
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(10)))
struct TrailerTests {
    private static let upload =
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        + "2\r\nhi\r\n0\r\nDigest: abc\r\nContent-Length: 9\r\n\r\n"

    private static func told(_ exchange: Exchange) -> String {
        exchange.trailers.map {
            String(decoding: $0.name) + "=" + String(decoding: $0.value)
        }.joined(separator: ",")
    }

    @Test func trailers_areThere_withTheWholeBody() async throws {
        let tells = TestApplication.Route.buffered { $0.answer(200, Self.told($0)) }
        try await withServer(["/": tells]) { server in
            let client = try server.client()
            #expect(try client.ask(Self.upload).text == "Digest=abc")
            #expect(try client.get("/").text == "")
            try client.send(Self.upload + Self.upload)
            for _ in 0..<2 { #expect(try client.response().text == "Digest=abc") }
        }
    }

    @Test func trailers_areThere_withTheLastPieceOfAStreamedBody() async throws {
        let tells = TestApplication.Route.streamed { exchange in
            let streamer = Streamer(exchange)
            var before = ""
            streamer.onBody = { _, isLast in
                if isLast {
                    exchange.answer(200, before + "|" + Self.told(exchange))
                } else {
                    before += Self.told(exchange)
                }
                return true
            }
            streamer.observe()
        }
        try await withServer(["/": tells], onEnded: Streamer.release) { server in
            let client = try server.client()
            for byte in Self.upload.utf8 { try client.send([byte]) }
            #expect(try client.response().text == "|Digest=abc")
        }
    }

    @Test func trailersOfAResponse_areSent_toAClientThatSaysItKeepsThem() async throws {
        let digests = TestApplication.Route.buffered { exchange in
            exchange.start()
            exchange.put("body")
            let result = withFields([("Digest", "abc"), ("X-Two", "2")]) {
                exchange.finish(trailers: $0)
            }
            #expect(result == .accepted)
        }
        let remote = TestApplication.Route.buffered { exchange in
            let remote = exchange.remote
            elsewhere {
                remote.start()
                remote.put("body")
                #expect(
                    withFields([("Digest", "abc"), ("X-Two", "2")]) {
                        remote.finish(trailers: $0)
                    } == .accepted)
            }
        }
        try await withServer(["/": digests, "/remote": remote]) { server in
            let client = try server.client()
            for path in ["/", "/remote"] {
                let request = "GET \(path) HTTP/1.1\r\nHost: x\r\n"
                try client.send(request + "TE: trailers\r\n\r\n")
                _ = try client.read(through: "\r\n\r\n")
                #expect(
                    try client.read(through: "X-Two: 2\r\n\r\n")
                        == "4\r\nbody\r\n0\r\nDigest: abc\r\nX-Two: 2\r\n\r\n")
                #expect(try client.ask(request + "\r\n").text == "body")
            }
            try client.send("GET / HTTP/1.0\r\nTE: trailers\r\n\r\n")
            _ = try client.read(through: "\r\n\r\n")
            #expect(String(decoding: try client.readToEnd(), as: UTF8.self) == "body")
        }
    }

    @Test func trailerThatSteers_orIsMalformed_isRefused_andTheBodyGoesOn() async throws {
        let tries = TestApplication.Route.buffered { exchange in
            exchange.start()
            for field in [("Content-Length", "3"), ("Set-Cookie", "a"), ("A", "b\r\nC: d")] {
                let result = withFields([field]) { exchange.finish(trailers: $0) }
                #expect(result == .fieldRefused)
            }
            exchange.put("whole")
            exchange.finish()
            let late = withFields([("A", "b")]) { exchange.finish(trailers: $0) }
            #expect(late == .outOfOrder)
        }
        try await withServer(["/": tries]) { server in
            let text = try server.client().get("/", "TE: trailers\r\n").text
            #expect(text == "whole")
        }
    }
}
