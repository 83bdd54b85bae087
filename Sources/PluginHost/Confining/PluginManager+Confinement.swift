import Confinement
import HostModel

/// What the processes of plugins may do.
extension PluginManager {
    /// What the operator wants.
    func confinementChoice(of name: PluginName) -> ConfinementChoice {
        slots[name]?.confinementToCome
            ?? (registry[name]?.isConfined == false ? .off : .standard)
    }

    /// Makes the directories that the processes of a plugin may write to, and tells what else they
    /// may do.
    ///
    /// - Returns: nil where the operator does not want them confined.
    /// - Throws: `HostError` of a directory that could not be made.
    func confinement(
        of manifest: Manifest, _ granted: Set<String>, _ directory: PluginDirectory
    ) async throws(HostError) -> Confinement? {
        for path in [directory.sqlite, directory.events, directory.own, directory.releases] {
            try Directory.create(path, mode: 0o700)
        }
        guard confinementChoice(of: manifest.name) == .standard else {
            say(
                .warning,
                "its processes are not confined, as the operator wants it: they have the rights of"
                    + " the host's user", manifest.name)
            return nil
        }
        var confinement = Confinement(
            readable: [directory.releases],
            writable: [directory.sqlite, directory.events, directory.own])
        confinement.hasNetwork = granted.contains(Permission.network)
        confinement.hasProcesses = granted.contains(Permission.processes)
        confinement.limits = .standing(await resources(of: manifest))
        return confinement
    }

    /// What a plugin may use: as the operator says, else as its manifest does.
    func resources(of manifest: Manifest) async -> ResourceLimits {
        manifest.resources.changed(by: await readConfiguration().resources(manifest.name))
    }

    /// Writes down what the operator wants of the processes of a plugin.
    func note(_ choice: ConfinementChoice?, of name: PluginName) async {
        guard let choice, let record = registry[name], record.isConfined != (choice == .standard)
        else { return }
        await note(.confinementChosen(choice), on: name)
    }

    /// Does so with one that is there already as it is to be, and starts its processes anew.
    func choose(_ choice: ConfinementChoice?, _ slot: PluginSlot) async throws(HostError) {
        guard let choice, choice != confinementChoice(of: slot.name) else { return }
        await note(choice, of: slot.name)
        guard let loaded = slot.current?.loaded, loaded.mode.isConfinable else { return }
        try await load(slot, force: true)
    }
}

extension PluginMode {
    /// Whether there are processes that the host confines; a container has its own means.
    var isConfinable: Bool { self == .isolated || self == .process }
}
