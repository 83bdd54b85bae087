import HostModel

/// Events, subscriptions and the log, for people.
extension Report {
    static func events(_ answer: JSONValue) -> String {
        let events = answer["events"]?.array ?? []
        guard !events.isEmpty else { return "nothing has happened\n" }
        var table = Table(rows: [["SEQUENCE", "TIME", "PLUGIN", "EVENT", "DATA"]])
        for event in events {
            table.rows.append(
                ["sequence", "time", "plugin", "event", "data"].map { text(event[$0]) })
        }
        return table.description
    }

    /// One event as a CloudEvent: with the columns of `events`, as far as it has them.
    @Sendable static func event(_ event: JSONValue) -> String {
        let entry = event["data"]
        if event["source"]?.string == "host", entry?["event"] != nil {
            return line(["sequence", "time", "plugin", "event", "data"].map { text(entry?[$0]) })
        }
        let data = event["data"] ?? event["data_base64"]
        return line([
            "-", text(event["time"]), text(event["source"]), text(event["topic"]), text(data),
        ])
    }

    static func subscriptions(_ answer: JSONValue) -> String {
        let all = answer["subscriptions"]?.array ?? []
        guard !all.isEmpty else { return "no plugin has subscribed to anything\n" }
        let columns = [
            "plugin", "pattern", "name", "policy", "waiting", "delivered", "dropped", "failed",
            "state",
        ]
        var table = Table(rows: [columns.map { $0.uppercased() }])
        for one in all {
            table.rows.append(columns.map { one[$0] == nil ? "-" : text(one[$0]) })
        }
        return table.description
    }

    static func log(_ answer: JSONValue) -> String {
        (answer["entries"]?.array ?? []).map(logEntry).joined()
    }

    /// One entry, as it stands in the log itself.
    @Sendable static func logEntry(_ entry: JSONValue) -> String {
        var words = [text(entry["time"]), text(entry["level"]).uppercased()]
        for key in ["plugin", "version", "generation", "request"] {
            if let value = entry[key] { words.append("\(key)=\(text(value))") }
        }
        return (words + [text(entry["message"])]).joined(separator: " ") + "\n"
    }

    private static func line(_ words: [String]) -> String {
        words.joined(separator: "  ") + "\n"
    }
}
