import PluginKit

/// Turns Markdown into HTML for every plugin that asks for a `renderer`.
@main
struct Renderer: Plugin {
    static var manifest: Manifest {
        Manifest(
            name: "renderer", version: "1.0.0",
            description: "Turns Markdown into HTML for other plugins.", services: [.rpc])
    }

    /// The longest document: it is rendered on the caller's thread, and that must be quick.
    static var bytesMax: Int { 65_536 }

    static var routes: Routes {}

    static var methods: Methods {
        Method("render", of: "renderer") { _, call throws(CallError) in
            guard call.payload.count <= bytesMax else {
                throw CallError.refused("a document has at most 64 KiB", code: 413)
            }
            return .bytes(Markdown.html(of: call.payload.array))
        }
    }

    init(host: HostContext) {}
}
