/// Reads `mode` and `instances`: where the code runs.
extension ManifestReader {
    mutating func mode(_ value: JSONValue?) -> PluginMode? {
        value.flatMap {
            let choices = PluginMode.allCases.map { "\"\($0.rawValue)\"" }
            return shaped($0, at: "/mode", "a mode is \(choices.joined(separator: " or "))") {
                PluginMode(rawValue: $0)
            }
        }
    }

    mutating func instances(_ root: JSONObject) -> Int {
        integer(root, "instances", ManifestLimit.instancesRange, at: "") ?? 1
    }
}
