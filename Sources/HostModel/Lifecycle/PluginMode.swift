/// Where the code of a plugin runs.
public enum PluginMode: String, Sendable, CaseIterable {
    /// In the host itself.
    case inProcess = "in-process"
    /// In processes of its own.
    case isolated
}
