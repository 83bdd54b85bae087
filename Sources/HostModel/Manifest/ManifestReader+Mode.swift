/// Reads `mode`, `onCrash` and `instances`: where the code runs.
extension ManifestReader {
    /// To be loaded again as if nothing had happened is not a plugin's to ask: others pay for it.
    mutating func onCrash(_ value: JSONValue?) -> CrashPolicy? {
        value.flatMap {
            shaped($0, at: "/onCrash", "it is \"quarantine\" or \"isolate\"") { text in
                CrashPolicy(rawValue: text).flatMap { $0 == .restart ? nil : $0 }
            }
        }
    }

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
