import HostModel

/// What stands in the way of sending clients here.
extension PluginManager {
    /// Writes down which plugins should serve and do not; called whenever that may have changed.
    func tellReadiness() {
        guard server != nil else { return }
        readiness.set(
            registry.sorted.compactMap { record in
                guard record.isActive, !record.isDisabled else { return nil }
                let slot = slot(record.name)
                let state = state(of: slot, record)
                switch state {
                case .inactive, .disabled: return nil
                case .active:
                    guard let health = slot.current?.health, health.state == .unhealthy else {
                        return nil
                    }
                    return Readiness.Obstacle(
                        plugin: record.name, state: "unhealthy", reason: health.reason)
                case .failed, .quarantined, .blocked, .loading, .draining:
                    return Readiness.Obstacle(
                        plugin: record.name, state: state.rawValue,
                        reason: slot.isBlocked
                            ? "it waits for what it requires" : slot.lastError?.what ?? "")
                }
            })
    }
}
