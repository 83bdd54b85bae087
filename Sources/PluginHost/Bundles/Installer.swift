internal import Glibc
package import HostModel

/// Puts bundles in force, takes them back, and removes them, so that each change happens at once.
///
/// The argument, for a `kill -9` or a power failure at any point:
///
/// 1. A bundle is unpacked, checked and synced in the staging area, where nobody looks.
/// 2. A new plugin is assembled there as well, links and data directories included, synced, and
///    comes into being by one `rename` to `plugins/<name>`.
/// 3. An upgrade moves the unpacked bundle to `plugins/<name>/releases/`, which changes nothing
///    that `lib`, `priv`, `manifest.json` and the archive show, because these are links through
///    `current`; then one `rename` puts another link in the place of `current`, and all four show
///    the new release. The directory is synced before it (so that the link never outlives what it
///    points to) and after it.
/// 4. A removal is one `rename` of the whole directory out of `plugins/`.
///
/// Before its rename a change has not happened; after it, it has. What is left over either way lies
/// in the staging area, or is a link called `.current.new`: `recover()` clears both at the next
/// start; or it is a release that a change has brought and not put in force, which `undo` clears.
/// The data directories are never moved or copied.
///
/// Callers hold the `RootLock`; there is one change at a time.
package struct Installer: Sendable {
    /// How many earlier releases are kept.
    package static let releasesKept = 3
    /// The link that is to become `current`.
    static let nextLink = ".current.new"

    package let layout: RootLayout

    package init(_ layout: RootLayout) { self.layout = layout }

    /// Unpacks and checks a bundle; nothing is in force yet.
    ///
    /// - Throws: as `PreparedBundle.prepare`.
    package func prepare(archive path: String, limits: BundleLimits = BundleLimits())
        throws(HostError) -> PreparedBundle
    {
        try PreparedBundle.prepare(archive: path, stagingArea: layout.staging, limits: limits)
    }

    /// Puts a prepared bundle in force, as a new plugin or as the next release of one that is
    /// there.
    ///
    /// - Throws: `HostError` with code `layout_changed` when a link in the plugin's directory has
    ///   been replaced by something else (nothing has changed then), or `system_call_failed`, which
    ///   may come from the sync after the change: `installed(_:)` tells what is in force.
    package func install(_ bundle: consuming PreparedBundle) throws(HostError) -> InstalledPlugin {
        let directory = layout.plugin(bundle.manifest.name)
        let release = try nextRelease(of: bundle.manifest.name, bundle.manifest.version)
        if Directory.isDirectory(directory.path) {
            try upgrade(directory, to: bundle, as: release)
        } else {
            try create(directory, from: bundle, as: release)
        }
        return try installed(bundle.manifest.name)
    }

    /// The directory that the next release to be installed will have.
    func nextRelease(
        of name: PluginName, _ version: SemanticVersion
    ) throws(HostError) -> ReleaseName {
        let directory = layout.plugin(name)
        guard Directory.isDirectory(directory.releases) else {
            return ReleaseName(sequence: 1, version: version)
        }
        let newest = try releases(of: directory).last?.sequence ?? 0
        return ReleaseName(sequence: newest + 1, version: version)
    }

    /// Puts the release before the one in force back in force, or the newest one of the given
    /// version.
    ///
    /// - Throws: `HostError` with code `release_missing`, naming those that are there.
    package func rollback(_ name: PluginName, to version: SemanticVersion? = nil) throws(HostError)
        -> InstalledPlugin
    {
        let earlier = try earlierRelease(of: name, version: version)
        try enforce(earlier)
        return earlier
    }

    /// Puts a release that is on the disk in force.
    package func enforce(_ release: InstalledPlugin) throws(HostError) {
        let text = release.releaseDirectory.split(separator: "/").last ?? ""
        guard let name = ReleaseName(String(text)) else {
            preconditionFailure("an installed release lies in a directory of its own name")
        }
        try checkLinks(release.directory)
        try point(release.directory, to: name)
    }

    /// Finds the release before the one in force, or the newest one of the given version, and
    /// changes nothing.
    ///
    /// - Throws: `HostError` with code `release_missing`, naming those that are there.
    package func earlierRelease(
        of name: PluginName, version: SemanticVersion? = nil, except: Set<String> = []
    ) throws(HostError) -> InstalledPlugin {
        let now = try installed(name)
        let releases = try releases(of: now.directory).filter { !except.contains($0.text) }
        let candidate = releases.last { release in
            version.map { release.text.hasSuffix("-\($0)") && release.sequence != now.sequence }
                ?? (release.sequence < now.sequence)
        }
        guard let candidate else {
            let others = releases.filter { $0.sequence != now.sequence }.map(\.text)
            throw HostError(
                "release_missing", what: "plugin \"\(name)\" was not rolled back",
                subject: now.directory.releases,
                why: others.isEmpty
                    ? "there is no earlier release"
                    : "there is no such release; there are \(others.joined(separator: ", "))",
                fix: "install the version you want from its bundle")
        }
        return try self.release(candidate, of: now.directory)
    }

    /// Removes a plugin.
    ///
    /// With `keepData` its `sqlite` and `events` stay under `removed/`, in a directory whose path
    /// is returned.
    package func remove(_ name: PluginName, keepData: Bool) throws(HostError) -> String? {
        let directory = layout.plugin(name)
        guard Directory.isDirectory(directory.path) else { throw notInstalled(name) }
        let kept = keepData ? layout.removed + "/\(name)-" + RandomName.make() : nil
        let grave = kept ?? layout.staging + "/" + RandomName.make()
        try move(directory.path, to: grave)
        try Directory.sync(layout.plugins)
        if kept != nil {
            try Directory.sync(layout.removed)
            try reduceToData(grave)
        } else {
            try Directory.remove(grave)
        }
        return kept
    }

    /// Reads what is on the disk of one plugin.
    ///
    /// - Throws: `HostError` with code `plugin_not_installed`, `release_unreadable`, or as reading
    ///   a manifest.
    package func installed(_ name: PluginName) throws(HostError) -> InstalledPlugin {
        let directory = layout.plugin(name)
        guard Directory.isDirectory(directory.path) else { throw notInstalled(name) }
        guard let release = currentRelease(of: directory) else {
            throw HostError(
                "release_unreadable", what: "plugin \"\(name)\" has no release in force",
                subject: directory.current, why: "the link is missing or points elsewhere",
                fix: "install its bundle again")
        }
        return try self.release(release, of: directory)
    }

    /// Reads a release that is on the disk.
    ///
    /// - Throws: `HostError` with code `release_missing`, or as reading a manifest.
    func release(
        named text: String, of name: PluginName
    ) throws(HostError) -> InstalledPlugin {
        let directory = layout.plugin(name)
        guard let release = ReleaseName(text),
            Directory.isDirectory(directory.releases + "/" + text)
        else {
            throw HostError(
                "release_missing", what: "plugin \"\(name)\" has no release \(text)",
                subject: directory.releases, why: "there is no such directory")
        }
        return try self.release(release, of: directory)
    }

    private func release(
        _ release: ReleaseName, of directory: PluginDirectory
    ) throws(HostError) -> InstalledPlugin {
        let path = directory.releases + "/" + release.text
        let bytes = try Descriptor(opening: path + "/manifest.json", flags: O_RDONLY)
            .readAll(bytesMax: ManifestLimit.fileBytesMax)
        let record = try ReleaseRecord(readingFrom: path)
        return InstalledPlugin(
            directory: directory, sequence: release.sequence, releaseDirectory: path,
            manifest: try Manifest(parsing: bytes, source: directory.manifest),
            bundleDigest: record.bundleDigest, installedLibraryDigest: record.libraryDigest)
    }

    private func create(
        _ directory: PluginDirectory, from bundle: borrowing PreparedBundle, as release: ReleaseName
    ) throws(HostError) {
        let assembled = PluginDirectory(path: bundle.staging + "/plugin", name: directory.name)
        try Directory.create(assembled.path, mode: 0o755)
        for name in PluginDirectory.dataNames {
            let isPrivate = name != "releases"
            try Directory.create(assembled.path + "/" + name, mode: isPrivate ? 0o700 : 0o755)
        }
        try move(bundle.directory, to: assembled.releases + "/" + release.text)
        try link("releases/" + release.text, at: assembled.current)
        for name in assembled.linkedNames {
            try link("current/" + name, at: assembled.path + "/" + name)
        }
        try Directory.sync(assembled.releases)
        try Directory.sync(assembled.path)
        try move(assembled.path, to: directory.path)
        try Directory.sync(layout.plugins)
    }

    private func upgrade(
        _ directory: PluginDirectory, to bundle: borrowing PreparedBundle, as release: ReleaseName
    ) throws(HostError) {
        try checkLinks(directory)
        try move(bundle.directory, to: directory.releases + "/" + release.text)
        try Directory.sync(directory.releases)
        try point(directory, to: release)
    }

    /// Puts a release in force.
    func point(_ directory: PluginDirectory, to release: ReleaseName) throws(HostError) {
        let next = directory.path + "/" + Self.nextLink
        try Directory.remove(next)
        try link("releases/" + release.text, at: next)
        do throws(HostError) {
            try Directory.sync(directory.path)
            guard unsafe rename(next, directory.current) == 0 else {
                throw .system(
                    "the release could not be put in force", subject: directory.current,
                    errno: errno)
            }
        } catch {
            unsafe _ = unlink(next)
            throw error
        }
        try Directory.sync(directory.path)
    }

    /// The releases on the disk, oldest first.
    func releases(of directory: PluginDirectory) throws(HostError) -> [ReleaseName] {
        try Directory.entries(of: directory.releases).compactMap(ReleaseName.init).sorted()
    }

    /// The release that `current` names, when it is there.
    func currentRelease(of directory: PluginDirectory) -> ReleaseName? {
        guard let target = SymbolicLink.target(of: directory.current),
            target.hasPrefix("releases/"),
            let release = ReleaseName(String(target.dropFirst("releases/".count))),
            Directory.isDirectory(directory.releases + "/" + release.text)
        else { return nil }
        return release
    }

    /// Leaves of a removed plugin only what its operator may want back.
    func reduceToData(_ path: String) throws(HostError) {
        for name in try Directory.entries(of: path) where name != "sqlite" && name != "events" {
            try Directory.remove(path + "/" + name)
        }
    }

    /// Refuses to upgrade a plugin whose links no longer lead through `current`: the new release
    /// would show in some places and not in others.
    private func checkLinks(_ directory: PluginDirectory) throws(HostError) {
        let strangers = directory.linkedNames.filter { name in
            SymbolicLink.target(of: directory.path + "/" + name) != "current/" + name
        }
        guard strangers.isEmpty else {
            throw HostError(
                "layout_changed", what: "plugin \"\(directory.name)\" was not upgraded",
                subject: directory.path,
                why: strangers.map { "\($0) is not the link to current/\($0) that the host made" },
                fix: "move it away and make the link again: ln -s current/NAME NAME")
        }
    }

    private func link(_ target: String, at path: String) throws(HostError) {
        guard unsafe symlink(target, path) == 0 else {
            throw .system("the link could not be made", subject: path, errno: errno)
        }
    }

    /// Renames a directory; where there is one already (that is not empty) the kernel refuses.
    func move(_ path: String, to target: String) throws(HostError) {
        guard unsafe rename(path, target) == 0 else {
            throw .system("the directory could not be moved", subject: target, errno: errno)
        }
    }

    private func notInstalled(_ name: PluginName) -> HostError {
        let names = (try? layout.installedNames()) ?? []
        return HostError(
            "plugin_not_installed",
            what: "plugin \"\(name)\" is not installed"
                + Spelling.hint(for: name.text, among: names.map(\.text)),
            subject: layout.plugins, why: "there is no directory of that name",
            fix: "install it with: host install FILE.tar.gz")
    }
}
