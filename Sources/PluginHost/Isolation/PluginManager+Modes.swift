package import HostModel

/// Where the code of a plugin runs, changed while it serves.
extension PluginManager {
    /// Has a plugin run in the host or in processes of its own from now on.
    ///
    /// One that serves goes on serving: its next generation is brought up there, takes over, and
    /// the former one ends after its last answer. One that is quarantined for what it did in the
    /// host serves again from a process of its own.
    ///
    /// - Parameter activates: whether a plugin that is inactive is to serve.
    /// - Throws: `mode_not_possible` for a program; `HostError` of the step that failed, and then
    ///   it serves from where it did.
    package func run(
        _ name: PluginName, in mode: PluginMode, because reason: String = "the operator asked",
        activates: Bool = false
    ) async throws(HostError) -> PluginStatus {
        let former = try await exclusively(name) { slot throws(HostError) -> HostedImage? in
            let record = try registry.installed(name)
            try checkMode(mode, of: name)
            let isEnabled = try await isEnabled(name)
            guard isEnabled || !activates else { throw disabled(name) }
            let former = slot.current
            // What does not come up there must not come up elsewhere at the next start.
            if former == nil {
                try await execute(.chooseMode(mode, reason: reason), on: name)
            }
            if isEnabled, record.isActive || activates {
                if activates || mode == .isolated {
                    try await liftQuarantine(name, "host activate")
                }
                if server != nil, former?.loaded.mode != mode {
                    try await load(slot, force: true, canary: .none, mode: mode)
                }
            }
            try await execute(.chooseMode(mode, reason: reason), on: name)
            if activates { try await execute(.activate, on: name) }
            return slot.current === former ? nil : former
        }
        if let former { await waitUntilGone(former, slot(name), .seconds(1)) }
        return try await status(name)
    }

    private func checkMode(_ mode: PluginMode, of name: PluginName) throws(HostError) {
        let isProgram = installedManifest(name)?.process != nil
        guard isProgram || !PluginMode.chosen.contains(mode) else { return }
        throw HostError(
            "mode_not_possible", what: "plugin \"\(name)\" stays where it is",
            why: isProgram
                ? "it is a program, and its manifest says where it runs"
                : "whether a plugin is a program is for its manifest to say",
            fix: "choose between in-process and isolated, for a plugin that is a library")
    }

    /// What speaks against running a plugin in a process of its own; nil: nothing does.
    func objectionToIsolation(of name: PluginName) -> String? {
        guard options.workerExecutable != nil else {
            return "this host was not told how to start a process for it"
        }
        return nil
    }

    /// The manifest of the release in force, by the disk.
    func installedManifest(_ name: PluginName) -> Manifest? {
        (try? installer.installed(name))?.manifest
    }
}
