package import HostModel

/// Whoever carries out what the command asks for: the daemon, when one runs on the root, or else
/// this process on the root itself.
package enum HostControl: Sendable {
    case daemon(AdminClient)
    case offline(AdminAPI)

    /// Finds out who it is.
    ///
    /// - Throws: `root_locked` when another process has the root and does not answer.
    package init(_ layout: RootLayout) async throws(HostError) {
        if let client = AdminClient(socket: layout.socket) {
            self = .daemon(client)
            return
        }
        let manager = try await PluginManager(
            root: layout, server: nil, log: HostLog(minimum: .warning))
        self = .offline(AdminAPI(manager: manager))
    }

    /// Sends one request of `AdminAPI` and returns its answer.
    package func send(
        _ method: String, _ path: String, _ body: JSONValue? = nil
    ) async throws(HostError) -> JSONValue {
        switch self {
        case .daemon(let client): try await client.send(method, path, body: body)
        case .offline(let api): try await api.answer(method, path, body)
        }
    }
}
