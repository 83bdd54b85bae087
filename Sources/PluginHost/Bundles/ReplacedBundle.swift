internal import Glibc
package import HostModel

/// A bundle that an operator has put in the place of an installed one.
package struct ReplacedBundle: Sendable {
    package let path: String
    package let digest: Digest
    private let isOurs: Bool

    init(path: String, digest: Digest, isOurs: Bool) {
        self.path = path
        self.digest = digest
        self.isOurs = isOurs
    }

    /// Removes the file, if it was taken out of the plugin's directory.
    package func discard() {
        if isOurs { unsafe _ = unlink(path) }
    }
}

extension Installer {
    /// Looks at what lies in the place of a plugin's bundle.
    ///
    /// A file that was moved over the link is taken to the staging area, and the link made again:
    /// an upgrade goes through the links. A file that was copied over the link has been written to
    /// the release in force, and stays there.
    ///
    /// - Returns: nil when there is nothing.
    package func takeReplacedBundle(_ name: PluginName) throws(HostError) -> ReplacedBundle? {
        let directory = layout.plugin(name)
        guard SymbolicLink.target(of: directory.bundle) == nil else {
            let digest = try? SHA256.digest(ofFile: directory.bundle)
            return digest.map { ReplacedBundle(path: directory.bundle, digest: $0, isOurs: false) }
        }
        guard unsafe access(directory.bundle, F_OK) == 0 else { return nil }
        let taken = layout.staging + "/" + RandomName.make()
        guard unsafe rename(directory.bundle, taken) == 0 else {
            throw .system(
                "the replaced bundle could not be taken", subject: directory.bundle, errno: errno)
        }
        guard unsafe symlink("current/" + directory.bundleName, directory.bundle) == 0 else {
            throw .system(
                "the link could not be made", subject: directory.bundle, errno: errno)
        }
        return ReplacedBundle(
            path: taken, digest: try SHA256.digest(ofFile: taken), isOurs: true)
    }
}
