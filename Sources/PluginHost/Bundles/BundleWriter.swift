internal import Glibc
package import HostModel

/// Packs a directory into a bundle.
///
/// The same directory always gives the same bytes: entries are sorted, and times and owners are
/// left out. The manifest gets the SHA-256 of the library when it has none or another one; apart
/// from that its text stays as it is. What installing would refuse is refused here. A signature
/// that the directory holds is packed as it is, unless a new one takes its place.
package struct BundleWriter {
    /// A bundle that was written.
    package struct Packed: Hashable, Sendable {
        package let path: String
        package let manifest: Manifest
        package let digest: Digest
        package let files: [BundleExtractor.File]
    }

    /// What lies where the bundle is to be put and does not belong into it.
    private struct LeftOut {
        let parent: Descriptor.Identity
        /// The bundle itself, when there is one already.
        let name: String

        /// Says whether an entry of that directory is such a thing; packing may go on there twice
        /// at a time.
        func holds(_ entry: String) -> Bool {
            entry == name || entry.hasPrefix(BundleWriter.scratchPrefix)
        }
    }

    private static let scratchPrefix = ".pack-"

    private let limits: BundleLimits

    package init(limits: BundleLimits = BundleLimits()) { self.limits = limits }

    /// Packs the directory and puts the bundle at `output`, replacing what is there.
    ///
    /// - Throws: as `PreparedBundle.prepare`; there is no new file then, and an old one stays.
    /// - Parameter key: what the bundle is signed with; nil: it is not signed.
    package func pack(
        _ directory: String, to output: String, signedWith key: SigningKey? = nil
    ) throws(HostError) -> Packed {
        let slash = output.lastIndex(of: "/")
        let parent = slash.map { String(output[...$0]) } ?? ""
        let scratch = parent + Self.scratchPrefix + RandomName.make()
        try Directory.create(scratch, mode: 0o700)
        do throws(HostError) {
            let leftOut = LeftOut(
                parent: try Descriptor(directory: parent.isEmpty ? "." : parent).identity(),
                name: String(output[(slash.map(output.index(after:)) ?? output.startIndex)...]))
            let packed = try pack(directory, to: output, key, scratch: scratch, leftOut)
            try Directory.remove(scratch)
            return packed
        } catch {
            do throws(HostError) {
                try Directory.remove(scratch)
            } catch let second {
                throw error.also(second, during: "cleanup")
            }
            throw error
        }
    }

    private func pack(
        _ directory: String, to output: String, _ key: SigningKey?, scratch: String,
        _ leftOut: LeftOut
    ) throws(HostError) -> Packed {
        var archive = scratch + "/bundle.tar.gz"
        let root = try Descriptor(directory: directory)
        var files = ["manifest.json": try completeManifest(in: root)]
        if let key {
            // What is signed is what an installer will see.
            let unsigned = scratch + "/unsigned.tar.gz"
            files[BundleStatement.fileName] = []
            files[BundleStatement.signatureName] = []
            try write(unsigned, of: root, files, leftOut)
            let statement = try statement(of: unsigned, key, scratch: scratch, directory)
            files[BundleStatement.fileName] = statement
            files[BundleStatement.signatureName] = key.signature(of: statement)
            archive = scratch + "/signed.tar.gz"
        }
        try write(archive, of: root, files, leftOut)
        // What was packed is judged as it would be at installation.
        let packed: [BundleExtractor.File]
        let digest: Digest
        let read: Manifest
        do throws(HostError) {
            let prepared = try PreparedBundle.prepare(
                archive: archive, stagingArea: scratch, limits: limits)
            (packed, digest, read) = (prepared.files, prepared.bundleDigest, prepared.manifest)
        } catch {
            throw refused(error, directory)
        }
        guard unsafe rename(archive, output) == 0 else {
            throw .system("the bundle could not be put in place", subject: output, errno: errno)
        }
        return Packed(path: output, manifest: read, digest: digest, files: packed)
    }

    /// Packs a directory, with some files at its top in the place of its own, or beside them; one
    /// without bytes is left out.
    private func write(
        _ archive: String, of root: borrowing Descriptor, _ files: [String: [UInt8]],
        _ leftOut: LeftOut
    ) throws(HostError) {
        let gzip = try GzipWriter(
            Descriptor(opening: archive, flags: O_WRONLY | O_CREAT | O_EXCL, mode: 0o644))
        try add(contentsOf: root, under: "", files, without: leftOut, to: gzip)
        try gzip.write([UInt8](repeating: 0, count: 2 * TarHeader.blockBytes))
        try gzip.finish()
    }

    /// The text that is to be signed.
    private func statement(
        of archive: String, _ key: SigningKey, scratch: String, _ directory: String
    ) throws(HostError) -> [UInt8] {
        do throws(HostError) {
            let prepared = try PreparedBundle.prepare(
                archive: archive, stagingArea: scratch, limits: limits)
            let entries = try BundleStatement.entries(
                of: prepared.directory, plugin: prepared.manifest.name)
            return Array(BundleStatement(key: key.publicKey, entries: entries).text.utf8)
        } catch {
            throw refused(error, directory)
        }
    }

    private func refused(_ error: HostError, _ directory: String) -> HostError {
        HostError(
            error.code, what: "the directory was not packed", subject: directory,
            why: error.reasons, fix: "correct what is listed and pack again",
            systemError: error.systemError)
    }

    /// Reads the manifest and sets the digest of the library in it.
    private func completeManifest(in root: borrowing Descriptor) throws(HostError) -> [UInt8] {
        let bytes = try root.open("manifest.json", flags: O_RDONLY)
            .readAll(bytesMax: ManifestLimit.fileBytesMax)
        let source = root.path + "/manifest.json"
        var json = try JSON.parse(bytes, source: source)
        let manifest = try Manifest(json: json, source: source)
        let library = try root.open("lib", flags: O_RDONLY | O_DIRECTORY)
            .open(manifest.library.file, flags: O_RDONLY)
        let digest = try SHA256.digest(of: library)
        guard digest != manifest.library.sha256, case .object(var object) = json else {
            return bytes
        }
        var described = object["library"]?.object ?? JSONObject()
        described["sha256"] = .string(digest.hex)
        object["library"] = .object(described)
        json = .object(object)
        return Array(json.text(.pretty).utf8)
    }

    private func add(
        contentsOf directory: borrowing Descriptor, under prefix: String,
        _ files: [String: [UInt8]] = [:], without leftOut: LeftOut, to gzip: GzipWriter
    ) throws(HostError) {
        let isOutputs = try directory.identity() == leftOut.parent
        let names = Set(try Directory.entries(of: directory)).union(files.keys)
            .filter { !isOutputs || !leftOut.holds($0) }
            .sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        for name in names {
            if let bytes = files[name] {
                guard !bytes.isEmpty else { continue }
                try gzip.write(header(name, size: bytes.count))
                try gzip.write(bytes + TarHeader.zeros(toFill: bytes.count))
                continue
            }
            var status = stat()
            guard unsafe fstatat(directory.number, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
                throw .system(
                    "the file could not be examined", subject: directory.path + "/" + name,
                    errno: errno)
            }
            let path = prefix + name
            switch status.st_mode & S_IFMT {
            case S_IFDIR:
                try gzip.write(
                    TarHeader.blocks(
                        path: path + "/", typeFlag: UInt8(ascii: "5"), mode: 0o755, size: 0))
                try add(
                    contentsOf: directory.open(name, flags: O_RDONLY | O_DIRECTORY),
                    under: path + "/", without: leftOut, to: gzip)
            case S_IFREG:
                try add(directory.open(name, flags: O_RDONLY), path: path, to: gzip)
            case S_IFLNK:
                let full = directory.path + "/" + name
                try gzip.write(
                    TarHeader.blocks(
                        path: path, target: SymbolicLink.target(of: full) ?? "",
                        typeFlag: UInt8(ascii: "2"), mode: 0o777, size: 0))
            default:
                throw .archiveRefused(
                    ["\(Escaping.quoted(path)): it is neither a file nor a directory"],
                    subject: directory.path)
            }
        }
    }

    private func add(_ file: borrowing Descriptor, path: String, to gzip: GzipWriter)
        throws(HostError)
    {
        let size = Int(try file.status().st_size)
        try gzip.write(header(path, size: size))
        let chunk = ByteBuffer(count: 1 << 18)
        var total = 0
        while true {
            let count = try unsafe file.read(into: chunk.bytes)
            if count == 0 { break }
            total += count
            try unsafe gzip.write(UnsafeRawBufferPointer(rebasing: chunk.bytes[..<count]))
        }
        guard total == size else {
            throw HostError(
                "file_changed", what: "the directory was not packed", subject: file.path,
                why: "the file changed while it was read", fix: "pack again when it is complete")
        }
        try gzip.write(TarHeader.zeros(toFill: size))
    }

    private func header(_ path: String, size: Int) -> [UInt8] {
        let name = path.split(separator: "/").last.map(String.init) ?? path
        return TarHeader.blocks(
            path: path, typeFlag: UInt8(ascii: "0"),
            mode: BundleMode.isLibrary(name) ? 0o755 : 0o644, size: size)
    }
}
