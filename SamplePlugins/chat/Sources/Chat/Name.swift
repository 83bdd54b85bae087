import PluginKit

/// What a room or a visitor is called.
struct Name: Hashable, Sendable {
    static let charactersMax = 32

    let text: String

    /// Takes a name that a client gave.
    ///
    /// - Shape: 1 to 32 letters, digits, hyphens and underscores, of any alphabet.
    /// - Throws: `HTTPError` 422 that names the field.
    init(_ text: String, of field: String) throws(HTTPError) {
        let isFit =
            !text.isEmpty && text.count <= Self.charactersMax
            && text.allSatisfy { $0.isLetter || $0.isNumber || $0 == "-" || $0 == "_" }
        guard isFit else {
            throw .invalid([
                InvalidField(
                    field, "1 to \(Self.charactersMax) letters, digits, hyphens or underscores")
            ])
        }
        self.text = text
    }
}
