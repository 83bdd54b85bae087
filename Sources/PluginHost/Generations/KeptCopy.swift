import DynamicLibrary
import Glibc
import HostModel

/// The copy of an image that has left memory: what was replaced often comes back, and is neither
/// copied nor looked at again then.
///
/// - Shape: `<plugin>/run/<plugin>.<generation>.kept`, one for each plugin. It goes with `run`,
///   which is emptied at the next start.
struct KeptCopy: Sendable {
    let path: String
    /// What the kernel told of it when it was put there: who writes to it changes that.
    let mark: FileMark
    let sample: FileSample
    let digest: Digest
    let inspection: ImageInspection

    /// Looks at a copy that has just been put there; nil when it is not.
    init?(path: String, sample: FileSample, digest: Digest, inspection: ImageInspection) {
        guard let mark = FileMark(ofFile: path) else { return nil }
        self.path = path
        self.mark = mark
        self.sample = sample
        self.digest = digest
        self.inspection = inspection
    }

    /// The copy for another generation, if the library in question has its bytes; it has gone from
    /// here in any case.
    func revive(for request: Stager.Request) -> StagedLibrary? {
        guard FileMark(ofFile: path) == mark,
            let copy = try? PrivateCopy.revive(
                path, for: request.library, in: request.directory.run, stem: request.name.text,
                generation: request.generation)
        else {
            remove()
            return nil
        }
        return StagedLibrary(
            name: request.name, generation: request.generation, copy: copy, digest: digest,
            inspection: inspection, manifest: request.manifest)
    }

    func remove() { _ = unsafe unlink(path) }
}
