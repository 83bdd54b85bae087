import HostModel
import PluginHost

/// What has happened, and what happens.
extension Performer {
    // MARK: - Events

    func events() async throws {
        var query: [String: String] = [:]
        query["plugin"] = try invocation.value("--plugin").map { try PluginName(checking: $0).text }
        if invocation.has("--subscribers") {
            let answer = try await send("GET", "/events/subscriptions", query: query)
            return show(answer, Report.subscriptions)
        }
        query["topic"] = try invocation.value("--topic").map {
            try TopicPattern(checking: $0).text
        }
        query["since"] = try invocation.number("--since", in: 0...Int.max).map(String.init)
        guard invocation.has("--follow") else {
            return show(try await send("GET", "/events", query: query), Report.events)
        }
        query["topic"] = query["topic"] ?? "host.>"
        try await follow("/events", query, Report.event)
    }

    // MARK: - Log

    func logs() async throws {
        var query: [String: String] = [:]
        query["plugin"] = try invocation.arguments.first.map { try PluginName(checking: $0).text }
        query["level"] = invocation.value("--level")
        let last = try invocation.number("--last", in: 0...10_000)
        guard invocation.has("--follow") else {
            query["last"] = String(last ?? 100)
            return show(try await send("GET", "/logs", query: query), Report.log)
        }
        query["last"] = String(last ?? 10)
        try await follow("/logs", query, Report.logEntry)
    }

    /// Prints what the daemon tells, a line each, until it ends or somebody has heard enough.
    private func follow(
        _ path: String, _ query: [String: String],
        _ report: @escaping @Sendable (JSONValue) -> String
    ) async throws {
        let isJSON = invocation.has("--json")
        try await HostControl(layout).follow(path, query: query) { told in
            switch told {
            case .item(let item): Output.print(isJSON ? item.text() + "\n" : report(item))
            case .gap(let why): Output.complain("missed: \(Escaping.printable(why))\n")
            }
        }
        Output.complain("the daemon has ended\n")
    }
}
