import HostModel

extension Report {
    /// What hangs on each point, in the order in which it enters.
    static func hooks(_ answer: JSONValue) -> String {
        let points = answer["points"]?.array ?? []
        guard !points.isEmpty else { return "no plugin that serves has a hook\n" }
        var table = Table(rows: [
            ["POINT", "PLUGIN", "KIND", "PRIORITY", "ON FAILURE", "CALLS", "FAILURES", "STATE"]
        ])
        for point in points {
            for hook in point["hooks"]?.array ?? [] {
                var policy = text(hook["on_failure"])
                if hook["failures_max"] != nil { policy += " after \(text(hook["failures_max"]))" }
                let state =
                    hook["disabled"]?.bool == true
                    ? "disabled" : hook["pooled"]?.bool == true ? "on its own threads" : "active"
                table.rows.append([
                    text(point["point"]), text(hook["plugin"]), text(hook["kind"]),
                    text(hook["priority"]), policy, text(hook["calls"]), text(hook["failures"]),
                    state,
                ])
            }
        }
        return table.description
    }
}
