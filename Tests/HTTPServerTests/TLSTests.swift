import CLinux
import COpenSSL
import Foundation
import FuzzSupport
import HTTPServer
import Synchronization
import Testing

/// Clients that speak TLS, and others that do not.
@Suite(.timeLimit(.minutes(2)))
struct TLSTests {
    let files: TestCertificates
    let certificates: TLSCertificates

    init() throws {
        files = try TestCertificates(["first.example"], ["second.example", "*.wild.example"])
        certificates = try TLSCertificates([files.pair(0), files.pair(1)])
    }

    private static let large = (0..<1_000_001).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }

    private var routes: [String: TestApplication.Route] {
        [
            "/": .hello, "/echo": .echo, "/socket": .echoSocket(),
            "/secure": .buffered { exchange in
                _ = exchange.answer(200, exchange.isSecure ? "yes" : "no")
            },
            "/large": .buffered { exchange in
                _ = Self.large.withUnsafeBytes { bytes in
                    withFields([]) { exchange.respond(status: 200, fields: $0, body: bytes) }
                }
            },
        ]
    }

    private func withSecureServer(
        reactors: Int = 1, headSeconds: Double = 15, _ body: (TestServer) async throws -> Void
    ) async throws {
        try await withServer(
            routes, reactors: reactors, certificates: certificates,
            configure: { $0.headTimeoutSeconds = headSeconds }, body)
    }

    private func secureClient(_ server: TestServer, name: String? = nil) throws -> TestClient {
        let client = try server.client()
        try client.shakeHands(name: name)
        return client
    }

    private func commonName(_ client: TestClient) -> String {
        guard let certificate = SSL_get1_peer_certificate(client.tls) else { return "" }
        defer { X509_free(certificate) }
        var text = [CChar](repeating: 0, count: 256)
        X509_NAME_oneline(X509_get_subject_name(certificate), &text, 256)
        let bytes = text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        return String(decoding: bytes, as: UTF8.self)
    }

    // MARK: - Requests

    @Test func requests_areAnsweredOnOneConnection_alsoPipelined() async throws {
        try await withSecureServer { server in
            let client = try secureClient(server)
            #expect(String(cString: SSL_get_version(client.tls)) == "TLSv1.3")
            for _ in 0..<20 { #expect(try client.get("/").text == "hello") }
            var batch = ""
            for index in 0..<300 {
                batch += "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n"
                batch += String(index + 100)
            }
            try client.send(batch)
            for index in 0..<300 { #expect(try client.response().text == String(index + 100)) }
        }
    }

    @Test func application_isTold_whetherTheRequestIsSecure() async throws {
        try await withSecureServer { server in
            let client = try secureClient(server)
            #expect(try client.get("/secure").text == "yes")
        }
        try await withServer(routes) { server in
            let client = try server.client()
            #expect(try client.get("/secure").text == "no")
        }
    }

    @Test func largeBodies_arriveWhole_inBothDirections_alsoAtASlowReader() async throws {
        try await withSecureServer { server in
            let client = try server.client(receiveBufferBytes: 4_096)
            try client.shakeHands()
            let asked = String(repeating: "GET /large HTTP/1.1\r\nHost: x\r\n\r\n", count: 3)
            try client.send(asked)
            for _ in 0..<3 { #expect(try client.response().body.elementsEqual(Self.large)) }
            let body = (0..<300_000).map { UInt8(97 + $0 % 26) }
            try client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n")
            try client.send(body)
            #expect(try client.response().body == body)
        }
    }

    @Test func largeFile_arrivesWhole() async throws {
        let directory = try TestDirectory()
        try directory.write("big.bin", Self.large)
        try await FileServer.serving(directory, certificates: certificates) { port in
            let client = try TestClient(port: port)
            try client.shakeHands()
            try client.send(
                String(repeating: "GET /files/big.bin HTTP/1.1\r\nHost: x\r\n\r\n", count: 2))
            for _ in 0..<2 { #expect(try client.response().body.elementsEqual(Self.large)) }
            let part = try client.get("/files/big.bin", "Range: bytes=500000-999999\r\n")
            #expect(part.status == 206)
            #expect(part.body.elementsEqual(Self.large[500_000...999_999]))
        }
    }

    @Test func webSocket_goesOverTLS() async throws {
        try await withSecureServer { server in
            let socket = try SocketClient(over: secureClient(server), "/socket")
            for index in 0..<50 {
                try socket.send("message \(index)")
                #expect(try socket.frame().text == "message \(index)")
            }
        }
    }

    @Test func connectionThatCloses_saysSoFirst() async throws {
        try await withSecureServer { server in
            let client = try secureClient(server)
            try client.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            #expect(try client.response().text == "hello")
            // An end without a word would be an error here.
            #expect(try client.readToEnd().isEmpty)
            // A client that has said its last word is still answered.
            let other = try secureClient(server)
            try other.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            SSL_shutdown(other.tls)
            #expect(try other.response().text == "hello")
            #expect(try other.readToEnd().isEmpty)
        }
    }

    // MARK: - Who does not speak it

    @Test func clientWithoutTLS_isToldSo() async throws {
        try await withSecureServer { server in
            for method in ["GET", "DELETE", "PROPFIND"] {
                let response = try server.client().ask("\(method) / HTTP/1.1\r\nHost: x\r\n\r\n")
                #expect(response.status == 400)
                #expect(response.text == "This port takes HTTPS: write https:// in front\n")
            }
            #expect(try secureClient(server).get("/").text == "hello")
        }
    }

    @Test func silentAndHalfHandshakes_endWithTheTimeForAHead() async throws {
        try await withSecureServer(headSeconds: 0.2) { server in
            let silent = try server.client()
            #expect(silent.isClosedByPeer())
            let half = try server.client()
            try half.send([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01])
            #expect(half.isClosedByPeer())
            // A handshake wins no time for the head.
            #expect(throws: TestClient.Failure.self) { try secureClient(server).response() }
        }
    }

    @Test func rubbish_closesItsConnectionAndNoOther() async throws {
        try await withSecureServer { server in
            let witness = try secureClient(server)
            let seed = UInt64.random(in: 0...UInt64.max)
            var random = FuzzRandom(seed: seed)
            for round in 0..<200 {
                let client = try server.client()
                var bytes = (0..<Int.random(in: 1...600, using: &random)).map { _ in
                    UInt8.random(in: 0...255, using: &random)
                }
                if round % 2 == 0 {
                    // What looks like a handshake gets further.
                    bytes =
                        [0x16, 0x03, 0x01, UInt8(bytes.count >> 8), UInt8(bytes.count & 0xFF)]
                        + [1, 0, 0, UInt8(truncatingIfNeeded: bytes.count - 4)] + bytes
                }
                try? client.send(bytes)
                client.finishSending()
                _ = try? client.readToEnd()
                #expect(try witness.get("/").text == "hello", "seed \(seed), round \(round)")
            }
        }
    }

    @Test func brokenRecord_endsTheConnection_withoutAnAnswer() async throws {
        try await withSecureServer { server in
            let client = try secureClient(server)
            #expect(try client.get("/").text == "hello")
            let record: [UInt8] = [0x17, 0x03, 0x03, 0x00, 0x20] + Array(repeating: 7, count: 32)
            #expect(
                record.withUnsafeBytes { linux_send(client.descriptor, $0.baseAddress, 37, 0) }
                    == 37)
            #expect(throws: TestClient.Failure.self) { try client.response() }
            #expect(try secureClient(server).get("/").text == "hello")
        }
    }

    // MARK: - What is agreed on

    @Test func oldVersionsAndOtherProtocols_areRefused() async throws {
        try await withSecureServer { server in
            func shake(_ protocols: [UInt8] = [], _ prepare: (OpaquePointer) -> Void) throws {
                try server.client().shakeHands(protocols: protocols, prepare: prepare)
            }
            func limit(_ version: Int32) -> (OpaquePointer) -> Void {
                { tls in
                    SSL_set_security_level(tls, 0)
                    SSL_ctrl(tls, SSL_CTRL_SET_MAX_PROTO_VERSION, Int(version), nil)
                }
            }
            try shake { limit(TLS1_2_VERSION)($0) }
            #expect(throws: TestClient.Failure.self) { try shake { limit(TLS1_1_VERSION)($0) } }
            #expect(throws: TestClient.Failure.self) {
                try shake {
                    limit(TLS1_2_VERSION)($0)
                    SSL_set_cipher_list($0, "AES128-SHA:AES256-SHA256:AES128-GCM-SHA256")
                }
            }
            let http1 = Array("\u{8}http/1.1".utf8)
            let http2 = Array("\u{2}h2".utf8)
            let client = try server.client()
            try client.shakeHands(protocols: http2 + http1)
            var chosen: UnsafePointer<UInt8>?
            var count: UInt32 = 0
            SSL_get0_alpn_selected(client.tls, &chosen, &count)
            #expect(
                String(
                    decoding: UnsafeBufferPointer(start: chosen, count: Int(count)), as: UTF8.self)
                    == "http/1.1")
            #expect(throws: TestClient.Failure.self) { try shake(http2) { _ in } }
        }
    }

    @Test func certificate_isChosenByTheName() async throws {
        try await withSecureServer { server in
            for (name, expected) in [
                (nil, "first"), ("first.example", "first"), ("SECOND.example", "second"),
                ("a.wild.example", "second"), ("a.b.wild.example", "first"),
                ("nobody.example", "first"),
            ] {
                let client = try secureClient(server, name: name)
                #expect(commonName(client) == "/CN=\(expected).example", "\(name ?? "none")")
                #expect(try client.get("/").text == "hello")
            }
        }
    }

    @Test func certificatesReadAgain_areShownToNewClients_andOldOnesStay() async throws {
        try await withSecureServer { server in
            let old = try secureClient(server)
            try files.make(0, ["renewed.example"])
            try certificates.reload()
            #expect(commonName(try secureClient(server)) == "/CN=renewed.example")
            #expect(try old.get("/").text == "hello")
            // A key that does not belong to its certificate changes nothing.
            let pair = files.pair(0)
            try FileManager.default.removeItem(atPath: pair.key)
            try FileManager.default.copyItem(atPath: files.pair(1).key, toPath: pair.key)
            let error = #expect(throws: ServerError.self) { try certificates.reload() }
            #expect(error?.code == .certificateInvalid)
            #expect(error?.subject == pair.certificate)
            #expect(commonName(try secureClient(server)) == "/CN=renewed.example")
            #expect(try old.get("/").text == "hello")
        }
    }

    @Test func certificates_areRefused_whenTheirFilesAreNot() throws {
        func refusal(_ certificate: String, _ key: String) -> ServerError? {
            #expect(throws: ServerError.self) {
                try TLSCertificates([
                    files.pair(0), TLSCertificates.Pair(certificate: certificate, key: key),
                ])
            }
        }
        let pair = files.pair(1)
        #expect(refusal("/nowhere", pair.key)?.reasons.joined().contains("No such file") == true)
        #expect(refusal(pair.certificate, "/nowhere")?.subject == pair.certificate)
        #expect(refusal(pair.key, pair.certificate) != nil)
    }

    @Test func session_isResumedByItsTicket() async throws {
        try await withSecureServer(reactors: 2) { server in
            let first = try secureClient(server)
            // The tickets come behind the handshake.
            #expect(try first.get("/").text == "hello")
            let session = SSL_get1_session(first.tls)
            defer { SSL_SESSION_free(session) }
            let second = try server.client()
            try second.shakeHands(resuming: session)
            #expect(SSL_session_reused(second.tls) == 1)
            #expect(try second.get("/").text == "hello")
        }
    }

    // MARK: - Cost

    @Test func handshakes_leaveNothingBehind() async throws {
        try await withSecureServer(reactors: 2) { server in
            func shake(_ count: Int) throws {
                for index in 0..<count {
                    let client = try secureClient(server, name: "second.example")
                    if index % 4 == 0 { #expect(try client.get("/").text == "hello") }
                }
            }
            try shake(50)
            let count = ProcessInfo.processInfo.environment["TLS_HANDSHAKES"].flatMap(Int.init)
            try shake(count ?? 300)
            while server.server.reactors.contains(where: { $0.connectionCount > 0 }) {
                await server.settle()
            }
            #expect(server.application.endedCount.load(ordering: .relaxed) > 0)
        }
    }
}
