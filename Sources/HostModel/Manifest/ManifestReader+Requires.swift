/// What a plugin requires.
extension ManifestReader {
    mutating func requires(_ value: JSONValue?, of name: PluginName?) -> [Requirement] {
        var result: [Requirement] = []
        let elements = list(value, at: "/requires", max: ManifestLimit.requiresMax)
        for (index, element) in elements.enumerated() {
            let path = "/requires/\(index)"
            guard let requirement = requirement(element, at: path) else { continue }
            if case .plugin(let other) = requirement.target, other == name {
                refuse(path + "/plugin", "a plugin cannot require itself", "remove it")
            }
            if result.contains(where: { $0.target == requirement.target }) {
                refuse(
                    path, "\(Escaping.quoted(requirement.name)) is listed twice",
                    "put both ranges into one, with a space between them")
            }
            result.append(requirement)
        }
        return result
    }

    private mutating func requirement(_ value: JSONValue, at path: String) -> Requirement? {
        let keys = ["plugin", "capability", "version", "optional"]
        guard let object = object(value, at: path, keys: keys) else { return nil }
        let plugin = object["plugin"].flatMap {
            shaped($0, at: path + "/plugin", PluginName.shape, PluginName.init)
        }
        let capability = object["capability"].flatMap {
            shaped($0, at: path + "/capability", CapabilityName.shape, CapabilityName.init)
        }
        if (object["plugin"] == nil) == (object["capability"] == nil) {
            refuse(
                path, "it names \(object["plugin"] == nil ? "nothing" : "two things")",
                "write either \"plugin\" or \"capability\"")
        }
        let range = object["version"].map { text in
            shaped(text, at: path + "/version", VersionRange.shape) { VersionRange($0) }
        }
        let isOptional = object["optional"]
        if let isOptional, isOptional.bool == nil {
            refuse(path + "/optional", "this is \(isOptional.kind)", "write true or false")
        }
        let target =
            plugin.map { Requirement.Target.plugin($0) } ?? capability.map { .capability($0) }
        guard let target, let range = range ?? .any else { return nil }
        return Requirement(target, range, isOptional: isOptional?.bool ?? false)
    }
}
