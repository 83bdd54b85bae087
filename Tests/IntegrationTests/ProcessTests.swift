import Confinement
import Foundation
import Testing

/// The interpreter of the programs below.
private enum Python {
    static let isThere =
        (try? Command.run(["/usr/bin/env", "python3", "-c", "import http.server"]))?.status == 0
}

/// Plugins that are programs, here in Python.
@Suite(.ownThreads, .timeLimit(.minutes(10)), .enabled(if: Python.isThere))
struct ProcessTests {
    private let root: Root
    private let host: HostProcess

    init() throws {
        root = try Root()
        host = try HostProcess(root)
    }

    private static let manifest = """
        {"name": "program", "version": "1.0.0", "abi": "1.0", "mode": "process",
         "process": {"command": ["python3", "lib/server.py"], "health": "/health"}}
        """

    /// A server that tells what it was asked, and how it was started.
    private static func server(_ word: String, _ extra: String = "") -> String {
        """
        import os, signal, socket, sys
        from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            def do_GET(self):
                if self.path == "/exit": os._exit(7)
                text = "\(word) %s %s %s %d" % (self.path, self.headers["X-Forwarded-Prefix"],
                    os.environ["PLUGIN_HOST_PLUGIN"], os.getpid())
                self.send_response(200)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())
            def log_request(self, *_): pass
            def address_string(self): return "unix"
        class Server(ThreadingHTTPServer):
            daemon_threads = True
            def get_request(self):
                return self.socket.accept()[0], ("unix", 0)
        \(extra)
        print("\(word) is up", flush=True)
        server = Server(None, Handler, bind_and_activate=False)
        server.socket = socket.socket(fileno=3)
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        server.serve_forever()
        """
    }

    private func bundle(
        _ directory: TemporaryDirectory, manifest: String = manifest, server: String
    ) throws -> String {
        let path = directory("bundle")
        try FileManager.default.createDirectory(
            atPath: path + "/lib", withIntermediateDirectories: true)
        try manifest.write(toFile: path + "/manifest.json", atomically: true, encoding: .utf8)
        try server.write(toFile: path + "/lib/server.py", atomically: true, encoding: .utf8)
        try Fixtures.pack(path, as: directory("bundle.tar.gz"))
        return directory("bundle.tar.gz")
    }

    @Test func program_serves_isReplaced_andStartedAgain_andLeavesNothing() throws {
        let directory = try TemporaryDirectory()
        try root.must("install", try bundle(directory, server: Self.server("one")))
        let first = try host.get("/plugin/program/api/a%20b?c=d")
        #expect(first.status == 200)
        #expect(first.text.hasPrefix("one /a%20b?c=d /plugin/program/api program "))
        let status = try root.status("program")
        #expect(status["mode"].string == "process")
        #expect(status["workers"].elements.count == 1)
        #expect(status["workers"].elements.first?["state"].string == "running")

        // What dies is started again; who comes meanwhile waits.
        _ = try? host.get("/plugin/program/api/exit")
        let again = try host.get("/plugin/program/api/")
        #expect(again.status == 200)
        #expect(again.text.hasPrefix("one / "))
        #expect(again.text != first.text)
        try root.waitForStatus("program", "was restarted") {
            $0["workers"].elements.first?["restarts"].number ?? 0 >= 1
        }

        // Replacing the file reloads it, as it does a library.
        let file = root.plugin("program") + "/lib/server.py"
        try Self.server("two").write(toFile: file, atomically: true, encoding: .utf8)
        try eventually("the new program answers") {
            try host.get("/plugin/program/api/").text.hasPrefix("two ")
        }

        try root.must("remove", "program")
        #expect(try host.get("/plugin/program/api/").status == 404)
        #expect(host.log.contains("one is up"))
        #expect(host.log.contains("two is up"))
    }

    @Test func programThatDoesNotStart_isRefusedWithItsLastWords() throws {
        let directory = try TemporaryDirectory()
        let bundle = try bundle(
            directory, server: Self.server("bad", "sys.exit('the database is gone')"))
        expectRefusal(try root.host("install", bundle), "program", "the database is gone")
        #expect(try root.list().isEmpty)
    }

    @Test func programMayMakeItsOwnSocket_andServeFromSeveralProcesses() throws {
        let directory = try TemporaryDirectory()
        let manifest = Self.manifest.replacingOccurrences(
            of: "\"health\"", with: "\"socket\": \"path\", \"instances\": 2, \"health\"")
        let server = Self.server("own").replacingOccurrences(
            of: "server.socket = socket.socket(fileno=3)",
            with: """
                server.socket = socket.socket(socket.AF_UNIX)
                server.socket.bind(os.environ["PLUGIN_HOST_SOCKET"])
                server.socket.listen(64)
                """)
        try root.must("install", try bundle(directory, manifest: manifest, server: server))
        #expect(try root.status("program")["workers"].elements.count == 2)
        var processes: Set<String> = []
        for _ in 0..<20 {
            let answer = try host.get("/plugin/program/api/x")
            #expect(answer.status == 200)
            processes.insert(String(answer.text.split(separator: " ").last ?? ""))
        }
        #expect(processes.count == 2)
        try root.must("deactivate", "program")
        let left = try FileManager.default.contentsOfDirectory(
            atPath: root.plugin("program") + "/run")
        #expect(left.filter { $0.hasPrefix("process-") || $0.hasPrefix("socket-") } == [])
    }

    /// Starts a process whose parent ends at once, which says its id.
    private static func orphan(_ name: String, _ leave: String) -> String {
        """
        child = os.fork()
        if child == 0:
            \(leave)
            if os.fork() == 0:
                print("\(name)", os.getpid(), flush=True)
                signal.pause()
            os._exit(0)
        os.waitpid(child, 0)

        """
    }

    @Test func whatAProgramLeaves_endsWithIt_andADaemonAtOnce() throws {
        let directory = try TemporaryDirectory()
        let server = Self.server(
            "one", Self.orphan("mate", "pass") + Self.orphan("daemon", "os.setsid()"))
        try root.must("install", try bundle(directory, server: server))
        func process(_ name: String) throws -> pid_t {
            let last = host.log.split(separator: "\n").last { $0.contains(" \(name) ") }
            return try #require(last?.split(separator: " ").last.flatMap { pid_t($0) })
        }
        func isAlive(_ process: pid_t) -> Bool { kill(process, 0) == 0 }
        try eventually("both have spoken") {
            host.log.contains(" mate ") && host.log.contains(" daemon ")
        }
        let (mate, daemon) = (try process("mate"), try process("daemon"))
        // Only confined processes are known to be a plugin's once they have left everything.
        if Confinement.offered().applied.contains(.systemCalls) {
            try eventually("the daemon is gone") { !isAlive(daemon) }
        }
        #expect(isAlive(mate))
        #expect(try host.get("/plugin/program/api/").status == 200)
        try root.must("deactivate", "program")
        try eventually("nothing is left") { !isAlive(mate) }
    }
}
