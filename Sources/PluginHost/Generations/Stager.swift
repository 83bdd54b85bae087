import DynamicLibrary
import HostModel
import Synchronization

/// Takes a library file as far as it can be taken without running its code in this process.
///
/// 1. A private copy is made, so that nobody can change what will be mapped.
/// 2. The ELF file is inspected: what is damaged, foreign or has no entry is refused; what cannot
///    be unloaded runs isolated unless the operator insists.
/// 3. Its digest is taken, and compared with the one that runs already, if one does, and with the
///    one that it must have, if it is pinned.
/// 4. It is proven in a throwaway process, where it is loaded, started, stopped and closed: what
///    crashes or hangs there never enters. The manifest that its code returns is compared with
///    `manifest.json`. A digest that has passed once is not proven again.
final class Stager: Sendable {
    /// One file to be staged.
    struct Request: Sendable {
        var name: PluginName
        /// The library as it lies in the plugin's or the bundle's `lib`.
        var library: String
        var manifest: Manifest
        var directory: PluginDirectory
        var generation: UInt64
        /// Where the operator wants its code to run: what cannot be unloaded is loaded in the host
        /// only if that was asked for. nil: wherever it can.
        var mode: PluginMode?
        /// A library with this digest is not wanted: it is what runs already.
        var unless: Digest?
        /// The only digest that the library may have; nil: any.
        var pinned: Digest?
        /// What it would serve with; nil: it is not to serve yet, and is only loaded and closed.
        var outfit: ProofPlan.Outfit?
    }

    /// A private copy that has been looked at.
    private struct Draft: Sendable {
        var copy: PrivateCopy
        var digest: CopyDigest
        var inspection: ImageInspection
        var sample: FileSample
    }

    private struct Memory {
        /// What has been through all that its manifest allows, or has served.
        var proven: Set<Digest>
        /// What has been loaded and closed.
        var loaded: Set<Digest> = []
        var samples: Set<FileSample> = []
        var kept: [PluginName: KeptCopy] = [:]
    }

    private let options: ManagerOptions
    private let memory: Mutex<Memory>
    /// What is fulfilled when nothing is left of a plugin's last proof.
    private let cleanings = Mutex<[PluginName: Promise<Void>]>([:])
    /// How many are remembered; one that is forgotten is proven again.
    private static let provenMax = 1_024

    init(options: ManagerOptions, proven: Set<Digest>) {
        self.options = options
        memory = Mutex(Memory(proven: proven))
    }

    /// - Returns: nil if the library is the one that is not wanted.
    /// - Throws: `HostError` of the step that refused it; nothing is left behind.
    nonisolated(nonsending) func stage(
        _ request: Request
    ) async throws(HostError) -> StagedLibrary? {
        let (revived, standby) = await Blocking.run { self.begin(request) }
        if let revived { return revived }
        let draft = try await draftWhenStill(request)
        do throws(HostError) {
            let staged = try await prove(draft, request, standby)
            if let staged {
                keep(staged, draft.sample, in: request.directory)
            } else {
                draft.copy.remove()
            }
            return staged
        } catch {
            draft.copy.remove()
            throw error
        }
    }

    /// A file that changes while it is copied is copied again: whoever changes it last, as `cp -p`
    /// does when it sets the times, is not always told of.
    private nonisolated(nonsending) func draftWhenStill(
        _ request: Request
    ) async throws(HostError) -> Draft {
        var tries = 1
        while true {
            do throws(HostError) {
                return try await Blocking.run { () throws(HostError) in try self.draft(request) }
            } catch {
                guard error.code == Self.changed, tries < Self.copiesMax else { throw error }
                tries += 1
                await Deadline.pause(for: Self.copyPause)
            }
        }
    }

    private static let changed = HostError.Code(
        rawValue: LibraryError.Code.changedWhileCopying.rawValue)
    private static let copiesMax = 20
    private static let copyPause = Duration.milliseconds(25)

    private func draft(_ request: Request) throws(HostError) -> Draft {
        let copy: PrivateCopy
        let digest = CopyDigest()
        do throws(LibraryError) {
            copy = try PrivateCopy(
                of: request.library, in: request.directory.run, stem: request.name.text,
                generation: request.generation, onPart: digest.note)
            digest.end()
        } catch {
            digest.end()
            throw HostError(error)
        }
        do throws(HostError) {
            let inspection = try inspect(copy, request)
            return Draft(
                copy: copy, digest: digest, inspection: inspection,
                sample: try FileSample(ofFile: copy.path))
        } catch {
            copy.remove()
            throw error
        }
    }

    private func inspect(
        _ copy: PrivateCopy, _ request: Request
    ) throws(HostError) -> ImageInspection {
        let inspection: ImageInspection
        do throws(LibraryError) {
            inspection = try PluginImage.inspect(copy.path)
        } catch {
            throw HostError(error)
        }
        try PluginImage.check(inspection, subject: request.library)
        guard mode(request, inspection) == .inProcess || options.workerExecutable != nil else {
            guard request.mode == nil else { throw Self.isolationMissing }
            throw PluginImage.cannotUnload(inspection, name: request.name, request.library)
        }
        return inspection
    }

    /// Where the code is to run.
    private func mode(_ request: Request, _ inspection: ImageInspection) -> PluginMode {
        Self.mode(request.mode, request.manifest, inspection)
    }

    /// Where a library's code is to run.
    ///
    /// - Parameter chosen: where its operator wants it; nil: wherever it can.
    static func mode(
        _ chosen: PluginMode?, _ manifest: Manifest, _ inspection: ImageInspection
    ) -> PluginMode {
        chosen ?? (inspection.verdict == .close ? manifest.mode ?? .inProcess : .isolated)
    }

    private static let isolationMissing = HostError(
        "isolation_unavailable", what: "the plugin cannot run isolated",
        why: "this host was not told how to start a process for it",
        fix: "run it in the host: --mode in-process")

    /// What can be done before anything is copied: to find out that nothing need be, or to get a
    /// child ready for the proof that will be needed.
    private func begin(_ request: Request) -> (StagedLibrary?, StandbyProcess?) {
        let sample = try? FileSample(ofFile: request.library)
        if let sample, let revived = revive(request, sample) {
            keep(revived, sample, in: request.directory)
            return (revived, nil)
        }
        return (nil, standby(for: request, sample))
    }

    /// The copy of what was replaced last, if the library is that again.
    ///
    /// A library that is pinned has its digest taken each time.
    private func revive(_ request: Request, _ sample: FileSample) -> StagedLibrary? {
        guard request.pinned == nil else { return nil }
        let kept = memory.withLock { memory -> KeptCopy? in
            guard let kept = memory.kept[request.name], kept.sample == sample,
                kept.digest != request.unless, mode(request, kept.inspection) == .inProcess,
                options.probeExecutable == nil || memory.proven.contains(kept.digest)
            else { return nil }
            memory.kept[request.name] = nil
            return kept
        }
        return kept?.revive(for: request)
    }

    /// Has the copy of what is to be loaded here kept when it has left memory, instead of the one
    /// before.
    private func keep(
        _ staged: StagedLibrary, _ sample: FileSample, in directory: PluginDirectory
    ) {
        guard staged.mode == .inProcess else { return }
        let path = "\(directory.run)/\(staged.name).\(staged.generation).kept"
        let (name, digest, inspection) = (staged.name, staged.digest, staged.inspection)
        staged.copy.keep(as: path) { [weak self] in
            let kept = KeptCopy(
                path: path, sample: sample, digest: digest, inspection: inspection)
            let former = self?.memory.withLock { memory in
                defer { memory.kept[name] = kept }
                return memory.kept[name]
            }
            former?.remove()
        }
    }

    /// A child for a proof that will be needed; it gets ready while there is nothing to prove yet.
    private func standby(for request: Request, _ sample: FileSample?) -> StandbyProcess? {
        guard let executable = options.probeExecutable else { return nil }
        if let pinned = request.pinned {
            guard !isProven(pinned, starts: request.outfit != nil) else { return nil }
        } else {
            guard request.unless != nil, let sample, isNew(sample) else { return nil }
        }
        return Probe.standby(executable)
    }

    /// Takes the digest, and proves the image in a throwaway process unless it is known.
    ///
    /// What replaces a running image and was never seen is proven there while its digest is being
    /// taken. If it turns out to be known after all, nothing depends on how that went.
    private nonisolated(nonsending) func prove(
        _ draft: Draft, _ request: Request, _ standby: StandbyProcess?
    ) async throws(HostError) -> StagedLibrary? {
        var report: Result<Probe.Report, HostError>?
        if request.unless != nil, request.pinned == nil, isNew(draft.sample) {
            report = await prove(draft, for: request, standby)
        }
        let digest = try await draft.digest.value().get()
        guard digest != request.unless else { return nil }
        if let pinned = request.pinned, digest != pinned {
            throw PluginImage.differs(digest, from: pinned, name: request.name, request.library)
        }
        var staged = StagedLibrary(
            name: request.name, generation: request.generation, copy: draft.copy, digest: digest,
            inspection: draft.inspection, manifest: request.manifest,
            mode: mode(request, draft.inspection))
        let starts = request.outfit != nil && staged.mode == .inProcess
        if options.probeExecutable != nil, !isProven(digest, starts: starts) {
            if report == nil { report = await prove(draft, for: request, standby) }
            if let report = try report?.get() {
                try request.manifest.check(report.code, subject: request.library)
                staged.notes = report.notes
            }
        }
        remember(digest, draft.sample, starts: starts)
        return staged
    }

    /// Proves the image in a throwaway process; nil if that is not asked for.
    private nonisolated(nonsending) func prove(
        _ draft: Draft, for request: Request, _ standby: StandbyProcess?
    ) async -> Result<Probe.Report, HostError>? {
        guard let executable = options.probeExecutable else { return nil }
        let mode = mode(request, draft.inspection)
        let subject = Probe.Subject(
            manifest: request.manifest, generation: request.generation, library: draft.copy.path,
            path: request.library, needs: draft.inspection.libraryFiles,
            closes: request.mode != .inProcess && mode == .inProcess)
        let seconds = options.probeSeconds
        do throws(HostError) {
            // What runs isolated can harm only itself.
            guard let outfit = request.outfit, request.manifest.proof.starts, mode == .inProcess
            else {
                return .success(
                    try await Probe.run(
                        executable: executable, standby, subject, plan: nil, seconds: seconds))
            }
            await cleanUp(after: request.name)
            let plan = try await Blocking.run { () throws(HostError) in
                try ProofPlan(
                    of: request.manifest, in: request.directory, generation: request.generation,
                    outfit: outfit)
            }
            let cleaning = Promise<Void>()
            cleanings.withLock { $0[request.name] = cleaning }
            let report = try await Probe.run(
                executable: executable, standby, subject, plan: plan, seconds: seconds
            ) {
                plan.clear()
                cleaning.fulfil(())
            }
            return .success(report)
        } catch {
            await cleanUp(after: request.name)
            return .failure(error)
        }
    }

    /// Waits until nothing is left of a plugin's last proof: what was passed is not waited for.
    nonisolated(nonsending) func cleanUp(after name: PluginName) async {
        await cleanings.withLock { $0.removeValue(forKey: name) }?.value()
    }

    private func isNew(_ sample: FileSample) -> Bool {
        memory.withLock { !$0.samples.contains(sample) }
    }

    /// Whether a library has been through as much as it would go through now.
    private func isProven(_ digest: Digest, starts: Bool) -> Bool {
        memory.withLock {
            $0.proven.contains(digest) || (!starts && $0.loaded.contains(digest))
        }
    }

    private func remember(_ digest: Digest, _ sample: FileSample, starts: Bool) {
        memory.withLock { memory in
            if memory.proven.count >= Self.provenMax { memory.proven.removeFirst() }
            if memory.loaded.count >= Self.provenMax { memory.loaded.removeFirst() }
            if memory.samples.count >= Self.provenMax { memory.samples.removeFirst() }
            if starts { memory.proven.insert(digest) } else { memory.loaded.insert(digest) }
            memory.samples.insert(sample)
        }
    }
}
