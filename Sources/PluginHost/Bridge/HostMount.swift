internal import CPluginABI
internal import HTTPServer
internal import HTTPWire
internal import HostModel

/// A place at which the host itself answers on its listeners, if its operator wants that: with
/// events, or metrics.
///
/// To the application it is a generation like those of plugins, except that the host answers.
final class HostMount: Sendable {
    /// The longest body of a request there: it is read on a loop.
    static let bodyBytesMax: UInt32 = 256 << 10

    let path: String
    let generation: Generation

    /// - Parameter what: what is answered with there, in the plural, such as `events`.
    /// - Throws: `mount_invalid` when the path is no path, or one of the host's own.
    init(
        path: String, _ what: String, _ endpoint: any LiveEndpoint, reactors: Int
    ) throws(HostError) {
        let address = try MountAddress(host: nil, prefix: path)
        guard let name = PluginName(what), address.prefix != "/" else {
            throw HostError(
                "mount_invalid", what: "\(what) cannot be at \(Escaping.quoted(path))",
                why: "that is where the plugins are listed", fix: "choose a path such as /\(what)")
        }
        self.path = address.prefix
        let route = RouteDeclaration(
            method: "*", pattern: "/", flags: UInt32(PH_ROUTE_BLOCKING),
            bodyBytesMax: Self.bodyBytesMax)
        generation = unsafe Generation(
            name: name, number: 0, version: SemanticVersion(0, 0, 0),
            tree: try RouteTree(compiling: [route]), reactors: reactors,
            handle: { _, _, _ in ph_status(PH_FAILED) }, state: nil)
        generation.hostAnswers = { _ = endpoint.answer($0) }
    }

    func isAt(_ path: ByteSlice) -> Bool {
        unsafe path.buffer.elementsEqual(self.path.utf8)
    }
}
