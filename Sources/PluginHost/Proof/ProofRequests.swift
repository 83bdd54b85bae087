import CLinux
import Glibc
import HTTPServer
import HostModel

/// The requests of a proof: one for each GET route without parameters, through a server as the
/// host's own.
///
/// Nothing can be connected once the process is confined, so the server is given connections that
/// have always been: pairs of sockets.
enum ProofRequests {
    /// How many routes are tried.
    static let requestsMax = 32

    /// Sends the requests and waits for the answers.
    ///
    /// - Parameters:
    ///   - seconds: how long each answer may take to begin.
    ///   - onStep: told of each request, before it is sent.
    /// - Returns: what is worth telling of them.
    /// - Throws: `Probe.late` when an answer does not begin in time; `HostError` of the system call
    ///   that failed.
    static func send(
        to generation: Generation, seconds: Int, onStep: LoadedPlugin.OnStep
    ) async throws(HostError) -> [String] {
        let routes = generation.routes.filter { $0.method == "GET" && !$0.pattern.contains("{") }
        guard !routes.isEmpty else { return [] }
        let server = try start()
        let table = MountTable(mounts: [Mount(name: generation.name, generation: generation)])
        await server.forEachReactor { PluginApplication.install(table, on: $0) }
        var notes: [String] = []
        var clients: [Int32] = []
        var failure: HostError?
        do throws(HostError) {
            for route in routes.prefix(requestsMax) {
                onStep(route.description)
                let client = try connect(server)
                clients.append(client)
                let path = "/plugin/\(generation.name)/api\(route.pattern)"
                if let note = try await ask(client, path, seconds: seconds) {
                    notes.append("\(route) \(note)")
                }
            }
        } catch {
            // Its code is still inside: there is no way on from here.
            if error.code == Probe.lateCode { throw error }
            failure = error
        }
        for client in clients { linux_close(client) }
        await server.stop(drainSeconds: 1)
        for reactor in server.reactors { PluginApplication.uninstall(from: reactor) }
        if let failure { throw failure }
        return notes
    }

    /// Sends one request, and returns what is worth telling of the answer.
    private static func ask(
        _ client: Int32, _ path: String, seconds: Int
    ) async throws(HostError) -> String? {
        let request = "GET \(path) HTTP/1.1\r\nHost: proof\r\nConnection: close\r\n\r\n"
        switch await Blocking.run({ answer(client, request, seconds: seconds) }) {
        case .status(let status): return status.hasPrefix("5") ? "answered \(status)" : nil
        case .cut: return "was cut off"
        case .missing: throw Probe.late(seconds)
        }
    }

    private static func start() throws(HostError) -> HTTPServer {
        var configuration = ServerConfiguration()
        configuration.reactorCount = 1
        do throws(ServerError) {
            let server = try HTTPServer(
                configuration: configuration, application: PluginApplication { _ in })
            try server.start()
            return server
        } catch {
            throw HostError(error)
        }
    }

    /// The client's end of a new connection.
    private static func connect(_ server: HTTPServer) throws(HostError) -> Int32 {
        var ends: [Int32] = [-1, -1]
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        guard unsafe socketpair(AF_UNIX, type, 0, &ends) == 0 else {
            throw .system("two sockets could not be made", subject: "", errno: errno)
        }
        server.adopt(connection: ends[1])
        return ends[0]
    }

    private enum Answer: Sendable {
        case status(String)
        /// The connection was closed before a status came.
        case cut
        case missing
    }

    /// Writes a request and reads as far as the status.
    private static func answer(
        _ client: Int32, _ request: String, seconds: Int
    ) -> Answer {
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
