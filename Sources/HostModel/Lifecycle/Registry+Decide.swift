extension Registry {
    /// Judges a command, and returns what will have happened when it is carried out.
    ///
    /// - Throws: as `PluginAggregate.decide`, with the nearest name that is installed when there is
    ///   none of that name; `mount_taken` when another plugin has the place, or `mount_missing`
    ///   when it has it not.
    public func decide(_ command: LifecycleCommand, on name: PluginName) throws(HostError)
        -> [LifecycleEvent.Fact]
    {
        switch command {
        case .install, .begin(.install), .extract, .finish, .undo: break
        default: _ = try installed(name)
        }
        switch command {
        case .mount(let address):
            guard let other = mounts[address] else { return [.mounted(address)] }
            if other == name { return [] }
            throw Self.taken(address, by: other, for: name)
        case .unmount(let address):
            guard mounts[address] == name else { throw missing(address, of: name) }
            return [.unmounted(address)]
        default: return try aggregate(name).decide(command)
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
        throw PluginAggregate.missing(
            name, hint: Spelling.hint(for: name.text, among: plugins.keys.map(\.text)),
            isRemoved: tombstones[name]?.digests.isEmpty == false)
    }
}
