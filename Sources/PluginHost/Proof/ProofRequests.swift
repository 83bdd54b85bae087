import CLinux
import Glibc
import HTTPServer
import HostModel

/// The requests of a proof: one for each GET route without parameters, through a server as the
/// host's own.
///
/// It is made before the process is confined, because nothing can be connected after: as many
/// connections as there may be requests wait in the backlog of a socket that has no file.
final class ProofRequests {
    /// How many routes are tried.
    static let requestsMax = 32

    private let server: HTTPServer
    private let clients: [Int32]

    /// - Parameter directory: a private one.
    /// - Throws: `HostError` of the system call that failed.
    init(in directory: String) throws(HostError) {
        var configuration = ServerConfiguration()
        configuration.reactorCount = 1
        // The last connection is used when all other routes have answered.
        configuration.headTimeoutSeconds = 86_400
        configuration.idleTimeoutSeconds = 86_400
        let listener = try PrivateListener(in: directory)
        do throws(ServerError) {
            server = try HTTPServer(
                configuration: configuration, application: PluginApplication { _ in })
            try server.adopt([fcntl(listener.descriptor, F_DUPFD_CLOEXEC, 3)])
        } catch {
            throw HostError(error)
        }
        clients = try (0..<Self.requestsMax).map { _ throws(HostError) in
            try Self.connect(listener.address)
        }
    }

    private static func connect(_ address: String) throws(HostError) -> Int32 {
        let client = linux_unix_socket()
        let result = client < 0 ? client : unsafe linux_connect_unix(client, address)
        guard result >= 0 else {
            throw .system("a socket could not be connected", subject: address, errno: -result)
        }
        return client
    }

    /// Sends the requests and waits for the answers.
    ///
    /// - Parameters:
    ///   - seconds: how long each answer may take to begin.
    ///   - onStep: told of each request, before it is sent.
    /// - Returns: what is worth telling of them.
    /// - Throws: `Probe.late` when an answer does not begin in time.
    func send(
        to generation: Generation, seconds: Int, onStep: LoadedPlugin.OnStep
    ) async throws(HostError) -> [String] {
        let table = MountTable(mounts: [Mount(name: generation.name, generation: generation)])
        for reactor in server.reactors { PluginApplication.install(table, on: reactor) }
        do throws(ServerError) {
            try server.start()
        } catch {
            throw HostError(error)
        }
        var notes: [String] = []
        let routes = generation.routes.filter { $0.method == "GET" && !$0.pattern.contains("{") }
        for (client, route) in zip(clients, routes) {
            onStep(route.description)
            let request =
                "GET /plugin/\(generation.name)/api\(route.pattern) HTTP/1.1\r\n"
                + "Host: proof\r\nConnection: close\r\n\r\n"
            switch await Blocking.run({ Self.ask(client, request, seconds: seconds) }) {
            case .status(let status):
                if status.hasPrefix("5") { notes.append("\(route) answered \(status)") }
            case .cut: notes.append("\(route) was cut off")
            case .missing: throw Probe.late(seconds)
            }
        }
        for client in clients { close(client) }
        await server.stop(drainSeconds: 1)
        for reactor in server.reactors { PluginApplication.uninstall(from: reactor) }
        return notes
    }

    private enum Answer: Sendable {
        case status(String)
        /// The connection was closed before a status came.
        case cut
        case missing
    }

    /// Writes a request and reads as far as the status.
    private static func ask(_ client: Int32, _ request: String, seconds: Int) -> Answer {
        var request = request
        let isSent = request.withUTF8 { bytes in
            unsafe Glibc.send(client, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
                == bytes.count
        }
        guard isSent else { return .cut }
        // The version, a space, and three digits.
        let statusEnd = 12
        var head: [UInt8] = []
        let end = ContinuousClock.now + .seconds(seconds)
        while head.count < statusEnd {
            let left = (end - ContinuousClock.now) / .milliseconds(1)
            var waiting = pollfd(fd: client, events: Int16(POLLIN), revents: 0)
            let ready = unsafe poll(&waiting, 1, Int32(max(0, left.rounded(.up))))
            if ready < 0 && errno == EINTR { continue }
            guard ready > 0 else { return .missing }
            var buffer = [UInt8](repeating: 0, count: statusEnd)
            let count = unsafe recv(client, &buffer, buffer.count, 0)
            if count < 0 && (errno == EINTR || errno == EAGAIN) { continue }
            guard count > 0 else { return .cut }
            head += buffer[..<count]
        }
        return .status(String(decoding: head[statusEnd - 3..<statusEnd], as: UTF8.self))
    }
}
