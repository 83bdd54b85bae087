internal import HTTPServer
internal import HTTPWire

/// `/metrics`: what Prometheus reads.
final class MetricsEndpoint: LiveEndpoint {
    private let manager: PluginManager
    private let accessLog: AccessLog?

    init(_ manager: PluginManager, accessLog: AccessLog?) {
        self.manager = manager
        self.accessLog = accessLog
    }

    /// Answers later, once the manager has been asked; on the exchange's loop thread.
    func answer(_ exchange: Exchange) -> Bool {
        guard exchange.head.method == .get || exchange.head.method == .head else {
            HostPages.problem(
                exchange, 405, "Metrics are read with GET.", [("Allow", "GET, HEAD")])
            return true
        }
        let accept = exchange.firstValue(named: "Accept").map { String(decoding: $0) }
        let format = MetricsText.Format(accept: accept ?? "")
        let remote = exchange.remote
        // Kept, because the exchange lives in its memory.
        let reactor = exchange.reactor
        Task(executorPreference: manager.control) { [self] in
            var text = MetricsText.text(await families, format)
            let fields = [
                ("Content-Type", format.contentType), ("Cache-Control", "no-store"),
                ("Vary", "Accept"),
            ]
            unsafe OwnedFields.with(fields) { fields in
                text.withUTF8 {
                    _ = unsafe remote.respond(
                        status: 200, fields: fields, body: UnsafeRawBufferPointer($0))
                }
            }
            withExtendedLifetime(reactor) {}
        }
        return true
    }

    private var families: [MetricFamily] {
        get async {
            var families = await manager.metrics()
            if let accessLog {
                families.append(
                    MetricFamily(
                        "pluginhost_access_log_dropped_lines", .counter,
                        "Lines that were lost because the access log was too slow.",
                        accessLog.droppedCount))
            }
            return families
        }
    }
}
