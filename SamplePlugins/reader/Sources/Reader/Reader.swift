import PluginKit

/// A page to write Markdown on, and to read it as it will look.
///
/// It does not know who renders: it asks for the capability, and whoever provides it may be
/// replaced while the page is open.
@main
struct Reader: Plugin {
    static var manifest: Manifest {
        Manifest(
            name: "reader", version: "1.0.0",
            description: "Shows Markdown as a page, with whoever renders it.", services: [.rpc])
    }

    static var routes: Routes {
        Post("/render", body: .whole(bytesMax: 65_536)) { reader, request async throws in
            .bytes(
                try await reader.render(request.body.array),
                contentType: "text/html; charset=utf-8")
        }
    }

    private let renderer: RemoteMethod

    init(host: HostContext) throws {
        renderer = try host.capability(
            "renderer", version: "^1", option: (name: "formats", value: "markdown")
        ).method("render")
    }

    private func render(_ document: [UInt8]) async throws(HTTPError) -> [UInt8] {
        do {
            return try await renderer.call(document, milliseconds: 5_000)
        } catch {
            switch error.kind {
            case .refused where error.code == 413:
                throw HTTPError(.contentTooLarge, error.message)
            case .timedOut: throw HTTPError(.gatewayTimeout, error.message)
            default:
                throw HTTPError(
                    .serviceUnavailable, error.message, headers: [Header("Retry-After", "1")])
            }
        }
    }
}
