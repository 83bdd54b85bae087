import Foundation
import Glibc
import Testing

/// TLS on the listeners, and the ways to the admin interface.
@Suite(.ownThreads, .timeLimit(.minutes(5))) struct DoorTests {
    let root: Root
    let files: TemporaryDirectory

    init() throws {
        root = try Root()
        files = try TemporaryDirectory()
        try makeCertificate("localhost")
        try root.must("install", Fixtures.bundle("sound"))
    }

    private var pair: [String] {
        ["--tls-certificate", files("site.crt"), "--tls-key", files("site.key")]
    }

    private func makeCertificate(_ name: String) throws {
        try Command.succeed([
            "/usr/bin/openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", files("site.key"), "-out",
            files("site.crt"), "-days", "30", "-subj", "/CN=\(name)", "-addext",
            "subjectAltName=DNS:localhost,IP:127.0.0.1",
        ])
    }

    private func curl(_ arguments: String...) throws -> Command {
        try Command.run(
            ["/usr/bin/curl", "--silent", "--show-error", "--max-time", "60"] + arguments)
    }

    /// A host that does not come up; lines of its log may stand before the reason.
    private func expectNoHost(_ arguments: [String], _ mentions: String...) throws {
        let command = try Command.run(
            [HostProcess.binary, "serve", "--root", root.path, "--listen", "127.0.0.1:0"]
                + arguments)
        #expect(command.status == 1, "\(command)")
        for text in ["error: ", "  why: ", "  fix: "] + mentions {
            #expect(command.errors.contains(text), "\(command)\ndoes not mention \(text)")
        }
    }

    private func port(after text: String, in all: () -> String) throws -> String {
        var found = ""
        try eventually("a port stands after \(text)", within: 60) {
            guard let range = all().range(of: text) else { return false }
            found = String(all()[range.upperBound...].prefix { $0.isNumber })
            return !found.isEmpty
        }
        return found
    }

    private func commonName(_ port: String) throws -> String {
        let told = try Command.run([
            "/bin/sh", "-c",
            "openssl s_client -connect 127.0.0.1:\(port) </dev/null 2>/dev/null | grep ^subject",
        ])
        return told.output
    }

    @Test func listener_speaksTLS_andTakesNewCertificatesWhileItServes() throws {
        let host = try HostProcess(root, options: ["--listen", "https://127.0.0.1:0"] + pair)
        let port = try port(after: "listening on https://127.0.0.1:") {
            host.process.standardOutput
        }
        let url = "https://localhost:\(port)/plugin/sound/api/hello"
        let answer = try curl("--cacert", files("site.crt"), url)
        #expect(answer.output == hello, "\(answer)")
        #expect(try host.hello("sound") == hello)
        let plain = try curl("http://127.0.0.1:\(port)/")
        #expect(plain.output == "This port takes HTTPS: write https:// in front\n")
        #expect(try commonName(port).contains("localhost"))
        // The change is found without a word.
        try makeCertificate("renewed")
        try eventually("the new certificate is shown", within: 60) {
            try commonName(port).contains("renewed")
        }
        // And at once with one.
        try makeCertificate("again")
        host.process.send(signal: SIGHUP)
        try eventually("the next certificate is shown", within: 60) {
            try commonName(port).contains("again")
        }
        try FileManager.default.removeItem(atPath: files("site.key"))
        host.process.send(signal: SIGHUP)
        try eventually("the failure is told", within: 60) {
            host.log.contains("the former certificates stay")
        }
        #expect(try curl("--cacert", files("site.crt"), url).output == hello)
    }

    @Test func listenerWithoutCertificate_isRefused() throws {
        try expectNoHost(
            ["--listen", "https://127.0.0.1:0"], "there is no certificate", "--tls-certificate")
        let odd = try root.host("serve", "--tls-key", files("site.key"))
        #expect(odd.status == 2)
        #expect(odd.errors.contains("go in pairs"))
    }

    @Test func adminInterface_isToBeHadOverTCP_withTLSAndTheTokenOnly() throws {
        let token = String(repeating: "0123456789abcdef", count: 4)
        try Data("\(token)\n".utf8).write(to: URL(fileURLWithPath: files("token")))
        let door = ["--admin-listen", "https://127.0.0.1:0"] + pair
        try expectNoHost(door, "only to those who have a token", "openssl rand")
        try FileManager.default.setAttributes(
            [.posixPermissions: 0o644], ofItemAtPath: files("token"))
        try expectNoHost(door + ["--admin-token", files("token")], "0644")
        try FileManager.default.setAttributes(
            [.posixPermissions: 0o600], ofItemAtPath: files("token"))
        let open = try root.host("serve", "--admin-listen", "127.0.0.1:0")
        #expect(open.status == 2 && open.errors.contains("with TLS only"), "\(open)")

        let host = try HostProcess(root, options: door + ["--admin-token", files("token")])
        let port = try port(after: "the admin interface is at https://127.0.0.1:") { host.log }
        let url = "https://localhost:\(port)/plugins"
        func ask(_ authorization: String) throws -> String {
            try curl(
                "--cacert", files("site.crt"), "--header", authorization, "--write-out",
                "%{http_code}", url
            ).output
        }
        let answer = try ask("Authorization: Bearer \(token)")
        #expect(answer.hasSuffix("200") && answer.contains("sound"), "\(answer)")
        for wrong in [
            "X-Other: x", "Authorization: Bearer \(token)0", "Authorization: Bearer ",
            "Authorization: Basic \(token)", "Authorization: \(token)",
        ] {
            let answer = try ask(wrong)
            #expect(answer.hasSuffix("401") && !answer.contains("sound"), "\(wrong): \(answer)")
        }
        let plain = try curl("http://127.0.0.1:\(port)/plugins")
        #expect(plain.output.hasPrefix("This port takes HTTPS"))
        #expect(try root.list() == ["sound"])
    }

    @Test func adminDoors_areNeverShut_whileTheEngineIsReplaced() throws {
        let path = files("admin.sock")
        let host = try HostProcess(root, options: ["--admin-listen", "unix:\(path)"])
        for _ in 0..<3 {
            let engine = host.engine
            #expect(kill(engine, SIGKILL) == 0)
            try eventually("the engine is gone") { !ProcessState(pid: engine).isAlive }
            let answer = try curl(
                "--unix-socket", path, "--write-out", "%{http_code}", "http://localhost/plugins")
            #expect(answer.output.hasSuffix("200"), "\(answer)")
        }
        #expect(try host.terminate() == 0)
        #expect(!FileManager.default.fileExists(atPath: path))
    }

    @Test(.enabled(if: getuid() == 0, "other users are tried as root"))
    func adminSocket_isOpenToTheUsersThatAreNamed_andToNobodyElse() throws {
        try FileManager.default.setAttributes(
            [.posixPermissions: 0o755], ofItemAtPath: files.path)
        let path = files("admin.sock")
        let host = try HostProcess(
            root, options: ["--admin-listen", "unix:\(path)", "--admin-uid", "65534"])
        func ask(as user: String) throws -> String {
            try Command.run([
                "/usr/bin/setpriv", "--reuid", user, "--clear-groups", "/usr/bin/curl", "--silent",
                "--show-error", "--write-out", "%{http_code}", "--unix-socket", path,
                "http://localhost/plugins",
            ]).output
        }
        #expect(try ask(as: "65534").hasSuffix("200"))
        #expect(try ask(as: "0").hasSuffix("200"))
        let other = try ask(as: "65533")
        #expect(other.hasSuffix("403") && other.contains("--admin-uid"), "\(other)")
        #expect(try host.terminate() == 0)
        #expect(!FileManager.default.fileExists(atPath: path))

        // Without a name the kernel keeps others out, and what is no socket is left alone.
        let closed = try HostProcess(root, options: ["--admin-listen", "unix:\(path)"])
        #expect(try ask(as: "65534").hasSuffix("000"))
        #expect(try ask(as: "0").hasSuffix("200"))
        #expect(try closed.terminate() == 0)
        try files.write("admin.sock", "mine")
        try expectNoHost(["--admin-listen", "unix:\(path)"], "no socket")
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "mine")
    }

    /// What a client says first, as often as it is wanted.
    private func clientHello() throws -> [UInt8] {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | O_CLOEXEC, 0)
        defer { close(listener) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let status = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, size) == 0 && listen(listener, 1) == 0
                    && getsockname(listener, $0, &size) == 0
            }
        }
        try #require(status)
        let port = UInt16(bigEndian: address.sin_port)
        let client = try ChildProcess([
            "/usr/bin/openssl", "s_client", "-connect", "127.0.0.1:\(port)",
        ])
        defer { client.kill() }
        let connection = accept(listener, nil, nil)
        defer { close(connection) }
        var bytes = [UInt8](repeating: 0, count: 16_384)
        let head = recv(connection, &bytes, 5, Int32(MSG_WAITALL))
        try #require(head == 5 && bytes[0] == 0x16)
        let length = Int(bytes[3]) << 8 | Int(bytes[4])
        let rest = recv(connection, &bytes[5], length, Int32(MSG_WAITALL))
        try #require(rest == length)
        return Array(bytes[..<(5 + length)])
    }

    @Test func brokenHandshakes_leaveNothingBehind() throws {
        let host = try HostProcess(root, options: ["--listen", "https://127.0.0.1:0"] + pair)
        let text = try port(after: "listening on https://127.0.0.1:") {
            host.process.standardOutput
        }
        let port = try #require(UInt16(text))
        let hello = try clientHello()
        func breakOff(_ count: Int) throws {
            for round in 0..<count {
                let client = try HTTPClient(port: port)
                // All that a client says, and then nothing; or not even that.
                let isWhole = !round.isMultiple(of: 4)
                try client.send(raw: isWhole ? hello : Array(hello.prefix(round % hello.count)))
                if isWhole { _ = try client.read(exactly: 5) }
            }
        }
        try breakOff(200)
        let url = "https://localhost:\(port)/plugin/sound/api/hello"
        #expect(try curl("--cacert", files("site.crt"), url).status == 0)
        let descriptors = host.state.fileDescriptorCount
        let bytes = host.state.residentBytes
        try breakOff(1_000)
        #expect(try curl("--cacert", files("site.crt"), url).status == 0)
        try eventually("descriptors are as before: \(descriptors)") {
            host.state.fileDescriptorCount <= descriptors
        }
        // A handshake takes up some 40 KB while it lasts.
        let grown = host.state.residentBytes - bytes
        #expect(grown < 16 << 20, "\(grown) bytes more are in use")
    }
}
