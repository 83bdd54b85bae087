package import HostModel

/// A plugin as it is on the disk.
package struct InstalledPlugin: Hashable, Sendable {
    package let directory: PluginDirectory
    /// The number of the release in force; each installation of a plugin has the next one.
    package let sequence: Int
    /// The directory of the release in force. Unlike the links in the plugin's directory it goes on
    /// showing the same release after an upgrade, which is what a generation that drains needs.
    package let releaseDirectory: String
    package let manifest: Manifest
    package let bundleDigest: Digest
    /// Of the library as it was installed; it may have been replaced since.
    package let installedLibraryDigest: Digest

    /// The name of the release's directory.
    package var releaseName: String {
        String(releaseDirectory.split(separator: "/").last ?? "")
    }
}
