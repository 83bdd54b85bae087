import Foundation
import HTTPServer
import HTTPWire
import Synchronization
import Testing

/// Clients that do anything at any time, against every kind of handler, while the reactors move.
///
/// What must hold: each exchange that was handed over ends exactly once, the server answers as
/// before when it is over, and no connection is left.
@Suite(.timeLimit(.minutes(10)))
struct ChaosTests {
    @Test(arguments: [1, 20_261_121, 77_777_777] as [UInt64])
    func everyExchange_endsOnce(seed: UInt64) async throws {
        let book = Book()
        let server = try TestServer(
            routes(), reactors: 2, onRouted: { book.begin($0) },
            onEnded: { exchange in
                book.end(exchange)
                if exchange.path == "/stream" || exchange.path == "/upload" {
                    Streamer.release(exchange)
                }
            },
            configure: {
                $0.outputHighWaterBytes = 32 << 10
                $0.outputLowWaterBytes = 8 << 10
                $0.pipelinedMax = 3
                $0.idleTimeoutSeconds = 0.2
                $0.headTimeoutSeconds = 0.3
                $0.bodyTimeoutSeconds = 0.3
                $0.requestsPerConnectionMax = 20
            })
        try await onOwnThread {
            let clients = (0..<8).map { index in
                Background {
                    var random = Random(state: seed &+ UInt64(index) &* 0x9E37_79B9_7F4A_7C15)
                    for _ in 0..<60 { Self.act(&random, port: server.port) }
                }
            }
            for _ in 0..<10 { try await server.server.moveReactorsToFreshThreads() }
            for client in clients { try await client.value }
            let last = try server.client()
            #expect(try last.get("/now").text == "now", "seed \(seed)")
        }
        await server.server.stop(drainSeconds: 2)
        let (begun, ended, wrong) = book.totals
        #expect(begun > 0)
        #expect(begun == ended, "seed \(seed)")
        #expect(wrong == 0, "seed \(seed)")
        #expect(server.server.reactors.allSatisfy { $0.connectionCount == 0 }, "seed \(seed)")
    }

    /// Who has begun and not ended yet; the address tells the exchanges of one moment apart.
    private final class Book: Sendable {
        private struct Pages {
            var open: Set<UInt> = []
            var begun = 0
            var ended = 0
            var wrong = 0
        }
        private let pages = Mutex(Pages())

        var totals: (Int, Int, Int) { pages.withLock { ($0.begun, $0.ended, $0.wrong) } }

        func begin(_ exchange: Exchange) {
            let key = UInt(bitPattern: exchange.opaque)
            pages.withLock {
                $0.begun += 1
                if !$0.open.insert(key).inserted { $0.wrong += 1 }
            }
        }

        func end(_ exchange: Exchange) {
            let key = UInt(bitPattern: exchange.opaque)
            pages.withLock {
                $0.ended += 1
                if $0.open.remove(key) == nil { $0.wrong += 1 }
            }
        }
    }

    private func routes() -> [String: TestApplication.Route] {
        [
            "/now": .buffered { $0.answer(200, "now") },
            "/later": .buffered { exchange in
                let remote = exchange.remote
                elsewhere { remote.answer(200, String(repeating: "late", count: 5_000)) }
            },
            "/never": .buffered { exchange in
                let remote = exchange.remote
                elsewhere { remote.abort() }
            },
            "/stream": .streamed { exchange in
                let streamer = Streamer(exchange)
                var left = 40
                let piece = String(repeating: "x", count: 9_000)
                func go() {
                    while left > 0 {
                        let result = exchange.put(piece)
                        guard result == .accepted || result == .full else { return }
                        left -= 1
                        if result == .full { return }
                    }
                    exchange.finish()
                }
                streamer.onWritable = go
                streamer.onClosed = { _ in exchange.abort() }
                streamer.observe()
                exchange.start()
                go()
            },
            "/upload": .streamed { exchange in
                let remote = exchange.remote
                let streamer = Streamer(exchange)
                var count = 0
                streamer.onBody = { bytes, isLast in
                    count += bytes.count
                    if isLast { exchange.answer(200, "\(count)") }
                    if count % 3 == 0 {
                        elsewhere { remote.resumeBody() }
                        return false
                    }
                    return true
                }
                streamer.onClosed = { _ in elsewhere { remote.abort() } }
                streamer.observe()
            },
        ]
    }

    private static func act(_ random: inout Random, port: UInt16) {
        guard let client = try? TestClient(port: port, timeoutSeconds: 5) else { return }
        let paths = ["/now", "/later", "/never", "/stream", "/upload", "/none", "/../x"]
        var bytes: [UInt8] = []
        for _ in 0...random.below(4) {
            let path = paths[random.below(paths.count)]
            switch random.below(6) {
            case 0, 1: bytes += Array("GET \(path) HTTP/1.1\r\nHost: x\r\n\r\n".utf8)
            case 2:
                let count = random.below(40_000)
                bytes += Array(
                    "POST \(path) HTTP/1.1\r\nHost: x\r\nContent-Length: \(count)\r\n\r\n".utf8)
                bytes += [UInt8](repeating: 0x62, count: count)
            case 3:
                bytes += Array(
                    "POST \(path) HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".utf8)
                for _ in 0...random.below(5) {
                    let count = 1 + random.below(9_000)
                    bytes += Array("\(String(count, radix: 16))\r\n".utf8)
                    bytes += [UInt8](repeating: 0x63, count: count) + [0x0D, 0x0A]
                }
                bytes += Array("0\r\n\r\n".utf8)
            case 4: bytes += Array("GET \(path) HTTP/1.0\r\n\r\n".utf8)
            default:
                bytes += Array("PUT \(path) HTTP/1.1\r\nHost: x\r\n".utf8)
                bytes += Array("Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc".utf8)
            }
        }
        if random.below(4) == 0, !bytes.isEmpty {
            for _ in 0...random.below(3) {
                bytes[random.below(bytes.count)] = UInt8(truncatingIfNeeded: random.next())
            }
        }
        if random.below(3) == 0 { bytes = Array(bytes.prefix(random.below(bytes.count + 1))) }
        var rest = bytes[...]
        while !rest.isEmpty {
            let cut = min(rest.count, 1 + random.below(random.below(2) == 0 ? 50 : 20_000))
            guard (try? client.send(Array(rest.prefix(cut)))) != nil else { return }
            rest = rest.dropFirst(cut)
        }
        switch random.below(4) {
        case 0: client.closeWithReset()
        case 1: return
        case 2:
            client.finishSending()
            _ = try? client.countToEnd()
        default: _ = try? client.read(count: 1 + random.below(5_000))
        }
    }

    /// A small generator of the same numbers everywhere.
    private struct Random {
        var state: UInt64

        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var mixed = state
            mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
            return mixed ^ (mixed >> 31)
        }

        mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(max(1, bound))) }
    }
}
