import HostModel
import PluginHost

/// What plugins use.
extension Performer {
    func top() async throws {
        let seconds = try invocation.number("--seconds", in: 1...60) ?? 1
        let query = ["seconds": String(seconds)]
        repeat {
            let answer = try await send("GET", "/top", query: query)
            let isLine = invocation.has("--json") && invocation.has("--follow")
            if isLine { Output.print(answer.text() + "\n") } else { show(answer, Report.top) }
        } while invocation.has("--follow")
    }
}
