import HTTPServer
import HTTPWire

/// A server that serves one directory at `/files/`.
enum FileServer {
    private final class FileApplication: Application, @unchecked Sendable {
        let files: StaticFileResponder
        init(_ files: StaticFileResponder) { self.files = files }

        override func route(_ exchange: Exchange) -> Disposition {
            let path = exchange.path
            if path.starts(with: "/files/") {
                files.respond(to: exchange, path: path[7..<path.count])
            } else {
                exchange.answer(404, "elsewhere")
            }
            return .responded
        }
    }

    /// Runs the body while the directory is served.
    static func serving(
        _ directory: TestDirectory, options: StaticFileOptions = StaticFileOptions(),
        certificates: TLSCertificates? = nil, _ body: (UInt16) throws -> Void
    ) async throws {
        let files = try StaticFileResponder(directory: directory.path, options: options)
        var configuration = ServerConfiguration()
        configuration.reactorCount = 1
        let server = try HTTPServer(
            configuration: configuration, application: FileApplication(files))
        let addresses = try server.listen([.ip("127.0.0.1", port: 0)])
        guard case .ip(_, let port)? = addresses.first else { return }
        if let certificates { server.secure([0], by: certificates) }
        try server.start()
        do { try body(port) } catch {
            await server.stop(drainSeconds: 1)
            throw error
        }
        await server.stop(drainSeconds: 1)
    }
}
