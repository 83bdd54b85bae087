package import HostModel

/// What plugins may ask of the host.
///
/// A pointer that was handed out is the permission, and cannot be taken back from code that runs:
/// what is granted or revoked counts from the next generation on, so the plugin is reloaded.
extension PluginManager {
    /// Which of some services a plugin is given.
    func grants(of name: PluginName, asking services: [String]) -> ServiceGrants {
        var decisions = registry[name]?.grants ?? [:]
        for service in slots[name]?.grantsToCome ?? [] { decisions[service] = true }
        return ServiceGrants(
            asked: services, decisions: decisions, policy: options.grants,
            offered: ServiceDoor.offered)
    }

    /// Which services a plugin is given; those that it asks for in its release in force.
    func grants(of record: PluginRecord) -> ServiceGrants {
        grants(of: record.name, asking: asked(by: record.name))
    }

    private func asked(by name: PluginName) -> [String] {
        if let manifest = slots[name]?.current?.loaded.manifest { return manifest.services }
        return (try? installer.installed(name))?.manifest.services ?? []
    }

    /// Gives a plugin services, and reloads it if it asks for them and serves without.
    ///
    /// - Throws: `service_not_asked` for what its manifest does not ask for; what a reload throws.
    package func grant(
        _ name: PluginName, _ services: [String]
    ) async throws(HostError) -> PluginStatus {
        _ = try registry.installed(name)
        try Self.expect(services, by: name, asking: asked(by: name))
        try await decide(name, services.map { .grant($0) })
        return try await status(name)
    }

    /// Takes services from a plugin, and reloads it if it serves with them.
    ///
    /// - Throws: what a reload throws; a plugin that does not come up without them is taken out of
    ///   service.
    package func revoke(
        _ name: PluginName, _ services: [String]
    ) async throws(HostError) -> PluginStatus {
        try await decide(name, services.map { .revoke($0) })
        return try await status(name)
    }

    private func decide(
        _ name: PluginName, _ commands: [LifecycleCommand]
    ) async throws(HostError) {
        let former = try await exclusively(name) { slot throws(HostError) -> HostedImage? in
            for command in commands { try await execute(command, on: name) }
            let former = slot.current
            try await putGrantsInForce(slot)
            return slot.current === former ? nil : former
        }
        if let former { await waitUntilGone(former, slot(name), .seconds(1)) }
    }

    /// Gives services to a plugin that is being installed and is there already as it is to be.
    func give(_ services: [String], to slot: PluginSlot) async throws(HostError) {
        for service in services { try await execute(.grant(service), on: slot.name) }
        try await putGrantsInForce(slot)
    }

    /// - Throws: `service_not_asked` for what a bundle's manifest does not ask for.
    static func expect(_ services: [String], of manifest: Manifest) throws(HostError) {
        try expect(services, by: manifest.name, asking: manifest.services)
    }

    private static func expect(
        _ services: [String], by name: PluginName, asking asked: [String]
    ) throws(HostError) {
        let strangers = services.filter { !asked.contains($0) }
        guard strangers.isEmpty else { throw notAsked(strangers, by: name, asking: asked) }
    }

    private func putGrantsInForce(_ slot: PluginSlot) async throws(HostError) {
        guard server != nil, let record = registry[slot.name], record.isActive else { return }
        let next = Set(grants(of: record).granted)
        // What stands by has what was revoked as well.
        for image in slot.standbys where !image.loaded.granted.isSubset(of: next) {
            await dismiss(image, slot, options.drain)
        }
        guard let loaded = slot.current?.loaded else {
            // It may have failed for want of what it has now.
            return slot.isBlocked ? () : try await load(slot)
        }
        guard loaded.granted != next else { return }
        do throws(HostError) {
            try await load(slot, force: true)
        } catch {
            guard !loaded.granted.isSubset(of: next) else { throw error }
            var error = error
            error.what =
                "plugin \"\(slot.name)\" is out of service: it does not come up"
                + " without what was revoked"
            try await withdraw(slot, options.drain)
            slot.lastError = error
            settleDependencies()
            throw error
        }
    }

    // MARK: - Denials

    /// What a door is to do when it denies something.
    func denial(of name: PluginName, generation: Int) -> ServiceDoor.Denial {
        { [weak self, control] service, reason in
            Task(executorPreference: control) {
                await self?.wasDenied(
                    .serviceDenied(service, generation: generation, reason: reason), to: name)
            }
        }
    }

    private func wasDenied(_ fact: LifecycleEvent.Fact, to name: PluginName) async {
        guard registry[name] == nil else { return await note(fact, on: name) }
        slot(name).denials.append(fact)
    }

    /// Writes down what was denied before the plugin was installed.
    func noteDenials(_ slot: PluginSlot) async {
        let facts = slot.denials
        slot.denials = []
        for fact in facts { await note(fact, on: slot.name) }
    }

    private static func notAsked(
        _ services: [String], by name: PluginName, asking asked: [String]
    ) -> HostError {
        let hint = services.first.map { Spelling.hint(for: $0, among: asked) } ?? ""
        return HostError(
            "service_not_asked",
            what: "plugin \"\(name)\" was not granted anything",
            why: services.map { "its manifest does not ask for \(Escaping.printable($0))" },
            fix: asked.isEmpty
                ? "its manifest asks for no service at all"
                : "it asks for: \(asked.joined(separator: ", "))\(hint)")
    }
}
