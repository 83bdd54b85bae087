/// Where the code of a plugin runs.
public enum PluginMode: String, Sendable, CaseIterable {
    /// In the host itself.
    case inProcess = "in-process"
    /// In processes of its own.
    case isolated
    /// It is a program, which answers HTTP on a socket.
    case process
    /// It is such a program, in a container.
    case container

    /// The modes that an operator can choose between.
    public static let chosen = [inProcess, isolated]
}
