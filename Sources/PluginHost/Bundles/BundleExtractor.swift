internal import Glibc
package import HostModel

/// Unpacks a bundle into a directory that it alone uses.
///
/// Every name is judged by `EntryJudge` first; then each component is opened from the directory
/// above it without following links, so that even a wrong judgement could not write elsewhere.
/// Owners are ignored; modes become 0755 for directories and shared libraries and 0644 for all
/// else; times of modification are kept, unless they are zero.
package struct BundleExtractor {
    /// One file that was unpacked.
    package struct File: Hashable, Sendable {
        /// Relative to the bundle.
        package let path: String
        package let bytes: Int
    }

    /// From how many entries on an archive is judged to its end before the rest is unpacked: to
    /// make that many files, and to remove them again when the archive is refused, takes many times
    /// as long as to read its headers.
    private static let unjudgedCountMax = 1_024
    /// From how many files and directories on their whole file system is synced at once: that waits
    /// for what others have written as well, but one by one each costs a commit of its journal.
    private static let syncedEachMax = 64

    private let limits: BundleLimits

    package init(limits: BundleLimits = BundleLimits()) { self.limits = limits }

    /// Unpacks an open `.tar.gz` into an empty directory and returns what is there now.
    ///
    /// Everything is on the disk when it returns. When it throws, the directory holds a part of the
    /// bundle; whoever made it removes it.
    /// - Throws: `HostError` with code `archive_damaged`, `archive_too_large`, `archive_refused`
    ///   (with every objection to an entry as a reason) or `system_call_failed`.
    package func extract(_ archive: consuming Descriptor, into directory: String) throws(HostError)
        -> [File]
    {
        let subject = archive.path
        var tree = try UnpackedTree(directory)
        let gzip = try GzipReader(archive, limits: limits)
        let tar = TarReader(gzip, limits: limits, subject: subject)
        let chunk = ByteBuffer(count: 1 << 16)
        var judge = EntryJudge(limits: limits)
        var files: [File] = []
        while let (entry, decision) = try next(of: tar, judge: &judge, subject: subject) {
            // From the first objection on, the rest is only judged, so that all can be told at
            // once.
            guard judge.objections.isEmpty else { continue }
            if judge.entryCount == Self.unjudgedCountMax { try self.judge(subject) }
            switch decision {
            case .nothing: continue
            case .makeDirectory(let path):
                _ = try tree.open(path[...])
                continue
            case .writeFile(let path):
                let parent = try tree.open(path.dropLast())
                try write(entry, from: tar, to: path[path.count - 1], in: parent, by: chunk)
                files.append(File(path: path.joined(separator: "/"), bytes: entry.size))
            case .makeLink(let path, let target):
                let parent = try tree.open(path.dropLast()).number
                guard unsafe symlinkat(target, parent, path[path.count - 1]) == 0 else {
                    throw UnpackedTree.failed(path[...], errno)
                }
            case .linkFile(let path, let target, let bytes):
                // A way of its own: the two may have nothing in common.
                let from = try tree.descriptor(of: target.dropLast())
                let parent = try tree.open(path.dropLast()).number
                let (old, new) = (target[target.count - 1], path[path.count - 1])
                guard unsafe linkat(from.number, old, parent, new, 0) == 0 else {
                    throw UnpackedTree.failed(path[...], errno)
                }
                files.append(File(path: path.joined(separator: "/"), bytes: bytes))
            }
        }
        try refuseIfObjected(judge, subject)
        // What is refused is never synced: that is most of the time that unpacking takes.
        if files.count + tree.made.count > Self.syncedEachMax {
            try tree.root.syncFileSystem()
        } else {
            for file in files {
                try tree.root.open(file.path, flags: O_RDONLY | O_NOFOLLOW).sync()
            }
            for path in [["."]] + tree.made { try tree.descriptor(of: path[...]).sync() }
        }
        return files
    }

    /// Judges a whole archive, and unpacks nothing.
    private func judge(_ path: String) throws(HostError) {
        let gzip = try GzipReader(Descriptor(opening: path, flags: O_RDONLY), limits: limits)
        let tar = TarReader(gzip, limits: limits, subject: path)
        var judge = EntryJudge(limits: limits)
        while try next(of: tar, judge: &judge, subject: path) != nil {}
        try refuseIfObjected(judge, path)
    }

    private func next(
        of tar: TarReader<GzipReader>, judge: inout EntryJudge, subject: String
    ) throws(HostError) -> (TarEntry, EntryJudge.Decision)? {
        guard let entry = try tar.next() else { return nil }
        do {
            return (entry, try judge.judge(entry))
        } catch {
            throw .archiveTooLarge(
                "it has more than \(limits.entryCountMax) entries", subject: subject)
        }
    }

    private func refuseIfObjected(_ judge: EntryJudge, _ subject: String) throws(HostError) {
        guard judge.objections.isEmpty else {
            throw .archiveRefused(judge.objections, subject: subject)
        }
    }

    private func write(
        _ entry: TarEntry, from tar: TarReader<GzipReader>, to name: String,
        in directory: UnpackedTree.Opened, by chunk: borrowing ByteBuffer
    ) throws(HostError) {
        let file = try directory.open(name, flags: O_WRONLY | O_CREAT | O_EXCL, mode: 0o600)
        while true {
            let count = try unsafe tar.read(into: chunk.bytes)
            if count == 0 { break }
            try unsafe file.write(UnsafeRawBufferPointer(rebasing: chunk.bytes[..<count]))
        }
        let mode: mode_t = BundleMode.isLibrary(name) ? 0o755 : 0o644
        guard fchmod(file.number, mode) == 0 else {
            throw .system("the mode could not be set", subject: file.path, errno: errno)
        }
        if entry.modifiedSeconds > 0 {
            let time = timespec(tv_sec: Int(entry.modifiedSeconds), tv_nsec: 0)
            guard unsafe futimens(file.number, [time, time]) == 0 || errno == EINVAL else {
                throw .system("the time could not be set", subject: file.path, errno: errno)
            }
        }
    }
}

/// Which files of a bundle may be executed.
enum BundleMode {
    /// Says whether the name is that of a shared library: `libx.so`, `libx.so.1`.
    static func isLibrary(_ name: String) -> Bool {
        name.hasSuffix(".so") || name.split(separator: ".").dropFirst().contains("so")
    }
}
