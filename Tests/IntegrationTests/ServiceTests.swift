import Foundation
import Glibc
import Testing

/// What a service manager is told, and what the host takes from it.
@Suite(.ownThreads, .timeLimit(.minutes(5))) struct ServiceTests {
    /// A socket that hears what a service says of itself.
    private final class Manager {
        let path: String
        private let directory: TemporaryDirectory
        private let descriptor: Int32
        private var heard: [String] = []

        init() throws {
            directory = try TemporaryDirectory()
            path = directory("notify")
            descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | O_CLOEXEC, 0)
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
            let size = socklen_t(MemoryLayout<sockaddr_un>.size)
            let result = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, size) }
            }
            try #require(result == 0)
        }

        deinit { close(descriptor) }

        func hears(_ text: String) throws {
            try eventually("the manager hears \(text)") {
                var buffer = [UInt8](repeating: 0, count: 1_024)
                let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
                if count > 0 {
                    heard.append(String(decoding: buffer[..<count], as: UTF8.self))
                }
                guard let index = heard.firstIndex(where: { $0.contains(text) }) else {
                    return false
                }
                heard.removeFirst(index + 1)
                return true
            }
        }
    }

    @Test func manager_isToldHowTheHostIs() throws {
        let manager = try Manager()
        let root = try Root()
        let host = try HostProcess(
            root, environment: ["NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "200000"])
        try manager.hears("READY=1")
        try manager.hears("WATCHDOG=1")
        host.process.send(signal: SIGHUP)
        try manager.hears("RELOADING=1\nMONOTONIC_USEC=")
        try manager.hears("READY=1")
        host.process.send(signal: SIGTERM)
        try manager.hears("STOPPING=1")
        #expect(host.process.waitForEnd(within: 60) == .exited(0))
    }

    @Test func socketOfTheManager_isListenedOn() throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | O_CLOEXEC, 0)
        defer { close(listener) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, size) == 0 && listen(listener, 16) == 0
                    && getsockname(listener, $0, &size) == 0
            }
        }
        try #require(bound)
        let port = UInt16(bigEndian: address.sin_port)
        let root = try Root()
        let process = try ChildProcess(
            [
                "/bin/sh", "-c", "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\"", "sh",
                HostProcess.binary, "serve", "--root", root.path,
            ], passing: [listener])
        defer { process.kill() }
        let line = process.waitForLine(after: "listening on ", within: 60)
        #expect(line == "http://127.0.0.1:\(port)", "\(process.standardError)")
        #expect(try HTTPClient(port: port).get("/healthz").status == 200)
        process.send(signal: SIGTERM)
        #expect(process.waitForEnd(within: 60) == .exited(0))
    }

    @Test func filesForOtherPrograms_tellOfEveryVerb() throws {
        let verbs = ["serve", "install", "activate", "status", "logs"]
        for kind in ["man", "bash", "zsh", "fish"] {
            let text = try Command.succeed([HostProcess.binary, "generate", kind]).output
            for verb in verbs { #expect(text.contains(verb), "\(kind) does not tell of \(verb)") }
        }
        // What a verb says beside its options stands on the page as well.
        for words in [["pack", "--help"], ["generate", "man"]] {
            let text = try Command.succeed([HostProcess.binary] + words).output
            #expect(text.contains("Everything in DIRECTORY is packed"), "\(words)")
        }
        let unit = try Command.succeed([HostProcess.binary, "generate", "unit", "/usr/bin/host"])
        #expect(unit.output.contains("ExecStart=/usr/bin/host serve"))
        for shell in [("bash", "/bin/bash")] {
            let script = try Command.succeed([HostProcess.binary, "generate", shell.0]).output
            let directory = try TemporaryDirectory()
            let path = try directory.write("script", Data(script.utf8))
            try Command.succeed([shell.1, "-n", path])
        }
    }
}
