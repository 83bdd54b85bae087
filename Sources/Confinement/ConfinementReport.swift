/// What of a confinement is in force, and what the kernel did not offer.
public struct ConfinementReport: Sendable, Hashable {
    /// One of the kernel's means.
    public enum Mechanism: String, Sendable, CaseIterable {
        /// Only the passed descriptors are open.
        case descriptors
        /// A user namespace, in which nobody else exists.
        case userNamespace = "user namespace"
        /// A network namespace without interfaces.
        case networkNamespace = "network namespace"
        /// Limits of the process.
        case limits = "rlimits"
        /// No capability, and none to be gained by executing.
        case privileges = "no new privileges"
        /// Landlock's rules for files.
        case files = "landlock files"
        /// Landlock's rules for TCP.
        case ports = "landlock tcp"
        /// Landlock's bounds for signals and abstract sockets.
        case signals = "landlock signals"
        /// A filter of system calls.
        case systemCalls = "seccomp"
    }

    /// Something that is not in force, and why.
    public struct Absence: Sendable, Hashable {
        /// What is not in force.
        public let mechanism: Mechanism
        /// Why, in words.
        public let reason: String
    }

    /// What is in force.
    public private(set) var applied: [Mechanism] = []
    /// What is not, though it was wanted.
    public private(set) var missing: [Absence] = []

    init() {}

    mutating func note(_ mechanism: Mechanism) { applied.append(mechanism) }

    mutating func note(_ mechanism: Mechanism, absent reason: String) {
        missing.append(Absence(mechanism: mechanism, reason: reason))
    }

    /// Both lists in one line each.
    ///
    /// - Shape: `with landlock files, seccomp` and `without user namespace (...)`.
    public var lines: [String] {
        var lines: [String] = []
        if !applied.isEmpty {
            lines.append("with " + applied.map(\.rawValue).joined(separator: ", "))
        }
        if !missing.isEmpty {
            let absences = missing.map { "\($0.mechanism.rawValue) (\($0.reason))" }
            lines.append("without " + absences.joined(separator: ", "))
        }
        return lines
    }
}
