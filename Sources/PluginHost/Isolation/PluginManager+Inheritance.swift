import DynamicLibrary
import HostModel

/// Processes of plugins that outlive engines.
extension PluginManager {
    /// A generation whose processes an engine before this one has left, if they are what would be
    /// started now; whatever else is left of the plugin is ended.
    func reattach(
        _ source: Source, _ slot: PluginSlot, _ configuration: ConfigurationSnapshot
    ) async -> (any PluginInstance)? {
        let left = options.inheritance?.take(slot.name) ?? []
        let groups = Dictionary(grouping: left) { $0.number("generation") ?? 0 }
        var instance: (any PluginInstance)?
        for (number, survivors) in groups.sorted(by: { $0.key > $1.key }) {
            if instance == nil {
                do throws(HostError) {
                    instance = try await reattach(survivors, number, source, configuration)
                } catch {
                    say(.warning, "its processes do not go on: \(error)", slot.name)
                }
                guard instance == nil else { continue }
            }
            end(survivors)
        }
        guard let instance else { return nil }
        slot.lastNumber = max(slot.lastNumber, instance.number)
        say(.info, "its processes go on", slot.name, instance)
        return instance
    }

    private func reattach(
        _ survivors: [Survivor], _ number: Int, _ source: Source,
        _ configuration: ConfigurationSnapshot
    ) async throws(HostError) -> (any PluginInstance)? {
        let library = source.library
        let digest = try await Blocking.run { () throws(HostError) in
            try SHA256.digest(ofFile: library)
        }
        guard digest != source.unless, source.pinned.map({ $0 == digest }) ?? true,
            let files = survivors.first?.description["files"]?.string
        else { return nil }
        if let process = source.manifest.process {
            return try await reattachProcess(
                process, source, configuration, number: number, digest, files, survivors)
        }
        guard survivors.allSatisfy({ $0.description["kind"]?.string == Survivor.worker }) else {
            return nil
        }
        let (copy, inspection) = try await Blocking.run { () throws(HostError) in
            do throws(LibraryError) {
                return (
                    try PrivateCopy(leftAt: files, generation: UInt64(number)),
                    try PluginImage.inspect(files)
                )
            } catch {
                throw HostError(error)
            }
        }
        let mode = Stager.mode(source.mode, source.manifest, inspection)
        guard mode == .isolated else { return nil }
        let staged = StagedLibrary(
            name: source.manifest.name, generation: UInt64(number), copy: copy, digest: digest,
            inspection: inspection, manifest: source.manifest, mode: mode)
        let granted = grants(of: source.manifest.name, asking: source.manifest.services).granted
        let parts = try await isolatedParts(
            staged, Set(granted), configuration, layout.plugin(source.manifest.name))
        let plugin = await IsolatedPlugin.reattach(parts, survivors)
        if plugin == nil, survivors.allSatisfy(\.isOrphan) { staged.discard() }
        return plugin
    }

    // MARK: - What nobody wants

    /// Ends what is left of plugins that do not serve any more.
    func endRestOfInheritance() { end(options.inheritance?.takeRest() ?? []) }

    /// Ends children that belong to nobody, in good order as far as they have one; others are their
    /// engine's.
    func end(_ survivors: [Survivor]) {
        let (log, seconds) = (log, options.stopSeconds)
        for survivor in survivors where survivor.isOrphan && !survivor.isAdopted {
            guard let name = survivor.plugin else {
                survivor.kill()
                continue
            }
            let subject = HostLog.Subject(plugin: name.text, version: nil, generation: nil)
            log.write(.info, "process \(survivor.pid) is not wanted any more", about: subject)
            guard survivor.description["kind"]?.string == Survivor.worker else {
                let child = survivor.adopt(log: log, subject: subject)
                Task { _ = await child.terminate(grace: .seconds(seconds)) }
                continue
            }
            do throws(HostError) {
                try IsolatedWorker.connect(survivor, name, log, subject) { _, request in
                    request.refuse(ControlChannel.gone)
                }.letGo(survivor, seconds: seconds)
            } catch {
                survivor.kill()
            }
        }
    }
}
