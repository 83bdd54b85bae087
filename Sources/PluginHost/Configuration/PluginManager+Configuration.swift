internal import HTTPServer
package import HostModel

/// What the operator sets for plugins, and what becomes of it when it changes.
extension PluginManager {
    // MARK: - Loading

    /// Reads the operator's files.
    func readConfiguration() async -> ConfigurationSources {
        let (layout, options) = (layout, options.configuration)
        return await Blocking.run { ConfigurationSources(root: layout, options: options) }
    }

    /// The configuration of a release of a plugin.
    ///
    /// - Throws: `configuration_invalid` with every objection, or what is wrong with a file.
    func configuration(
        for manifest: Manifest, _ slot: PluginSlot, from sources: ConfigurationSources? = nil
    ) async throws(HostError) -> ConfigurationSnapshot {
        let sources = if let sources { sources } else { await readConfiguration() }
        let names = Array(registry.plugins.keys) + [manifest.name]
        let resolved = try await Blocking.run { () throws(HostError) in
            try sources.resolve(manifest, among: names)
        }
        return slot.snapshot(of: resolved)
    }

    /// Whether a plugin is to serve as far as the files say, which is written down if it is new.
    ///
    /// - Parameter wasEnabled: what the journal says.
    func isEnabled(_ name: PluginName) async throws(HostError) -> Bool {
        let sources = await readConfiguration()
        return try await settleEnabled(name, sources)
    }

    /// Takes in which plugins are to serve as far as the files say.
    func settleEnabled() async throws(HostError) {
        let sources = await readConfiguration()
        configurationMarks = sources.marks
        for name in registry.plugins.keys { _ = try await settleEnabled(name, sources) }
    }

    private func settleEnabled(
        _ name: PluginName, _ sources: ConfigurationSources
    ) async throws(HostError) -> Bool {
        let wasEnabled = registry[name]?.isDisabled != true
        // A file that cannot be read changes nothing.
        guard sources.faults.isEmpty else { return wasEnabled }
        let (isEnabled, path) = sources.isEnabled(name)
        if registry[name] != nil, isEnabled != wasEnabled {
            try await record([isEnabled ? .enabled : .disabled(by: path ?? "")], on: name)
            say(.info, isEnabled ? "enabled" : "disabled by \(path ?? "")", name)
        }
        return isEnabled
    }

    /// What is said when a plugin is to serve that is disabled.
    func disabled(_ name: PluginName) -> HostError {
        HostError(
            "disabled", what: "plugin \"\(name)\" does not serve",
            why: "it is disabled by configuration",
            fix: "set \"enabled\" to true, or take it away, where `host config \(name)` says")
    }

    // MARK: - Changes

    /// Looks whether the files are others than at the last look, as far as that can be told without
    /// reading them.
    func lookAtConfiguration() async {
        let (layout, options) = (layout, options.configuration)
        let marks = await Blocking.run {
            ConfigurationSources.paths(options).map { FileMark(ofFile: layout.root + "/" + $0) }
        }
        if marks != configurationMarks { await configurationChanged() }
    }

    /// Looks at the files again, and has every plugin go by them; changes that come meanwhile lead
    /// to one more look.
    func configurationChanged() async {
        configurationChanges += 1
        guard !isFollowingConfiguration else { return }
        isFollowingConfiguration = true
        defer { isFollowingConfiguration = false }
        while configurationChanges > 0, !isStopping {
            configurationChanges = 0
            let sources = await readConfiguration()
            configurationMarks = sources.marks
            for fault in sources.faults { log.write(.error, fault.description) }
            for name in registry.sorted.map(\.name) {
                await apply(sources, name)
            }
        }
    }

    private func apply(_ sources: ConfigurationSources, _ name: PluginName) async {
        let isGoing =
            sources.faults.isEmpty && !sources.isEnabled(name).value
            && slots[name]?.current != nil
        do throws(HostError) {
            if isGoing { try await leave(name, cascades: true, options.drain) }
            defer { if isGoing { left(name) } }
            try await exclusively(name) { slot throws(HostError) in await apply(sources, slot) }
        } catch {
            say(.error, error.description, name)
        }
    }

    /// Has one plugin go by what the files say; a failure is kept for `status` and logged, and what
    /// was in force stays.
    private func apply(_ sources: ConfigurationSources, _ slot: PluginSlot) async {
        guard !isStopping, registry[slot.name] != nil else { return }
        do throws(HostError) {
            let wasEnabled = registry[slot.name]?.isDisabled != true
            let isEnabled = try await settleEnabled(slot.name, sources)
            guard registry[slot.name]?.isActive == true else { return }
            if !isEnabled {
                try await withdraw(slot, options.drain)
                slot.isBlocked = false
                await publish(slot)
                return
            }
            guard let image = slot.current else {
                let waitsForThis = !wasEnabled || slot.lastError?.code == "configuration_invalid"
                if waitsForThis { try await load(slot) }
                return
            }
            let former = image.loaded.member.configuration.current
            let snapshot = try await configuration(
                for: image.loaded.manifest, slot, from: sources)
            slot.configurationError = nil
            for warning in snapshot.resolved.warnings { say(.warning, warning, slot.name) }
            if former.revision != snapshot.revision { try await change(image, snapshot, slot) }
        } catch {
            guard slot.configurationError != error else { return }
            slot.configurationError = error
            let former = slot.current == nil ? "" : "; what was in force stays"
            say(.error, error.description + former, slot.name)
        }
    }

    private func change(
        _ image: HostedImage, _ snapshot: ConfigurationSnapshot, _ slot: PluginSlot
    ) async throws(HostError) {
        let wish = image.loaded.manifest.configuration.reload
        if snapshot.resolved.json == image.loaded.member.configuration.current.resolved.json {
            image.loaded.member.configuration.current = snapshot
        } else if wish != true, image.loaded.observesConfiguration {
            try await image.loaded.change(to: snapshot, seconds: 10)
            image.loaded.member.configuration.current = snapshot
            say(.info, "its configuration has changed", slot.name, image.loaded)
        } else if wish != false {
            say(.info, "its configuration has changed: it is reloaded", slot.name, image.loaded)
            try await load(slot, force: true)
        } else {
            say(
                .info, "its configuration has changed, and counts from its next load", slot.name,
                image.loaded)
        }
    }

    // MARK: - Asking

    /// What of a plugin's configuration its status tells; nil when there is nothing to tell.
    func configuration(of slot: PluginSlot) -> PluginStatus.Configuration? {
        let current = slot.current?.loaded.member.configuration.current
        if slot.configurationError == nil, current?.resolved.document.entries.isEmpty ?? true {
            return nil
        }
        return PluginStatus.Configuration(
            revision: current?.revision ?? 0, error: slot.configurationError)
    }

    /// A plugin's configuration with the origin of each value, as it stands in the files now.
    ///
    /// - Shape: `{"plugin", "environment", "enabled", "enabled_by", "revision", "values": [{"key",
    ///   "value", "origin", "secret"?, "reference"?}, ...], "objections": [...], "error"}`.
    ///   `revision` is that in force; `error` is why a change does not count.
    package func configurationReport(_ name: PluginName) async throws(HostError) -> JSONValue {
        _ = try registry.installed(name)
        let sources = await readConfiguration()
        let installer = installer
        let installed = try await Blocking.run { () throws(HostError) in
            try installer.installed(name)
        }
        let names = Array(registry.plugins.keys)
        let (resolved, found) = await Blocking.run {
            sources.examine(installed.manifest, among: names)
        }
        let slot = slot(name)
        let (isEnabled, path) = sources.isEnabled(name)
        let revision = slot.current?.loaded.member.configuration.current.revision
        return [
            "plugin": .string(name.text),
            "environment": sources.options.environment.map { .string($0) } ?? .null,
            "enabled": .bool(isEnabled),
            "enabled_by": path.map { .string($0) } ?? .null,
            "revision": revision.map { .number(JSONNumber($0)) } ?? .null,
            "values": resolved.values,
            "objections": .array(
                (sources.faults.flatMap(Self.lines) + found).map { .string($0) }),
            "warnings": .array(resolved.warnings.map { .string($0) }),
            "error": slot.configurationError?.json["error"] ?? .null,
        ]
    }

    /// Judges the configuration of every plugin.
    ///
    /// - Shape: `{"objections": [{"plugin", "why": [...]}, ...], "warnings": [{...}, ...]}`; a file
    ///   as a whole has no plugin.
    package func configurationCheck() async -> JSONValue {
        let sources = await readConfiguration()
        let names = Array(registry.plugins.keys)
        var objections: [JSONValue] = []
        var warnings: [JSONValue] = []
        func add(_ lines: [String], _ plugin: PluginName?, to list: inout [JSONValue]) {
            guard !lines.isEmpty else { return }
            list.append([
                "plugin": plugin.map { .string($0.text) } ?? .null,
                "why": .array(lines.map { .string($0) }),
            ])
        }
        add(sources.faults.flatMap(Self.lines), nil, to: &objections)
        for name in names.sorted() {
            guard let installed = try? installer.installed(name) else { continue }
            let (resolved, found) = await Blocking.run {
                sources.examine(installed.manifest, among: names)
            }
            add(found, name, to: &objections)
            add(resolved.warnings, name, to: &warnings)
        }
        for (name, path) in sources.mentioned where registry[name] == nil {
            let hint = Spelling.hint(for: name.text, among: names.map(\.text))
            add(["\(path): no plugin of that name is installed" + hint], name, to: &warnings)
        }
        return ["objections": .array(objections), "warnings": .array(warnings)]
    }

    private static func lines(_ fault: HostError) -> [String] {
        fault.reasons.map { "\(fault.subject): \($0)" }
    }
}

extension PluginSlot {
    /// The resolved configuration with its number, which is that of the one before if they are the
    /// same.
    func snapshot(of resolved: ResolvedConfiguration) -> ConfigurationSnapshot {
        if let last = lastConfiguration, last.resolved.json == resolved.json,
            last.resolved.document == resolved.document
        {
            return last
        }
        let snapshot = ConfigurationSnapshot(
            resolved, revision: (lastConfiguration?.revision ?? 0) + 1)
        lastConfiguration = snapshot
        return snapshot
    }
}
