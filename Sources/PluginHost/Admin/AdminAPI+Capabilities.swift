internal import HostModel

/// What plugins provide to each other.
extension AdminAPI {
    /// Everything that is provided now, by capability; who is chosen comes first.
    ///
    /// - Shape: `{"capabilities": [{"capability", "version", "provider", "provider_version",
    ///   "generation", "priority", "options": {...}}, ...]}`
    var capabilities: JSONValue {
        ["capabilities": .array(manager.switchboard.registry.all.map(\.json))]
    }
}
