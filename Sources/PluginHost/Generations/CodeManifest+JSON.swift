import HostModel

extension CodeManifest {
    /// The manifest as the throwaway process hands it to the host.
    var json: JSONValue {
        [
            "name": .string(name), "version": .string(version),
            "abi": .number(JSONNumber(Int64(abi))), "description": .string(description),
            "services": .array(services.map { .string($0) }),
            "routes": .array(
                routes.map {
                    [
                        "method": .string($0.method), "pattern": .string($0.pattern),
                        "flags": .number(JSONNumber(Int64($0.flags))),
                    ]
                }),
        ]
    }

    /// - Throws: `record_unreadable` when a member is missing or of another kind.
    init(json: JSONValue) throws(HostError) {
        guard let name = json["name"]?.string, let version = json["version"]?.string,
            let abi = json["abi"]?.integer.flatMap({ UInt32(exactly: $0) }),
            let description = json["description"]?.string,
            let services = json["services"]?.array?.compactMap(\.string),
            let routes = json["routes"]?.array
        else {
            throw HostError(
                "record_unreadable", what: "a plugin's manifest was not understood",
                why: "a member is missing or of another kind",
                fix: "use a host and a throwaway process of the same version")
        }
        self.init(
            name: name, version: version, abi: abi, description: description, services: services,
            routes: routes.map { route in
                Route(
                    method: route["method"]?.string ?? "", pattern: route["pattern"]?.string ?? "",
                    flags: UInt32(truncatingIfNeeded: route["flags"]?.integer ?? 0))
            })
    }
}
