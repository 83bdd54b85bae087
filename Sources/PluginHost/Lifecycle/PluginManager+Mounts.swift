import HTTPServer
package import HostModel

/// Places for plugins beside `/plugin/NAME/`.
extension PluginManager {
    /// Serves a plugin at another place as well, from the next request on; a restart keeps it.
    ///
    /// - Throws: `plugin_not_installed`; `mount_taken` naming the plugin that is there;
    ///   `mount_invalid` for a place of the host's own.
    package func mount(
        _ name: PluginName, at address: MountAddress
    ) async throws(HostError) -> PluginStatus {
        guard address.prefix != HostPages.readinessPath.description else {
            throw HostError(
                "mount_invalid", what: "nothing can be mounted at \(address)",
                why: "\(HostPages.readinessPath) tells whether the host is ready",
                fix: "choose another path")
        }
        return try await place(name, at: address)
    }

    private func place(
        _ name: PluginName, at address: MountAddress
    ) async throws(HostError) -> PluginStatus {
        try await exclusively(name) { slot throws(HostError) in
            let facts = try registry.decide(.mount(address), on: name)
            if let other = mountsInHand.updateValue(name, forKey: address), other != name {
                mountsInHand[address] = other
                throw Registry.taken(address, by: other, for: name)
            }
            defer { mountsInHand[address] = nil }
            try await record(facts, on: name)
            await publish(slot)
            if !facts.isEmpty { say(.info, "mounted at \(address)", name) }
        }
        return try await status(name)
    }

    /// Takes a place back, or every place of the plugin; requests that are running there end well.
    ///
    /// - Parameter address: nil: all of them.
    /// - Throws: `plugin_not_installed`; `mount_missing` when it is not mounted at the address.
    package func unmount(
        _ name: PluginName, from address: MountAddress?
    ) async throws(HostError) -> PluginStatus {
        try await exclusively(name) { slot throws(HostError) in
            _ = try registry.installed(name)
            let addresses = address.map { [$0] } ?? registry.mounts(of: name)
            var facts: [LifecycleEvent.Fact] = []
            for address in addresses {
                facts += try registry.decide(.unmount(address), on: name)
            }
            try await record(facts, on: name)
            await publish(slot)
            for address in addresses { say(.info, "no longer mounted at \(address)", name) }
        }
        return try await status(name)
    }

    /// Every place that operators have given to plugins, in order.
    package func mounts() -> [(address: MountAddress, name: PluginName)] {
        registry.mounts.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    /// Makes the table say what the registry does: where plugins are mounted, and which are
    /// installed without serving.
    func settleTable() {
        if registry.mounts != table.operators?.mounts ?? [:] {
            table = table.placing(OperatorMounts(registry.mounts))
        }
        var others: [Mount] = []
        for (name, record) in registry.plugins where slots[name]?.current?.generation == nil {
            var availability = Mount.Availability.inactive
            if record.isActive && !record.isDisabled {
                availability =
                    record.quarantine.map { .quarantined(reason: $0.reason) }
                    ?? .unavailable(retryAfterSeconds: 1)
            }
            if table.mounts[name]?.availability != availability {
                others.append(Mount(name: name, generation: nil, availability: availability))
            }
        }
        if !others.isEmpty { table = table.replacing(others) }
    }
}
