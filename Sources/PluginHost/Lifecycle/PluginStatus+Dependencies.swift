package import HostModel

extension PluginStatus {
    /// What a plugin requires, and who requires it.
    package struct Dependencies: Sendable {
        /// One requirement of its manifest.
        package struct Need: Sendable {
            package var requirement: Requirement
            /// The installed plugins that would do, by name.
            package var providers: [PluginName]
            /// Whether one of them serves.
            package var isMet: Bool
        }

        package var needs: [Need] = []
        /// The installed plugins that have a use for it, by name.
        package var users: [PluginName] = []
        /// Why it is blocked, a line each; empty when it is not.
        package var reasons: [String] = []
    }
}

extension PluginStatus.Dependencies {
    func write(to object: inout JSONObject) {
        object["requires"] = .array(needs.map(\.json))
        object["required_by"] = .strings(users.map(\.text))
        object["blocked"] = .strings(reasons)
    }
}

extension PluginStatus.Dependencies.Need {
    var json: JSONValue {
        let key =
            switch requirement.target {
            case .plugin: "plugin"
            case .capability: "capability"
            }
        return [
            key: .string(requirement.name), "version": .string(requirement.range.text),
            "optional": .bool(requirement.isOptional), "providers": .strings(providers.map(\.text)),
            "met": .bool(isMet),
        ]
    }
}
