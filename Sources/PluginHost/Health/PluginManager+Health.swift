import HostModel

/// How the host and its plugins are, taken together.
extension PluginManager {
    /// What `GET /health` answers.
    ///
    /// - Shape: `{"status":"ok"|"degraded"|"unhealthy","ready","version","host","plugins":[{"name",
    ///   "state","health":"ok"|"degraded"|"unhealthy"|null,"reason"}, ...]}`; the status is that of
    ///   the plugin that is worst, and what should serve and does not is unhealthy.
    func healthReport() -> JSONValue {
        let readiness = readiness.current
        var worst = PluginHealth.ok
        let plugins = registry.sorted.map { record -> JSONValue in
            let slot = slot(record.name)
            let state = state(of: slot, record)
            let said = slot.current?.health
            let isMissing = readiness.obstacles.contains { $0.plugin == record.name }
            let health = isMissing ? .unhealthy : said?.state ?? .ok
            if health.rawValue > worst.rawValue { worst = health }
            let reason = said?.reason ?? slot.lastError?.what ?? ""
            return [
                "name": .string(record.name.text), "state": .string(state.rawValue),
                "health": said.map { .string("\($0.state)") } ?? .null, "reason": .string(reason),
            ]
        }
        return [
            "status": .string("\(worst)"), "ready": .bool(readiness.isReady),
            "version": .string(HostVersion.text), "host": .string(readiness.stage.rawValue),
            "plugins": .array(plugins),
        ]
    }
}
