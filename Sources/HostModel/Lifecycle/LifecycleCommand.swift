/// Something that somebody wants to happen to a plugin.
public enum LifecycleCommand: Hashable, Sendable {
    /// Put this release on the disk: an installation, or an upgrade when the plugin is there
    /// already.
    case install(LifecycleEvent.Release)
    case activate
    case deactivate(reason: String)
    /// Take note that the `.so` has another content.
    case replaceLibrary(Digest)
    /// Serve it at another place as well.
    case mount(MountAddress)
    case unmount(MountAddress)
    case remove(keepData: Bool)
}

extension Registry {
    /// Judges a command, and returns what will have happened when it is carried out.
    ///
    /// Asking for what is already so is no error and gives no events.
    /// - Throws: `HostError` with code `plugin_not_installed` (naming the nearest name that is),
    ///   `generation_still_loaded` when a plugin is to be removed whose code is still mapped,
    ///   `mount_taken` when another plugin has the place, or `mount_missing` when it has it not.
    public func decide(_ command: LifecycleCommand, on name: PluginName) throws(HostError)
        -> [LifecycleEvent.Fact]
    {
        if case .install(let release) = command {
            guard let record = plugins[name] else { return [.installed(release)] }
            return record.release == release
                ? [] : [.upgraded(from: record.release.version, to: release)]
        }
        let record = try installed(name)
        switch command {
        case .install: return []
        case .activate: return record.isActive ? [] : [.activated]
        case .deactivate(let reason): return record.isActive ? [.deactivated(reason: reason)] : []
        case .replaceLibrary(let digest):
            let old = record.release.libraryDigest
            return old == digest ? [] : [.libraryReplaced(from: old, to: digest)]
        case .mount(let address):
            guard let other = mounts[address] else { return [.mounted(address)] }
            if other == name { return [] }
            throw Self.taken(address, by: other, for: name)
        case .unmount(let address):
            guard mounts[address] == name else { throw missing(address, of: name) }
            return [.unmounted(address)]
        case .remove(let keepData):
            guard record.loadedGenerations.isEmpty else {
                let numbers = record.loadedGenerations.map(String.init).joined(separator: ", ")
                throw HostError(
                    "generation_still_loaded", what: "plugin \"\(name)\" was not removed",
                    why: "its code is still loaded (generation \(numbers))",
                    fix: "deactivate it and wait until it is unloaded")
            }
            let removed: [LifecycleEvent.Fact] = [.removed(dataKept: keepData)]
            return record.isActive ? [.deactivated(reason: "removed")] + removed : removed
        }
    }

    /// Says that two plugins cannot have one place.
    public static func taken(
        _ address: MountAddress, by other: PluginName, for name: PluginName
    ) -> HostError {
        let host = address.host.map { " --host \($0)" } ?? ""
        return HostError(
            "mount_taken", what: "plugin \"\(name)\" was not mounted at \(address)",
            why: "plugin \"\(other)\" is mounted there",
            fix: "choose another place, or take that one back with:"
                + " host unmount \(other) --at \(address.prefix)\(host)")
    }

    private func missing(_ address: MountAddress, of name: PluginName) -> HostError {
        let places = mounts(of: name).map(\.description).joined(separator: ", ")
        return HostError(
            "mount_missing", what: "plugin \"\(name)\" is not mounted at \(address)",
            why: places.isEmpty
                ? "it is mounted nowhere but at /plugin/\(name)"
                : "it is mounted at \(places), and at /plugin/\(name)",
            fix: "see: host mounts")
    }

    /// The plugin of that name.
    ///
    /// - Throws: `HostError` with code `plugin_not_installed`.
    public func installed(_ name: PluginName) throws(HostError) -> PluginRecord {
        if let record = plugins[name] { return record }
        let hint = Spelling.hint(for: name.text, among: plugins.keys.map(\.text))
        throw HostError(
            "plugin_not_installed", what: "plugin \"\(name)\" is not installed" + hint,
            why: tombstones[name] == nil ? "there is none of that name" : "it was removed",
            fix: "install it with: host install FILE.tar.gz")
    }
}
