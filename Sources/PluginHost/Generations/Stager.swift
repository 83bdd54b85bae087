import DynamicLibrary
import HostModel
import Synchronization

/// Takes a library file as far as it can be taken without running its code in this process.
///
/// 1. A private copy is made, so that nobody can change what will be mapped.
/// 2. Its digest is taken, and compared with the one that is pinned, if one is.
/// 3. The ELF file is inspected: what is damaged, foreign or has no entry is refused; what cannot
///    be unloaded is refused unless the operator insists.
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
        /// The operator asked for `--mode in-process`: what cannot be unloaded is loaded all the
        /// same.
        var insists: Bool
        /// A library with this digest is not wanted: it is what runs already.
        var unless: Digest?
    }

    private let options: ManagerOptions
    private let proven: Mutex<Set<Digest>>
    /// How many are remembered; one that is forgotten is proven again.
    private static let provenMax = 4_096

    init(options: ManagerOptions, proven: Set<Digest>) {
        self.options = options
        self.proven = Mutex(proven)
    }

    /// - Returns: nil if the library is the one that is not wanted.
    /// - Throws: `HostError` of the step that refused it; nothing is left behind.
    func stage(_ request: Request) async throws(HostError) -> StagedLibrary? {
        guard let staged = try await examineWhenStill(request) else { return nil }
        do throws(HostError) {
            try await prove(staged, request)
        } catch {
            staged.discard()
            throw error
        }
        return staged
    }

    /// A file that changes while it is copied is copied again: whoever changes it last, as `cp -p`
    /// does when it sets the times, is not always told of.
    private func examineWhenStill(_ request: Request) async throws(HostError) -> StagedLibrary? {
        var tries = 1
        while true {
            do throws(HostError) {
                return try await Blocking.run { () throws(HostError) -> StagedLibrary? in
                    try self.examine(request)
                }
            } catch {
                guard error.code == Self.changed, tries < Self.copiesMax else { throw error }
                tries += 1
                let isCancelled = (try? await Task.sleep(for: Self.copyPause)) == nil
                if isCancelled { throw error }
            }
        }
    }

    private static let changed = HostError.Code(
        rawValue: LibraryError.Code.changedWhileCopying.rawValue)
    private static let copiesMax = 20
    private static let copyPause = Duration.milliseconds(25)

    private func examine(_ request: Request) throws(HostError) -> StagedLibrary? {
        let copy: PrivateCopy
        do throws(LibraryError) {
            copy = try PrivateCopy(
                of: request.library, in: request.directory.run, stem: request.name.text,
                generation: request.generation)
        } catch {
            throw HostError(error)
        }
        do throws(HostError) {
            let digest = try SHA256.digest(ofFile: copy.path)
            if digest == request.unless {
                copy.remove()
                return nil
            }
            let inspection = try inspect(copy, request)
            return StagedLibrary(
                name: request.name, generation: request.generation, copy: copy, digest: digest,
                inspection: inspection, manifest: request.manifest)
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
        guard inspection.verdict == .close || request.insists else {
            throw PluginImage.cannotUnload(inspection, name: request.name, request.library)
        }
        return inspection
    }

    private func prove(_ staged: StagedLibrary, _ request: Request) async throws(HostError) {
        guard let executable = options.probeExecutable else { return }
        if proven.withLock({ $0.contains(staged.digest) }) { return }
        let report = try await Probe.run(
            executable: executable, library: staged.copy.path, name: staged.name,
            closes: !request.insists, seconds: options.probeSeconds,
            subject: request.library)
        try staged.manifest.check(report, subject: request.library)
        proven.withLock { proven in
            if proven.count >= Self.provenMax { proven.removeFirst() }
            proven.insert(staged.digest)
        }
    }
}
