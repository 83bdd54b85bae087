import HostModel

extension Report {
    /// What each plugin uses; who uses most of the processor comes first.
    static func top(_ answer: JSONValue) -> String {
        let plugins = answer["plugins"]?.array ?? []
        guard !plugins.isEmpty else {
            return "no plugin is installed; install one with: host install FILE.tar.gz\n"
        }
        var table = Table(rows: [
            [
                "PLUGIN", "STATE", "CPU %", "CPU SECONDS", "MEMORY KB", "THREADS", "FDS",
                "IN FLIGHT", "REQUESTS/S", "LIMITS",
            ]
        ])
        for plugin in plugins {
            let cpu = plugin["cpu_seconds"]?.object?.members.compactMap { $0.value.number?.double }
            let exceeded = (plugin["exceeded"]?.array ?? []).map(text)
            var limits = exceeded.isEmpty ? "" : "exceeds " + exceeded.joined(separator: ", ")
            if plugin["throttled"]?.bool == true { limits += "; throttled" }
            table.rows.append([
                text(plugin["name"]), text(plugin["state"]),
                tenth(plugin["cpu_percent"]?.number?.double ?? 0),
                tenth(cpu?.reduce(0, +) ?? 0),
                String((plugin["memory_bytes"]?.integer ?? 0) >> 10), text(plugin["threads"]),
                plugin["descriptors"]?.integer == nil ? "-" : text(plugin["descriptors"]),
                text(plugin["in_flight"]),
                tenth(plugin["requests_per_second"]?.number?.double ?? 0), limits,
            ])
        }
        return table.description
    }

    /// With one digit behind the point.
    private static func tenth(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }
}
