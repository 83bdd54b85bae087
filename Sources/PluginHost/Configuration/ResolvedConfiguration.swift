import HostModel

/// A plugin's configuration with its secrets in their places.
struct ResolvedConfiguration: Sendable {
    /// Without the secrets.
    let document: ConfigurationDocument
    let schema: ConfigurationSchema?
    /// What the plugin is handed.
    let json: JSONValue
    /// Where references to secrets stand.
    let secrets: Set<JSONPointer>
    /// What the operator should look at.
    let warnings: [String]

    /// Nothing at all.
    static let empty = ResolvedConfiguration(
        document: ConfigurationDocument([ConfigurationLayer]()), schema: nil, json: [:],
        secrets: [], warnings: [])

    private func isSecret(_ entry: ConfigurationDocument.Entry) -> Bool {
        secrets.contains(entry.pointer) || SecretReference.isMeant(by: entry.value)
            || schema?.isSecret(entry.pointer) == true
    }

    /// Each value with its origin; secrets are not shown.
    ///
    /// - Shape: `[{"key": POINTER, "value": ..., "origin": ..., "secret"?: true}, ...]`; a
    ///   reference to a secret says where it leads.
    var values: JSONValue {
        .array(
            document.entries.map { entry in
                var object: JSONObject = ["key": .string(entry.pointer.description)]
                let isSecret = isSecret(entry)
                object["value"] = isSecret ? .string(SecretReference.mask) : entry.value
                object["origin"] = .string(entry.origin.description)
                if isSecret { object["secret"] = true }
                switch SecretReference(entry.value) {
                case .file(let path): object["reference"] = .string(path)
                case .environment(let name): object["reference"] = .string("$" + name)
                case nil: break
                }
                return .object(object)
            })
    }
}
