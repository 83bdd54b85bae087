/// One thing that is wrong with a manifest.
public struct ManifestObjection: Hashable, Sendable, CustomStringConvertible {
    /// Where it is, as a JSON pointer; empty for the whole file.
    ///
    /// - Source: RFC 6901.
    public var path: String
    /// What is wrong.
    public var what: String
    /// What would be right.
    public var cure: String

    public init(path: String, what: String, cure: String) {
        self.path = path
        self.what = what
        self.cure = cure
    }

    public var description: String {
        (path.isEmpty ? "" : path + ": ") + what + (cure.isEmpty ? "" : "; " + cure)
    }
}
