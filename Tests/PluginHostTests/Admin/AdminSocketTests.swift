import Glibc
import HostModel
import Testing

@testable import PluginHost

@Suite struct AdminSocketTests {
    /// A directory of its own that goes away with it.
    final class Place {
        let path: String

        init(depth: Int = 0) {
            var template = Array("/tmp/admin-XXXXXX".utf8CString)
            mkdtemp(&template)
            var path = String(
                decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
            for _ in 0..<depth {
                path += "/a-directory-with-a-long-name"
                mkdir(path, 0o755)
            }
            self.path = path
        }

        var socket: String { path + "/host.sock" }

        deinit { _ = try? Directory.remove(String(path.prefix("/tmp/admin-XXXXXX".utf8.count))) }
    }

    private func server(
        _ place: Place, answer: @escaping AdminServer.Answer
    ) throws -> AdminServer {
        let server = try AdminServer(
            path: place.socket, status: { $0.code == "missing" ? 404 : 409 }, answer: answer)
        try server.start()
        return server
    }

    /// Sends the text and reads to the end, on a thread that may block: the answer itself is made
    /// in the cooperative pool.
    private func exchange(_ text: String, _ place: Place) async throws -> [UInt8] {
        let path = place.socket
        return try await Blocking.run {
            let descriptor = try #require(try AdminSocket.connect(to: path))
            let socket = Descriptor(owning: descriptor, path: path)
            #expect(write(descriptor, text, text.utf8.count) == text.utf8.count)
            return try socket.readAll(bytesMax: 65_536)
        }
    }

    @Test func otherMethod_isAnsweredWithWhatIsAllowed() async throws {
        let place = Place()
        let server = try AdminServer(
            path: place.socket, status: AdminAPI.httpStatus(of:), methods: AdminAPI.methods(of:)
        ) { request throws(HostError) in
            throw HostError("method_not_allowed", what: request.path, why: "", fix: "")
        }
        try server.start()
        let text = "PUT /plugins HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        let answer = String(decoding: try await exchange(text, place), as: UTF8.self)
        #expect(answer.contains("\r\nAllow: GET, HEAD, POST\r\n"), "\(answer)")
        await server.stop()
    }

    private func echo(_ place: Place) throws -> AdminServer {
        try server(place) { request throws(HostError) in
            [
                "method": .string(request.method), "path": .string(request.path),
                "body": request.body ?? .null,
            ]
        }
    }

    @Test(arguments: [0, 5]) func request_isAnswered_howeverLongThePathIs(depth: Int) async throws {
        let place = Place(depth: depth)
        let server = try echo(place)
        let client = try #require(AdminClient(socket: place.socket))
        let json = try await client.send(
            "POST", "/plugins/a b%", body: ["path": "/x\"y", "list": [1, true, nil]])
        #expect(
            json == [
                "method": "POST", "path": "/plugins/a b%",
                "body": ["path": "/x\"y", "list": [1, true, nil]],
            ])
        #expect(try await client.send("GET", "/plugins")["body"] == .null)
        await server.stop()
    }

    @Test func socket_isForItsOwnerOnly_whateverTheUmask() async throws {
        let place = Place()
        let server = try echo(place)
        var status = stat()
        #expect(stat(place.socket, &status) == 0)
        #expect(status.st_mode & 0o777 == 0o600)
        await server.stop()
        #expect(stat(place.socket, &status) != 0)
    }

    @Test func errorOfTheAnswer_comesOutOfTheClient() async throws {
        let place = Place()
        let thrown = HostError(
            "missing", what: "it is missing", subject: "it", why: ["one", "two"], fix: "find it")
        let server = try server(place) { _ throws(HostError) in throw thrown }
        let client = try #require(AdminClient(socket: place.socket))
        let caught = await #expect(throws: HostError.self) { try await client.send("GET", "/x") }
        #expect(caught == thrown)
        await server.stop()
    }

    @Test func bodyThatIsNotJSON_isRefused_andNotAnswered() async throws {
        let place = Place()
        let asked = Recorder<String>()
        let server = try server(place) { request throws(HostError) in
            asked.add(request.path)
            return nil
        }
        let text = "POST /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1\r\n\r\n{"
        let answer = try #require(AdminAnswer(try await exchange(text, place)))
        #expect(answer.status == 400)
        #expect(try HostError(json: JSON.parse(answer.body)).code == "json_invalid")
        #expect(asked.all.isEmpty)
        await server.stop()
    }

    @Test func client_isNil_whenNobodyListens() async throws {
        let place = Place()
        #expect(AdminClient(socket: place.socket) == nil)
        #expect(AdminClient(socket: "/no/such/directory/host.sock") == nil)
        let server = try echo(place)
        #expect(AdminClient(socket: place.socket) != nil)
        await server.stop()
        #expect(AdminClient(socket: place.socket) == nil)
    }

    @Test func staleSocket_isReplaced() async throws {
        let place = Place()
        let stale = try AdminSocket.listen(at: place.socket)
        close(stale)
        #expect(AdminClient(socket: place.socket) == nil)
        let server = try echo(place)
        #expect(AdminClient(socket: place.socket) != nil)
        await server.stop()
    }

    @Test func slowAnswer_holdsUpNobodyElse() async throws {
        let place = Place()
        let gate = Recorder<Int>()
        let arrived = Recorder<Int>()
        let server = try server(place) { request throws(HostError) in
            if request.path == "/slow" {
                arrived.add(1)
                _ = await gate.wait()
            }
            return .string(request.path)
        }
        let client = try #require(AdminClient(socket: place.socket))
        async let slow = client.send("GET", "/slow")
        _ = await arrived.wait()
        #expect(try await client.send("GET", "/fast") == "/fast")
        gate.add(1)
        #expect(try await slow == "/slow")
        await server.stop()
    }

    @Test(arguments: [
        "", "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
        "HTTP/1.1 2", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
    ])
    func answer_isNotBelieved_whenItIsCutShort(text: String) {
        #expect(AdminAnswer(Array(text.utf8)) == nil)
    }
}
