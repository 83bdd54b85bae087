import HostModel
import Synchronization

/// A prepared bundle that can be handed from thread to thread; unless it is installed, it goes away
/// with its last owner.
final class BundleInHand: Sendable {
    let manifest: Manifest
    let bundleDigest: Digest
    let libraryDigest: Digest
    /// The unpacked bundle in the staging area.
    let directory: String
    /// The shared library in the staging area.
    let library: String
    private let bundle: Mutex<PreparedBundle?>

    init(_ bundle: consuming PreparedBundle) {
        manifest = bundle.manifest
        bundleDigest = bundle.bundleDigest
        libraryDigest = bundle.libraryDigest
        directory = bundle.directory
        library = bundle.library
        self.bundle = Mutex(bundle)
    }

    /// Puts the bundle in force, once.
    func install(with installer: Installer) throws(HostError) -> InstalledPlugin {
        let bundle = self.bundle.withLock { $0.take() }
        guard let bundle else { preconditionFailure("a bundle is installed once") }
        return try installer.install(bundle)
    }
}
