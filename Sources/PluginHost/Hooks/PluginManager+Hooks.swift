import HostModel

/// Hooks on what the manager does.
extension PluginManager {
    /// Lets the reactors know of hooks that a plugin has added while it serves.
    func publishHooks() async {
        guard batch == nil else { return }
        await publishTable()
    }
}
