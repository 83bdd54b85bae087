import CLinux
import Foundation
import Glibc
import HTTPServer
import HTTPWire
import Synchronization

/// A Unix socket whose connections are served by a closure each, on threads of their own, byte by
/// byte and right or wrong.
final class ScriptedUpstream: Sendable {
    let path: String
    let accepted = Counter()
    private let listener: Int32
    private let directory: TestDirectory

    /// - Parameter serve: is given the connection and its number, counted from 1; the connection
    ///   is closed when it returns.
    init(_ serve: @escaping @Sendable (TestClient, Int) throws -> Void) throws {
        directory = try TestDirectory()
        path = directory.path + "/socket"
        listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0, listen(listener, 1_024) == 0 else {
            throw TestClient.Failure(description: "no upstream: \(errno)")
        }
        elsewhere { [listener, accepted] in
            while case let descriptor = accept(listener, nil, nil), descriptor >= 0 {
                accepted.increment()
                let number = accepted.value
                elsewhere { try? serve(TestClient(adopting: descriptor), number) }
            }
        }
    }

    deinit {
        // Ends the accept that waits, which closing alone does not.
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
    }

    /// An upstream that answers each request with these bytes and goes on.
    static func answering(_ answer: String) throws -> ScriptedUpstream {
        try ScriptedUpstream { peer, _ in
            while true {
                _ = try peer.read(through: "\r\n\r\n")
                try peer.send(answer)
            }
        }
    }
}

extension Upstream {
    /// One with these sockets.
    static func at(
        _ paths: String..., change: (inout UpstreamOptions) -> Void = { _ in }
    ) -> Upstream {
        var options = UpstreamOptions()
        change(&options)
        let upstream = Upstream(name: "the test", options: options)
        for path in paths { upstream.add(address: path) }
        return upstream
    }
}

extension TestApplication.Route {
    /// Forwards everything, at the same path, with these fields of its own.
    static func forwarded(
        to upstream: Upstream, _ fields: [(String, String)] = [], buffered: Bool = false,
        path: StaticString? = nil, readsUnderscoresAsHyphens: Bool = false
    ) -> Self {
        let handler: TestApplication.Handler = { exchange in
            withFields(fields) { fields in
                var request = ForwardedRequest(
                    path: path.map { ByteSlice($0) } ?? exchange.path, fields: fields)
                request.readsUnderscoresAsHyphens = readsUnderscoresAsHyphens
                exchange.forward(request, to: upstream)
            }
        }
        return buffered ? .buffered(1 << 24, handler) : .streamed(handler)
    }
}

/// Runs a test with a server that forwards "/" and "/buffered" to an upstream.
func withForwarding(
    to upstream: Upstream, _ fields: [(String, String)] = [],
    configure: (inout ServerConfiguration) -> Void = { _ in },
    _ body: (TestServer) async throws -> Void
) async throws {
    try await withServer(
        [
            "/": .forwarded(to: upstream, fields),
            "/buffered": .forwarded(to: upstream, fields, buffered: true),
            "/direct": .hello,
        ], configure: configure, body)
}
