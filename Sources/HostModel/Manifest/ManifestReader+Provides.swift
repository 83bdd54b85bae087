/// What a plugin provides.
extension ManifestReader {
    mutating func provides(_ value: JSONValue?) -> [Provision] {
        var result: [Provision] = []
        let elements = list(value, at: "/provides", max: ManifestLimit.providesMax)
        for (index, element) in elements.enumerated() {
            let path = "/provides/\(index)"
            guard let provision = provision(element, at: path) else { continue }
            if result.contains(where: { $0.capability == provision.capability }) {
                refuse(
                    path + "/capability",
                    "\(Escaping.quoted(provision.capability.text)) is listed twice",
                    "a plugin provides a capability once; remove one")
            }
            result.append(provision)
        }
        return result
    }

    private mutating func provision(_ value: JSONValue, at path: String) -> Provision? {
        let keys = ["capability", "version", "priority", "options"]
        guard let object = object(value, at: path, keys: keys) else { return nil }
        let capability = required(
            object, "capability", under: path, cure: "add \"capability\": \"renderer\""
        ).flatMap {
            shaped($0, at: path + "/capability", CapabilityName.shape, CapabilityName.init)
        }
        let version = required(
            object, "version", under: path, cure: "add \"version\": \"1.0.0\""
        ).flatMap {
            shaped($0, at: path + "/version", SemanticVersion.shape, SemanticVersion.init)
        }
        let priority = integer(object, "priority", Provision.priorityRange, at: path)
        let options = object["options"].map { self.object($0, at: path + "/options") } ?? [:]
        guard let capability, let version, let options else { return nil }
        var provision = Provision(capability: capability, version: version)
        provision.priority = priority ?? 0
        provision.options = options
        return provision
    }
}
