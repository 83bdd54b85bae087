internal import Glibc
package import HostModel

/// A bundle that has been unpacked and checked, but is not in force yet.
///
/// It lies in a staging directory of its own; unless it is installed, the directory goes away with
/// it.
package struct PreparedBundle: ~Copyable {
    package let manifest: Manifest
    package let files: [BundleExtractor.File]
    /// SHA-256 of the `.tar.gz`.
    package let bundleDigest: Digest
    /// SHA-256 of the shared library.
    package let libraryDigest: Digest
    /// The staging directory.
    let staging: String

    /// The unpacked bundle: everything a release holds.
    package var directory: String { staging + "/release" }
    /// The shared library that the manifest names.
    package var library: String { directory + "/lib/" + manifest.library.file }

    private init(
        manifest: Manifest, files: [BundleExtractor.File], bundleDigest: Digest,
        libraryDigest: Digest, staging: String
    ) {
        self.manifest = manifest
        self.files = files
        self.bundleDigest = bundleDigest
        self.libraryDigest = libraryDigest
        self.staging = staging
    }

    // A failure to clean up is not lost: the staging area is emptied at the next start.
    deinit { try? Directory.remove(staging) }

    /// Copies the archive, unpacks the copy and checks that it is a bundle.
    ///
    /// The copy is what gets hashed, unpacked and kept, so the archive may change meanwhile.
    /// - Throws: as `BundleExtractor.extract`, and `HostError` with code `manifest_missing`,
    ///   `json_invalid`, `manifest_invalid`, `library_missing` or `library_digest_wrong`. Nothing
    ///   is left in the staging area then.
    package static func prepare(
        archive path: String, stagingArea: String, limits: BundleLimits = BundleLimits()
    ) throws(HostError) -> PreparedBundle {
        let staging = stagingArea + "/" + RandomName.make()
        try Directory.create(staging, mode: 0o700)
        do throws(HostError) {
            return try fill(staging, from: path, limits: limits)
        } catch {
            do throws(HostError) {
                try Directory.remove(staging)
            } catch let second {
                throw error.also(second, during: "cleanup")
            }
            throw error
        }
    }

    private static func fill(_ staging: String, from path: String, limits: BundleLimits)
        throws(HostError) -> PreparedBundle
    {
        let copy = staging + "/bundle.tar.gz"
        let bundleDigest = try self.copy(path, to: copy, limits: limits)
        let release = staging + "/release"
        try Directory.create(release, mode: 0o755)
        let files: [BundleExtractor.File]
        do throws(HostError) {
            files = try BundleExtractor(limits: limits).extract(
                Descriptor(opening: copy, flags: O_RDONLY), into: release)
        } catch {
            // The reader of the error knows the archive, not its copy.
            var told = error
            if told.subject == copy { told.subject = path }
            throw told
        }
        let manifest = try readManifest(of: release, files: files, subject: path)
        let libraryDigest = try checkLibrary(of: release, manifest, files: files, subject: path)
        for name in ["lib", "priv", "priv/static"] {
            try Directory.create(release + "/" + name, mode: 0o755)
        }
        guard unsafe rename(copy, release + "/" + manifest.name.text + ".tar.gz") == 0 else {
            throw .system("the bundle could not be moved", subject: copy, errno: errno)
        }
        try ReleaseRecord(bundleDigest: bundleDigest, libraryDigest: libraryDigest)
            .write(to: release)
        for name in ["priv/static", "priv", ""] { try Directory.sync(release + "/" + name) }
        return PreparedBundle(
            manifest: manifest, files: files, bundleDigest: bundleDigest,
            libraryDigest: libraryDigest, staging: staging)
    }

    private static func copy(_ path: String, to copy: String, limits: BundleLimits)
        throws(HostError) -> Digest
    {
        // Not waiting matters: the path may be that of a fifo.
        let source = try Descriptor(opening: path, flags: O_RDONLY | O_NONBLOCK)
        guard try source.status().st_mode & S_IFMT == S_IFREG else {
            throw HostError(
                "archive_refused", what: "the bundle is refused", subject: path,
                why: "it is not a plain file", fix: "name a .tar.gz file")
        }
        let target = try Descriptor(opening: copy, flags: O_WRONLY | O_CREAT | O_EXCL, mode: 0o644)
        var hash = SHA256()
        var total = 0
        let chunk = ByteBuffer(count: 1 << 18)
        while true {
            let count = try unsafe source.read(into: chunk.bytes)
            if count == 0 { break }
            total += count
            guard total <= limits.archiveBytesMax else {
                throw .archiveTooLarge(
                    "it has more than \(limits.archiveBytesMax) bytes", subject: path)
            }
            let bytes = unsafe UnsafeRawBufferPointer(rebasing: chunk.bytes[..<count])
            unsafe hash.update(bytes)
            try unsafe target.write(bytes)
        }
        try target.sync()
        return hash.finish()
    }

    private static func readManifest(
        of release: String, files: [BundleExtractor.File], subject: String
    ) throws(HostError) -> Manifest {
        guard files.contains(where: { $0.path == "manifest.json" }) else {
            throw HostError(
                "manifest_missing", what: "the bundle is refused", subject: subject,
                why: "it holds no manifest.json",
                fix: "put manifest.json at the top of the archive, not into a directory")
        }
        let bytes = try Descriptor(opening: release + "/manifest.json", flags: O_RDONLY)
            .readAll(bytesMax: ManifestLimit.fileBytesMax)
        return try Manifest(parsing: bytes, source: subject + ": manifest.json")
    }

    private static func checkLibrary(
        of release: String, _ manifest: Manifest, files: [BundleExtractor.File], subject: String
    ) throws(HostError) -> Digest {
        let path = "lib/" + manifest.library.file
        guard files.contains(where: { $0.path == path }) else {
            let libraries = files.map(\.path).filter { $0.hasPrefix("lib/") }
            throw HostError(
                "library_missing", what: "the bundle is refused", subject: subject,
                why: "the manifest names \(path), which the bundle does not hold"
                    + Spelling.hint(for: path, among: libraries),
                fix: "set \"library\": {\"file\": ...} to the name of the file in lib/")
        }
        let digest = try SHA256.digest(ofFile: release + "/" + path)
        if let wanted = manifest.library.sha256, wanted != digest {
            throw HostError(
                "library_digest_wrong", what: "the bundle is refused", subject: subject,
                why: "the SHA-256 of \(path) is \(digest), and the manifest says \(wanted)",
                fix: "pack the bundle again with: host pack DIR -o FILE.tar.gz")
        }
        return digest
    }
}
