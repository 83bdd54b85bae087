import HostModel

/// Changes of several steps, in the journal and on the disk, that a crash may cut short.
extension PluginManager {
    /// Takes the steps of a change, one after the other; what fails on the way is taken back.
    ///
    /// - Parameters:
    ///   - prove: brings the code up, or looks at it; returns the image, if there is to be one.
    ///   - apply: makes the disk show the change, at once.
    /// - Returns: the image that is to serve; nil when none is.
    /// - Throws: `HostError` of the step that failed.
    func carryOut(
        _ change: Change, _ slot: PluginSlot,
        prove: nonisolated(nonsending) () async throws(HostError) -> HostedImage? = { nil },
        apply: @escaping @Sendable () throws(HostError) -> InstalledPlugin?
    ) async throws(HostError) -> HostedImage? {
        let name = slot.name
        if registry.changes[name] != nil { try await settleChange(name) }
        var image: HostedImage?
        var hasBegun = false
        do throws(HostError) {
            for step in change.steps {
                switch step {
                case .prove: image = try await prove()
                case .begin:
                    try await execute(.begin(change), on: name)
                    hasBegun = true
                case .apply:
                    if let installed = try await Blocking.run(apply) {
                        slot.releaseDirectory = installed.releaseDirectory
                        try await execute(.extract, on: name)
                    }
                case .finish: try await execute(.finish, on: name)
                }
            }
            return image
        } catch {
            if let image { await takeDown(image, slot) }
            guard hasBegun else { throw error }
            if await isGone(change, name) {
                // A removal cannot be taken back once the directory has gone, and is done then.
                say(.warning, "it is removed, and not all of it is off the disk: \(error)", name)
                try await execute(.finish, on: name)
                return nil
            }
            do throws(HostError) {
                try await takeBack(change, name, reason: error.what)
            } catch let second {
                throw error.also(second, during: "cleanup")
            }
            throw error
        }
    }

    /// Finishes or undoes what an earlier attempt has left unfinished, by what the disk shows.
    func settleChange(_ name: PluginName) async throws(HostError) {
        guard let change = registry.changes[name] else { return }
        let installer = installer
        let found = await Blocking.run { installer.found(name) }
        switch change.ending(found: found) {
        case .finish:
            say(.info, "its \(change.kind.rawValue) was cut short, and is finished now", name)
            try await execute(.finish, on: name)
        case .undo:
            say(.info, "its \(change.kind.rawValue) was cut short, and is undone", name)
            try await takeBack(change, name, reason: "it was cut short")
        }
    }

    private func isGone(_ change: Change, _ name: PluginName) async -> Bool {
        guard case .removal = change else { return false }
        let installer = installer
        return await Blocking.run { installer.found(name) } == .nothing
    }

    private func takeBack(
        _ change: Change, _ name: PluginName, reason: String
    ) async throws(HostError) {
        let installer = installer
        try await Blocking.run { () throws(HostError) in try installer.undo(change, of: name) }
        await note(.undone(reason: reason), on: name)
    }

    /// Removes releases that are too many.
    func prune(_ name: PluginName) async {
        let installer = installer
        let kept = Set(
            registry[name]?.versions.filter(\.status.isUp).map(\.directory) ?? [])
        do throws(HostError) {
            let pruned = try await Blocking.run { () throws(HostError) in
                try installer.prune(name, keeping: kept)
            }
            for directory in pruned { try await execute(.prune(directory: directory), on: name) }
        } catch {
            // The change is done; the next one tries again.
            say(.warning, error.description, name)
        }
    }
}
