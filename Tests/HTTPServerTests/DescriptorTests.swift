import CLinux
import Foundation
import HTTPServer
import Testing

struct DescriptorTests {
    /// In a process of its own, since the limit is the process's.
    @Test func exhaustedDescriptors_endInAPauseAndNotInAHang() async {
        await #expect(processExitsWith: .success) {
            try await withServer(
                ["/": .hello], configure: setting { $0.idleKeptSeconds = 60 }
            ) { server in
                let first = try server.client()
                #expect(try first.get("/").text == "hello")
                // Room for what the clients need, and none for the server's side of them.
                let clients = try (0..<8).map { _ in try UnconnectedSocket() }
                var limit = rlimit(rlim_cur: 0, rlim_max: 0)
                getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
                let old = limit.rlim_cur
                limit.rlim_cur = rlim_t(clients.map(\.descriptor).max() ?? 0) + 1
                setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
                for client in clients { try client.connect(to: server.port) }
                // Those who are connected are served all the while.
                for _ in 0..<50 { #expect(try first.get("/").text == "hello") }
                // One client at least is told at once that it is not served.
                #expect(clients.contains { $0.isClosedWithin(milliseconds: 5_000) })
                limit.rlim_cur = old
                setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
                let late = try server.client()
                #expect(try late.get("/").text == "hello")
            }
        }
    }
}

private final class UnconnectedSocket {
    let descriptor: Int32

    init() throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw TestClient.Failure(description: "socket: \(errno)") }
    }

    deinit { close(descriptor) }

    func connect(to port: UInt16) throws {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard result == 0 else { throw TestClient.Failure(description: "connect: \(errno)") }
    }

    func isClosedWithin(milliseconds: Int32) -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, milliseconds) == 1
    }
}
