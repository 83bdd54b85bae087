/// What an operator can want of the confinement of a plugin's processes.
public enum ConfinementChoice: String, Sendable, CaseIterable {
    /// They may do what every plugin may, and what was granted.
    case standard = "default"
    /// They have the rights of the host's user.
    case off
}
