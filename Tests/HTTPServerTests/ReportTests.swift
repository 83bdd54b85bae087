import Foundation
import HTTPServer
import HTTPWire
import Synchronization
import Testing

/// Request names, problem documents, and the account that is kept of each exchange.
@Suite(.timeLimit(.minutes(10)))
struct ReportTests {
    /// What an application is told, copied.
    struct Account: Equatable {
        var path: String?
        var requestID = ""
        var status: UInt16 = 0
        var bodyBytes: UInt64 = 0
        var isCut = false
        var reachedApplication = true
    }

    private func problem(_ response: TestResponse) throws -> [String: Any] {
        #expect(response["content-type"] == "application/problem+json")
        let document = try JSONSerialization.jsonObject(with: Data(response.body))
        return try #require(document as? [String: Any])
    }

    /// Runs a test against a server and returns what was reported, when the server has stopped.
    private func reports(
        _ routes: [String: TestApplication.Route],
        _ body: (TestServer) async throws -> Void
    ) async throws -> [Account] {
        let accounts = Mutex<[Account]>([])
        let keep: @Sendable (ExchangeReport) -> Void = { report in
            let account = Account(
                path: report.exchange.map { String(decoding: $0.path) },
                requestID: String(decoding: report.requestID), status: report.status,
                bodyBytes: report.bodyBytes, isCut: report.isCut,
                reachedApplication: report.reachedApplication)
            accounts.withLock { $0.append(account) }
        }
        try await withServer(
            routes, onReport: keep, configure: { $0.reportsExchanges = true }, body)
        return accounts.withLock { $0 }
    }

    // MARK: Names

    @Test func clientsRequestID_comesBack() async throws {
        try await withServer(["/": .hello]) { server in
            let client = try server.client()
            #expect(try client.get("/", "X-Request-ID: abc-1\r\n")["x-request-id"] == "abc-1")
            #expect(try client.get("/")["x-request-id"] == nil)
            #expect(try client.get("/", "X-Request-ID: a b\r\n")["x-request-id"] == nil)
        }
    }

    @Test func requestID_isSaid_onceSomebodyHasAskedForIt() async throws {
        let asks = TestApplication.Route.buffered { exchange in
            exchange.answer(200, String(decoding: exchange.requestID))
        }
        let asksElsewhere = TestApplication.Route.buffered { exchange in
            let remote = exchange.remote
            elsewhere { remote.answer(200, String(decoding: exchange.requestID)) }
        }
        try await withServer(["/": asks, "/elsewhere": asksElsewhere]) { server in
            let client = try server.client()
            var seen: Set<String> = []
            for path in ["/", "/elsewhere", "/", "/elsewhere"] {
                let response = try client.get(path)
                #expect(response["x-request-id"] == response.text)
                #expect(response.text.utf8.count == 32)
                seen.insert(response.text)
            }
            #expect(seen.count == 4)
        }
    }

    @Test func applicationsOwnRequestID_isNotDoubled() async throws {
        let own = TestApplication.Route.buffered { $0.answer(200, "", [("x-request-id", "mine")]) }
        try await withServer(["/": own]) { server in
            let response = try server.client().get("/", "X-Request-ID: yours\r\n")
            #expect(response.fields.filter { $0.name == "x-request-id" }.map(\.value) == ["mine"])
        }
    }

    @Test func traceparent_isKept_whenItIsValidAndAlone_elseMade() async throws {
        let tells = TestApplication.Route.buffered { exchange in
            exchange.answer(200, String(decoding: exchange.traceparent))
        }
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        try await withServer(["/": tells]) { server in
            let client = try server.client()
            #expect(try client.get("/", "Traceparent: \(good)\r\n").text == good)
            for fields in ["", "traceparent: x\r\n", "traceparent: \(good)\r\ntraceparent: y\r\n"] {
                let made = try client.get("/", fields).text
                #expect(made != good)
                #expect(Array(made.utf8).withUnsafeBytes { TraceParent.isValid(ByteSlice($0)) })
            }
        }
    }

    // MARK: Problem documents

    @Test(arguments: [
        ("GET / HTTP/1.1\r\n\r\n", 400), ("GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        ("GET /\(String(repeating: "a", count: 9_000)) HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        ("GET / HTTP/1.1\r\nHost: x\r\nA: \(String(repeating: "a", count: 40_000))\r\n\r\n", 431),
        ("GET / HTTP/1.1\r\nHost: x\r\nExpect: tea\r\n\r\n", 417),
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
        ("GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("POST /small HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n", 413),
    ])
    func refusal_isAProblemDocument(request: String, status: Int) async throws {
        try await withServer(["/": .hello, "/small": .buffered(8) { _ in }]) { server in
            let response = try server.client().ask(request)
            #expect(response.status == status)
            let problem = try problem(response)
            #expect(problem["status"] as? Int == status)
            #expect(problem["type"] as? String == "about:blank")
            #expect((problem["title"] as? String)?.isEmpty == false)
            #expect((problem["detail"] as? String)?.isEmpty == false)
            #expect(problem["request_id"] as? String == response["x-request-id"])
        }
    }

    @Test func refusal_namesThePath_andTheClientsRequestID() async throws {
        try await withServer(["/small": .buffered(8) { _ in }]) { server in
            let response = try server.client().ask(
                "POST /small HTTP/1.1\r\nHost: x\r\nX-Request-ID: r1\r\nContent-Length: 9\r\n\r\n")
            let problem = try problem(response)
            #expect(problem["instance"] as? String == "/small")
            #expect(problem["request_id"] as? String == "r1")
        }
    }

    @Test func refusalOfHead_hasNoBody() async throws {
        try await withServer([:]) { server in
            let client = try server.client()
            try client.send("HEAD /%zz HTTP/1.1\r\nHost: x\r\n\r\n")
            #expect(try client.response(toHead: true).status == 400)
            #expect(try client.readToEnd().isEmpty)
        }
    }

    // MARK: Accounts

    @Test func exchange_isReported_withStatusBytesAndName() async throws {
        let streams = TestApplication.Route.buffered { exchange in
            exchange.start()
            exchange.put("hello ")
            exchange.put("world")
            exchange.finish()
        }
        let remote = TestApplication.Route.buffered { exchange in
            let remote = exchange.remote
            elsewhere { remote.answer(201, "made") }
        }
        let accounts = try await reports(["/": .hello, "/stream": streams, "/remote": remote]) {
            let client = try $0.client()
            for path in ["/", "/stream", "/remote"] {
                let response = try client.get(path, "X-Request-ID: r\(path)\r\n")
                #expect(response["x-request-id"] == "r\(path)")
            }
            _ = try client.ask("HEAD / HTTP/1.1\r\nHost: x\r\nX-Request-ID: h\r\n\r\n")
        }
        #expect(
            accounts == [
                Account(path: "/", requestID: "r/", status: 200, bodyBytes: 5),
                Account(path: "/stream", requestID: "r/stream", status: 200, bodyBytes: 11),
                Account(path: "/remote", requestID: "r/remote", status: 201, bodyBytes: 4),
                Account(path: "/", requestID: "h", status: 200, bodyBytes: 0),
            ])
    }

    @Test func everyResponse_hasAName_whenExchangesAreReported() async throws {
        let accounts = try await reports(["/": .hello]) { server in
            let client = try server.client()
            for _ in 0..<3 {
                #expect(try client.get("/")["x-request-id"]?.utf8.count == 32)
            }
        }
        #expect(Set(accounts.map(\.requestID)).count == 3)
    }

    @Test func whatCannotBeRead_isReportedToo() async throws {
        var name: String?
        let accounts = try await reports([:]) { server in
            name = try server.client().ask("GET\r\n\r\n")["x-request-id"]
        }
        #expect(accounts.count == 1)
        #expect(accounts.first?.path == nil)
        #expect(accounts.first?.status == 400)
        #expect(accounts.first?.reachedApplication == false)
        #expect(accounts.first?.requestID == name)
    }

    @Test func clientThatLeaves_isReportedAs499_orWithTheStatusThatItGot() async throws {
        let left = Signal()
        let waits = TestApplication.Route.streamed { exchange in
            exchange.observe(
                ExchangeObserver(
                    context: exchange.opaque,
                    onClosed: { context, _ in
                        guard let context else { return }
                        Exchange(opaque: context).abort()
                    }))
            if exchange.head.hasQuery {
                exchange.start()
                exchange.put("part")
            }
            left.set()
        }
        let accounts = try await reports(["/": waits]) { server in
            for path in ["/", "/?begun"] {
                let client = try server.client()
                try client.send("GET \(path) HTTP/1.1\r\nHost: x\r\n\r\n")
                if path == "/" { await left.wait() } else { _ = try client.read(through: "part") }
                client.closeWithReset()
                while server.server.reactors[0].connectionCount > 0 { await server.settle() }
            }
        }
        #expect(accounts.map(\.status) == [499, 200])
        #expect(accounts.map(\.isCut) == [true, true])
        #expect(accounts.map(\.bodyBytes) == [0, 4])
    }
}
