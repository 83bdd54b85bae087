import HostModel
import PluginHost

/// Keys, and whose signatures count.
extension Performer {
    func keygen() throws {
        guard let path = invocation.value("-o") else {
            throw Invocation.UsageError(message: "keygen needs -o KEY", verb: .keygen)
        }
        let key = SigningKey.generate()
        try key.write(to: CommandEnvironment.absolute(path))
        Output.print("key \(key.publicKey.id): \(path) (keep it secret), \(path).pub\n")
    }

    func trust() async throws {
        let argument = invocation.arguments.dropFirst().first
        switch (invocation.arguments[0], argument) {
        case ("list", nil), ("policy", nil): show(try await send("GET", "/trust"), Report.trust)
        case ("add", let path?):
            let full = CommandEnvironment.absolute(path)
            let name = invocation.value("--name") ?? Self.keyName(path)
            let body: JSONValue = [
                "name": .string(name), "public_key": .string(try VerifyingKey.text(of: full)),
            ]
            show(try await send("POST", "/trust/keys", body), Report.trust)
        case ("remove", let name?):
            show(try await send("DELETE", "/trust/keys/\(name)"), Report.trust)
        case ("policy", let policy?):
            guard SignaturePolicy(rawValue: policy) != nil else {
                throw usage("\(policy) is not off, warn or require")
            }
            let body: JSONValue = ["policy": .string(policy)]
            show(try await send("POST", "/trust/policy", body), Report.trust)
        default:
            throw usage(
                "trust takes add KEY.pub, list, remove NAME or policy [off|warn|require]")
        }
    }

    private func usage(_ message: String) -> Invocation.UsageError {
        Invocation.UsageError(message: message, verb: .trust)
    }

    /// `alice` of `keys/alice.pub`.
    private static func keyName(_ path: String) -> String {
        let file = path.split(separator: "/").last.map(String.init) ?? path
        for suffix in [".pub", ".pem"] where file.hasSuffix(suffix) {
            return String(file.dropLast(suffix.count))
        }
        return file
    }
}

extension Report {
    static func trust(_ answer: JSONValue) -> String {
        var lines = "signatures: \(text(answer["policy"]))\n"
        let keys = answer["keys"]?.array ?? []
        guard !keys.isEmpty else {
            return lines + "no key is trusted; trust one with: host trust add KEY.pub\n"
        }
        var table = Table(rows: [["NAME", "KEY"]])
        for key in keys { table.rows.append([text(key["name"]), text(key["key"])]) }
        lines += table.description
        return lines
    }
}
