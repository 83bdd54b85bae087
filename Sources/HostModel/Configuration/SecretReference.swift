/// A value that is kept elsewhere: `{"$secret": {"file": PATH}}` or
/// `{"$secret": {"environment": NAME}}`.
public enum SecretReference: Hashable, Sendable {
    /// An absolute path; a newline at the end of the file does not count.
    case file(String)
    /// The name of a variable of the host's environment.
    case environment(String)

    /// The name that makes an object a reference.
    public static let key = "$secret"
    /// What is shown in the place of a secret.
    public static let mask = "***"

    /// Whether the value is meant as a reference, well-formed or not.
    public static func isMeant(by value: JSONValue) -> Bool { value[key] != nil }

    /// Reads a reference.
    ///
    /// - Returns: nil when it is not of one of the two forms.
    public init?(_ value: JSONValue) {
        guard let members = value.object, members.count == 1, let inner = members[Self.key]?.object,
            inner.count == 1
        else { return nil }
        if let path = inner["file"]?.string, path.hasPrefix("/") {
            self = .file(path)
        } else if let name = inner["environment"]?.string, !name.isEmpty {
            self = .environment(name)
        } else {
            return nil
        }
    }

    /// What is wrong with a value that is meant as a reference and is none.
    public static func objection(at pointer: JSONPointer) -> ManifestObjection {
        ManifestObjection(
            path: pointer.description, what: "this is no reference to a secret",
            cure: "write {\"$secret\": {\"file\": \"/PATH\"}} or"
                + " {\"$secret\": {\"environment\": \"NAME\"}}, and nothing beside it")
    }
}
