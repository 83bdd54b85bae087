package import HostModel

/// What becomes of plugins that bring the engine down.
extension PluginManager {
    /// Takes note of how the engine before this one ended, and keeps whoever did that from doing it
    /// again; before `start`.
    ///
    /// - Returns: whether it will not do so again.
    package func note(_ crash: CrashReport) async throws(HostError) -> Bool {
        let level = HostLog.Level.error
        for line in [crash.summary] + crash.backtrace.map({ "  at \($0)" }) {
            log.write(level, line, about: crash.culprit.map(HostLog.Subject.init))
        }
        guard let culprit = crash.culprit, registry[culprit.plugin] != nil else {
            log.write(level, "no plugin is blamed for it")
            try await record([.engineCrashed(crash)], on: Self.hostItself)
            return false
        }
        let name = culprit.plugin
        try await record([.engineCrashed(crash)], on: name)
        let policy = options.onCrash ?? installedManifest(name)?.onCrash ?? .quarantine
        if policy == .restart, registry[name]?.crashesTooOften(at: .now) != true {
            say(.warning, "it may serve again: --on-crash restart", name)
            return false
        }
        var reason = crash.cause
        // What is not in force any more does not come back, wherever that runs which is.
        if policy == .isolate, culprit.digest == registry[name]?.release.libraryDigest {
            guard let objection = objectionToIsolation(of: name) else {
                let told = "generation \(culprit.generation) ended the engine: \(crash.cause)"
                say(.warning, "it serves again from a process of its own: \(told)", name)
                try await execute(.chooseMode(.isolated, reason: told), on: name)
                return true
            }
            reason += "; it cannot run isolated: \(objection)"
        }
        let quarantine = Quarantine(
            reason: reason, generation: culprit.generation, digest: culprit.digest)
        try await execute(.quarantine(quarantine), on: name)
        return true
    }

    /// What the journal calls the host, where it tells of no plugin.
    private static var hostItself: PluginName {
        guard let name = PluginName("host") else { preconditionFailure("it is a name") }
        return name
    }

    /// Lets a plugin serve again that was kept from it.
    func liftQuarantine(_ name: PluginName, _ by: String) async throws(HostError) {
        guard registry[name]?.quarantine != nil else { return }
        try await execute(.liftQuarantine(reason: by), on: name)
    }
}

extension Quarantine {
    /// The library that is not to be loaded.
    ///
    /// - Throws: the error that says so, where it is all of them.
    func unwanted(_ name: PluginName) throws(HostError) -> Digest {
        guard let digest else { throw error(of: name) }
        return digest
    }
}

extension HostLog.Subject {
    fileprivate init(_ culprit: CrashReport.Culprit) {
        self.init(
            plugin: culprit.plugin.text, version: culprit.version,
            generation: UInt64(culprit.generation))
    }
}
