import HostModel
import PluginHost

/// Calls of plugins' methods.
extension Performer {
    private static let timeoutRange = 1...3_600

    func call() async throws {
        let name = try PluginName(checking: invocation.arguments[0])
        let method = invocation.arguments[1]
        var body: JSONObject = ["method": .string(method)]
        if let slash = method.firstIndex(of: "/") {
            body["capability"] = .string(String(method[..<slash]))
            body["method"] = .string(String(method[method.index(after: slash)...]))
        }
        var payload = invocation.arguments.dropFirst(2).first ?? ""
        if payload == "-" {
            let bytes = try CommandEnvironment.input()
            guard let text = String(validating: bytes, as: UTF8.self) else {
                return try await call(name, body, encoded: bytes)
            }
            payload = text
        }
        body["payload"] = .string(payload)
        try await send(body, to: name)
    }

    private func call(
        _ name: PluginName, _ body: JSONObject, encoded bytes: [UInt8]
    ) async throws {
        var body = body
        body["payload_base64"] = .string(CommandEnvironment.base64(bytes))
        try await send(body, to: name)
    }

    private func send(_ body: JSONObject, to name: PluginName) async throws {
        var body = body
        let seconds = try invocation.number("--timeout", in: Self.timeoutRange)
        body["timeout_milliseconds"] = seconds.map { .number(JSONNumber($0 * 1_000)) }
        let answer = try await send("POST", "/plugins/\(name)/call", .object(body))
        if invocation.has("--json") { return Output.print(answer.text(.pretty)) }
        if let encoded = answer["reply_base64"]?.string {
            return CommandEnvironment.writeBase64(encoded)
        }
        let reply = answer["reply"]?.string ?? ""
        Output.print(reply.isEmpty || reply.hasSuffix("\n") ? reply : reply + "\n")
    }
}
