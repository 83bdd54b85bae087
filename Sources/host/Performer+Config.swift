import HostModel

/// What the command tells of configurations.
extension Performer {
    func config() async throws {
        guard let argument = invocation.arguments.first else {
            guard invocation.has("--check") else {
                throw Invocation.UsageError(message: "config needs NAME or --check", verb: .config)
            }
            let answer = try await send("GET", "/config")
            show(answer, ConfigurationText.warnings)
            if let error = ConfigurationText.error(ofCheck: answer) { throw error }
            return
        }
        guard !invocation.has("--check") else {
            throw Invocation.UsageError(message: "--check takes no NAME", verb: .config)
        }
        let name = try PluginName(checking: argument)
        let answer = try await send("GET", "/plugins/\(name)/config")
        show(answer, ConfigurationText.plugin)
        if let error = ConfigurationText.error(of: answer) { throw error }
    }
}
