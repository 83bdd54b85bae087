import HostModel

/// Plugins that are programs.
extension PluginManager {
    /// Copies a program's files and makes a generation of them that is not started.
    ///
    /// - Returns: nil if the program is the one that is not wanted.
    /// - Throws: `library_changed` and its kin, as for a library; nothing is left behind.
    func openProcess(
        _ process: Manifest.Process, _ source: Source, _ configuration: ConfigurationSnapshot,
        number: Int
    ) async throws(HostError) -> ProcessPlugin? {
        let name = source.manifest.name
        guard source.mode == nil else { throw Self.modeIsGiven(name, process) }
        let directory = layout.plugin(name)
        let (library, unless, pinned) = (source.library, source.unless, source.pinned)
        let lib = String(library.dropLast(source.manifest.library.file.utf8.count + 1))
        let copied = try await Blocking.run { () throws(HostError) -> (ProcessFiles, Digest)? in
            let files = try ProcessFiles(of: lib, in: directory.run, generation: UInt64(number))
            do throws(HostError) {
                // Of the copy: it is what will run.
                let digest = try SHA256.digest(
                    ofFile: files.directory + "/lib/" + source.manifest.library.file)
                guard digest != unless else {
                    files.remove()
                    return nil
                }
                if let pinned, digest != pinned {
                    throw PluginImage.differs(digest, from: pinned, name: name, library)
                }
                return (files, digest)
            } catch {
                files.remove()
                throw error
            }
        }
        guard let (files, digest) = copied else { return nil }
        do throws(HostError) {
            return try ProcessPlugin(
                await processParts(process, source, configuration, number: number, digest, files))
        } catch {
            files.remove()
            throw error
        }
    }

    private func processParts(
        _ process: Manifest.Process, _ source: Source, _ configuration: ConfigurationSnapshot,
        number: Int, _ digest: Digest, _ files: ProcessFiles
    ) async throws(HostError) -> ProcessPlugin.Parts {
        let manifest = source.manifest
        let directory = layout.plugin(manifest.name)
        let granted = Set(grants(of: manifest.name, asking: manifest.services).granted)
        return ProcessPlugin.Parts(
            manifest: manifest, process: process, number: UInt64(number), digest: digest,
            files: files, directory: directory, configuration: configuration,
            // A container has its own means.
            terms: try await terms(
                of: manifest, number: number, granted, directory, confines: process.image == nil),
            stopSeconds: options.stopSeconds,
            limits: options.work.changed(by: manifest.limits), granted: granted,
            searchPath: options.programPath)
    }

    /// Goes on with the processes of a program; nil: they are not what would be started now.
    func reattachProcess(
        _ process: Manifest.Process, _ source: Source, _ configuration: ConfigurationSnapshot,
        number: Int, _ digest: Digest, _ files: String, _ survivors: [Survivor]
    ) async throws(HostError) -> ProcessPlugin? {
        let isFit = survivors.allSatisfy {
            $0.description["kind"]?.string == Survivor.program
                && $0.description["digest"]?.string == digest.hex
        }
        guard isFit else { return nil }
        let parts = try await processParts(
            process, source, configuration, number: number, digest, ProcessFiles(leftAt: files))
        return try ProcessPlugin(parts, goingOnWith: survivors)
    }

    /// Takes an opened generation through its first steps, past the hooks that may refuse it.
    func bringUpOpened(
        _ opened: any PluginInstance, _ source: Source, _ slot: PluginSlot
    ) async throws(HostError) -> HostedImage {
        do throws(HostError) {
            return try await throughHooks(
                switchboard.hooks.load, slot.name, "loaded",
                Self.shown(
                    slot.name, version: source.manifest.version, digest: opened.digest,
                    generation: opened.number)
            ) { () async throws(HostError) in
                try await bringUp(opened, source, slot)
            }
        } catch {
            if error.code == "hook_refused" { _ = await opened.close(seconds: 1) }
            throw error
        }
    }

    /// Looks whether a program could be started, without starting it.
    func inspectProcess(
        _ process: Manifest.Process, _ source: Source
    ) async throws(HostError) {
        guard source.mode == nil else { throw Self.modeIsGiven(source.manifest.name, process) }
        let directory = layout.plugin(source.manifest.name)
        let release = String(
            source.library.dropLast("/lib/".utf8.count + source.manifest.library.file.utf8.count))
        let searchPath = options.programPath
        if process.command[0].hasPrefix("lib/"), process.image == nil { return }
        _ = try ProcessCommand(
            process, manifest: source.manifest, directory: directory, files: release,
            generation: 0, instance: 0, socketPath: nil, searchPath: searchPath)
    }

    private static func modeIsGiven(_ name: PluginName, _ process: Manifest.Process) -> HostError {
        HostError(
            "mode_not_possible", what: "plugin \"\(name)\" cannot run in another mode",
            why: "it is a program, and its manifest says where it runs",
            fix: "install it without --mode")
    }
}
