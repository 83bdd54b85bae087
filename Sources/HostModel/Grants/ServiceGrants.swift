/// Which of the services that a plugin asks for it is given.
public struct ServiceGrants: Hashable, Sendable {
    /// What its manifest asks for, in that order.
    public let asked: [String]
    public let granted: [String]
    /// What the operator has not granted.
    public let denied: [String]
    /// What this host does not have.
    public let unknown: [String]

    /// - Parameters:
    ///   - decisions: what the operator has granted (true) or revoked (false).
    ///   - policy: what counts for all else.
    ///   - offered: the services that the host has.
    public init(
        asked: [String], decisions: [String: Bool], policy: GrantPolicy, offered: Set<String>
    ) {
        self.asked = asked
        unknown = asked.filter { !offered.contains($0) }
        let known = asked.filter(offered.contains)
        granted = known.filter { decisions[$0] ?? policy.grants($0) }
        denied = known.filter { !(decisions[$0] ?? policy.grants($0)) }
    }
}
