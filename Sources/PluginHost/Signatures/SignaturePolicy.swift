/// What becomes of plugins whose signature is missing, wrong, or of somebody who is not trusted.
package enum SignaturePolicy: String, Sendable, CaseIterable, Comparable {
    /// They are loaded.
    case off
    /// They are loaded, and the log says so.
    case warn
    /// They are not loaded.
    case require

    private var strictness: Int { Self.allCases.firstIndex(of: self) ?? 0 }

    package static func < (one: SignaturePolicy, other: SignaturePolicy) -> Bool {
        one.strictness < other.strictness
    }
}
