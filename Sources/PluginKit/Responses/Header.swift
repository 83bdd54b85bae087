/// A header field of a response.
///
/// The host checks it: a name that is no token, or a value with CR, LF or NUL, is never sent; the
/// client gets a 500 and the log tells why. So text from outside cannot add fields of its own.
public struct Header: Sendable {
    /// The name.
    public let name: String
    /// The value.
    public let value: String

    /// Makes a field.
    public init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }
}
