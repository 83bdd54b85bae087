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
/// 4. It is loaded and closed in a throwaway process: what crashes or hangs there never enters. The
///    manifest that its code returns is compared with `manifest.json`. A digest that has passed
///    once is not proven again.
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
    }

    /// A private copy that has been looked at.
    private struct Draft: Sendable {
        var copy: PrivateCopy
        var inspection: ImageInspection
        var sample: FileSample
    }

    private struct Memory {
        var proven: Set<Digest>
        var samples: Set<FileSample> = []
    }

    private let options: ManagerOptions
    private let memory: Mutex<Memory>
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
        let draft = try await draftWhenStill(request)
        do throws(HostError) {
            let staged = try await prove(draft, request)
            if staged == nil { draft.copy.remove() }
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
        do throws(LibraryError) {
            copy = try PrivateCopy(
                of: request.library, in: request.directory.run, stem: request.name.text,
                generation: request.generation)
        } catch {
            throw HostError(error)
        }
        do throws(HostError) {
            let inspection = try inspect(copy, request)
            return Draft(
                copy: copy, inspection: inspection, sample: try FileSample(ofFile: copy.path))
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

    /// Takes the digest, and loads the image in a throwaway process unless it is known.
    ///
    /// What replaces a running image and was never seen is loaded there while its digest is being
    /// taken. If it turns out to be known after all, nothing depends on how that went.
    private nonisolated(nonsending) func prove(
        _ draft: Draft, _ request: Request
    ) async throws(HostError) -> StagedLibrary? {
        let path = draft.copy.path
        let hashing = Blocking.begin { () throws(HostError) in
            try SHA256.digest(ofFile: path)
        }
        var report: Result<CodeManifest, HostError>?
        if request.unless != nil, request.pinned == nil,
            memory.withLock({ !$0.samples.contains(draft.sample) })
        {
            report = await load(draft, request)
        }
        let digest = try await hashing.value().get()
        guard digest != request.unless else { return nil }
        if let pinned = request.pinned, digest != pinned {
            throw PluginImage.differs(digest, from: pinned, name: request.name, request.library)
        }
        if options.probeExecutable != nil, memory.withLock({ !$0.proven.contains(digest) }) {
            if report == nil { report = await load(draft, request) }
            if let code = try report?.get() {
                try request.manifest.check(code, subject: request.library)
            }
        }
        remember(digest, draft.sample)
        return StagedLibrary(
            name: request.name, generation: request.generation, copy: draft.copy, digest: digest,
            inspection: draft.inspection, manifest: request.manifest,
            mode: mode(request, draft.inspection))
    }

    /// Loads the image in a throwaway process; nil if that is not asked for.
    private nonisolated(nonsending) func load(
        _ draft: Draft, _ request: Request
    ) async -> Result<CodeManifest, HostError>? {
        guard let executable = options.probeExecutable else { return nil }
        do throws(HostError) {
            return .success(
                try await Probe.run(
                    executable: executable, library: draft.copy.path, name: request.name,
                    closes: request.mode != .inProcess
                        && mode(request, draft.inspection) == .inProcess,
                    seconds: options.probeSeconds, subject: request.library,
                    needing: draft.inspection.libraryFiles))
        } catch {
            return .failure(error)
        }
    }

    private func remember(_ digest: Digest, _ sample: FileSample) {
        memory.withLock { memory in
            if memory.proven.count >= Self.provenMax { memory.proven.removeFirst() }
            if memory.samples.count >= Self.provenMax { memory.samples.removeFirst() }
            memory.proven.insert(digest)
            memory.samples.insert(sample)
        }
    }
}
