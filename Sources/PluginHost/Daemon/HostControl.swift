package import HostModel

/// Whoever carries out what the command asks for: the daemon, when one runs on the root, or else
/// this process on the root itself.
package enum HostControl: Sendable {
    case daemon(AdminClient)
    case offline(AdminAPI)

    /// Finds out who it is.
    ///
    /// - Throws: `root_locked` when another process has the root and does not answer.
    package init(
        _ layout: RootLayout, configuration: ConfigurationOptions = .none
    ) async throws(HostError) {
        if let client = AdminClient(socket: layout.socket) {
            self = .daemon(client)
            return
        }
        var options = ManagerOptions()
        options.configuration = configuration
        options.workerExecutable = CommandEnvironment.executable
        let manager = try await PluginManager(
            root: layout, options: options, server: nil, log: HostLog(minimum: .warning))
        self = .offline(AdminAPI(manager: manager))
    }

    /// Has the daemon tell what happens, until it ends; see `AdminClient.follow`.
    ///
    /// - Throws: `daemon_not_running` when there is none.
    package func follow(
        _ path: String, query: [String: String] = [:],
        _ each: @escaping @Sendable (AdminClient.Told) -> Void
    ) async throws(HostError) {
        guard case .daemon(let client) = self else {
            throw HostError(
                "daemon_not_running", what: "there is nothing to follow",
                why: "no daemon runs on this root", fix: "start one with: host serve")
        }
        try await client.follow(path, query: query, each)
    }

    /// Sends one request of `AdminAPI` and returns its answer.
    package func send(
        _ method: String, _ path: String, _ body: JSONValue? = nil, query: [String: String] = [:]
    ) async throws(HostError) -> JSONValue {
        switch self {
        case .daemon(let client): try await client.send(method, path, body: body, query: query)
        case .offline(let api): try await api.answer(method, path, body, query: query)
        }
    }
}
