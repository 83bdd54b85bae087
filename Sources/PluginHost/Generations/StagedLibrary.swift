import DynamicLibrary
import HostModel

/// A library that has been copied, looked at and proven, and whose code has not yet run here.
///
/// Whoever holds it either loads it or discards it.
struct StagedLibrary: Sendable {
    let name: PluginName
    let generation: UInt64
    let copy: PrivateCopy
    let digest: Digest
    let inspection: ImageInspection
    /// What the manifest beside it says.
    let manifest: Manifest
    /// Where its code is to run.
    var mode = PluginMode.inProcess
    /// What was noticed in its proof, and is no reason to refuse it.
    var notes: [String] = []

    func discard() {
        copy.remove()
    }
}
