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
        let root = try Descriptor(directory: directory)
        let gzip = try GzipReader(archive, limits: limits)
        let tar = TarReader(gzip, limits: limits, subject: subject)
        var judge = EntryJudge(limits: limits)
        var files: [File] = []
        var directories: Set<[String]> = [[]]
        while let entry = try tar.next() {
            let decision: EntryJudge.Decision
            do {
                decision = try judge.judge(entry)
            } catch {
                throw .archiveTooLarge(
                    "it has more than \(limits.entryCountMax) entries", subject: subject)
            }
            // From the first objection on, the rest is only judged, so that all can be told at
            // once.
            guard judge.objections.isEmpty else { continue }
            switch decision {
            case .nothing: continue
            case .makeDirectory(let path):
                _ = try open(path, under: root, made: &directories)
                continue
            case .writeFile(let path):
                let parent = try open(path.dropLast(), under: root, made: &directories)
                try write(entry, from: tar, to: path[path.count - 1], in: parent)
                files.append(File(path: path.joined(separator: "/"), bytes: entry.size))
            case .makeLink(let path, let target):
                let parent = try open(path.dropLast(), under: root, made: &directories)
                guard unsafe symlinkat(target, parent.number, path[path.count - 1]) == 0 else {
                    throw failed(path, errno)
                }
            case .linkFile(let path, let target):
                let from = try open(target.dropLast(), under: root, made: &directories)
                let parent = try open(path.dropLast(), under: root, made: &directories)
                guard
                    unsafe linkat(
                        from.number, target[target.count - 1], parent.number, path[path.count - 1],
                        0)
                        == 0
                else { throw failed(path, errno) }
                let original = target.joined(separator: "/")
                let bytes = files.first { $0.path == original }?.bytes ?? 0
                files.append(File(path: path.joined(separator: "/"), bytes: bytes))
            }
        }
        guard judge.objections.isEmpty else {
            throw .archiveRefused(judge.objections, subject: subject)
        }
        // What is refused is never synced: that is most of the time that unpacking takes.
        for file in files {
            try root.open(file.path, flags: O_RDONLY | O_NOFOLLOW).sync()
        }
        for path in directories {
            try open(path[...], under: root, made: &directories).sync()
        }
        return files
    }

    /// Opens a directory of the bundle component by component, making those that are missing.
    private func open(
        _ path: some Collection<String>, under root: borrowing Descriptor,
        made: inout Set<[String]>
    ) throws(HostError) -> Descriptor {
        var current = try root.open(".", flags: O_RDONLY | O_DIRECTORY)
        var reached: [String] = []
        for name in path {
            reached.append(name)
            if made.insert(reached).inserted {
                guard unsafe mkdirat(current.number, name, 0o755) == 0,
                    unsafe fchmodat(current.number, name, 0o755, 0) == 0
                else { throw failed(reached, errno) }
            }
            current = try current.open(name, flags: O_RDONLY | O_DIRECTORY)
        }
        return current
    }

    private func write(
        _ entry: TarEntry, from tar: TarReader<GzipReader>, to name: String,
        in directory: borrowing Descriptor
    ) throws(HostError) {
        let file = try directory.open(name, flags: O_WRONLY | O_CREAT | O_EXCL, mode: 0o600)
        let chunk = ByteBuffer(count: 1 << 16)
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

    private func failed(_ path: [String], _ number: Int32) -> HostError {
        .system(
            "the bundle could not be unpacked", subject: path.joined(separator: "/"), errno: number)
    }
}

/// Which files of a bundle may be executed.
enum BundleMode {
    /// Says whether the name is that of a shared library: `libx.so`, `libx.so.1`.
    static func isLibrary(_ name: String) -> Bool {
        name.hasSuffix(".so") || name.split(separator: ".").dropFirst().contains("so")
    }
}
