import Glibc
import Synchronization

/// A copy of a library that nobody but the host writes to, and that no other generation shares.
///
/// The file a user may overwrite is never the file that is mapped: writing over a mapped library
/// kills the process. The loader also tells images apart by path and inode, so each generation
/// needs a path that was never loaded before.
///
/// The copy is made from one open descriptor, whose identity, size and times are compared before
/// and after: a file that changes meanwhile is refused. Libraries that it needs from its own
/// directory (`$ORIGIN`) are copied beside it. It shares blocks with the original where the file
/// system can (FICLONE).
public final class PrivateCopy: Sendable {
    /// Where the copy is: `<directory>/<stem>.<generation>.so`.
    public let path: String
    /// The generation it was made for.
    public let generation: UInt64
    /// The length of the copy.
    ///
    /// - Units: bytes.
    public let size: UInt64
    private let isLent: Bool
    /// Where it goes when it is removed, and what is done then.
    private let keeping = Mutex<(path: String, then: @Sendable () -> Void)?>(nil)

    /// Copies a library into a directory, which is made if it is missing (mode 0700).
    ///
    /// - Parameters:
    ///   - source: The library to be copied.
    ///   - directory: Where to; its parent must exist.
    ///   - stem: The name's first part, without a slash.
    ///   - generation: The name's second part; never the same twice for one stem and directory.
    ///   - onPart: Told where the copy is made, and how many bytes are in place; first of none.
    /// - Throws: `changedWhileCopying` when the source changed meanwhile, `noSpace` when the file
    ///   system is full, `cannotCopy` for anything else. Nothing is left behind.
    public init(
        of source: String, in directory: String, stem: String, generation: UInt64,
        onPart: (_ path: String, _ bytes: UInt64) -> Void = { _, _ in }
    ) throws(LibraryError) {
        precondition(!stem.isEmpty && !stem.contains("/"), "a stem is a file name")
        let file = try ReadOnlyFile(path: source)
        if unsafe mkdir(directory, 0o700) != 0 && errno != EEXIST {
            throw .system(
                .cannotCopy, "cannot make the directory for private copies", directory,
                remedy: "check that its parent exists and that the host may write there")
        }
        let path = "\(directory)/\(stem).\(generation).so"
        let fd = unsafe Glibc.open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard fd >= 0 else {
            throw .system(
                .cannotCopy, "cannot create the private copy", path,
                remedy: "remove what is left of an earlier run from the directory")
        }
        onPart(path, 0)
        let failure = Self.fill(fd, from: file) { onPart(path, $0) }
        Glibc.close(fd)
        if let failure {
            _ = unsafe unlink(path)
            throw failure
        }
        do {
            try Self.copyCompanions(of: path, from: source, into: directory)
        } catch {
            _ = unsafe unlink(path)
            throw error
        }
        self.path = path
        self.generation = generation
        self.size = file.size
        isLent = false
    }

    /// Takes a copy that another process has made and will remove.
    ///
    /// - Throws: `cannotOpen` or `notARegularFile`.
    public init(lentAt path: String) throws(LibraryError) {
        let file = try ReadOnlyFile(path: path)
        self.path = path
        generation = 0
        size = file.size
        isLent = true
    }

    /// Takes over a copy that a process has made which is gone.
    ///
    /// - Throws: `cannotOpen` or `notARegularFile`.
    public init(leftAt path: String, generation: UInt64) throws(LibraryError) {
        let file = try ReadOnlyFile(path: path)
        self.path = path
        self.generation = generation
        size = file.size
        isLent = false
    }

    /// Takes up a copy that was kept, if the library has the same bytes: to compare them takes much
    /// less than to copy them and to take their digest.
    ///
    /// - Returns: nil if there is none, or it differs; what was kept stays where it is then.
    /// - Throws: what copying throws.
    public static func revive(
        _ kept: String, for source: String, in directory: String, stem: String, generation: UInt64
    ) throws(LibraryError) -> PrivateCopy? {
        let file = try ReadOnlyFile(path: source)
        guard let former = try? ReadOnlyFile(path: kept), former.hasSameBytes(as: file),
            former.currentIdentity() == former.identity, file.currentIdentity() == file.identity
        else { return nil }
        let copy = PrivateCopy(
            path: "\(directory)/\(stem).\(generation).so", generation: generation,
            size: file.size)
        guard unsafe rename(kept, copy.path) == 0 else { return nil }
        do {
            try copyCompanions(of: copy.path, from: source, into: directory)
        } catch {
            copy.remove()
            throw error
        }
        return copy
    }

    private init(path: String, generation: UInt64, size: UInt64) {
        self.path = path
        self.generation = generation
        self.size = size
        isLent = false
    }

    /// Has `remove` move the copy to another path on the same file system.
    ///
    /// - Parameter then: called when it is there.
    public func keep(as path: String, then: @escaping @Sendable () -> Void) {
        keeping.withLock { $0 = (path, then) }
    }

    /// Removes the copy from its directory, unless it is lent. A loaded image stays usable.
    public func remove() {
        guard !isLent else { return }
        let kept = keeping.withLock { keeping in
            defer { keeping = nil }
            return keeping
        }
        if let kept, unsafe rename(path, kept.path) == 0 { return kept.then() }
        _ = unsafe unlink(path)
    }

    static func fill(
        _ fd: Int32, from file: borrowing ReadOnlyFile, onPart: (UInt64) -> Void = { _ in }
    ) -> LibraryError? {
        if let number = transfer(from: file.fd, to: fd, count: file.size, onPart) {
            return LibraryError.system(
                number == ENOSPC || number == EDQUOT ? .noSpace : .cannotCopy,
                "cannot copy the library", file.path,
                remedy: number == ENOSPC || number == EDQUOT
                    ? "free \(file.size) bytes on the file system of the private copies"
                    : "check the file system of the library and of the private copies",
                number: number)
        }
        var copied = stat()
        guard unsafe fstat(fd, &copied) == 0,
            UInt64(copied.st_size) == file.size,
            file.currentIdentity() == file.identity
        else {
            return LibraryError(
                .changedWhileCopying, "did not copy the library", subject: file.path,
                reasons: ["it changed while it was being copied"],
                remedy: "wait until it is written completely, or move it into place in one step")
        }
        return nil
    }

    /// Copies by the cheapest way that both file systems offer; the result is an error number or
    /// nil.
    private static func transfer(
        from source: Int32, to target: Int32, count: UInt64, _ onPart: (UInt64) -> Void
    ) -> Int32? {
        defer { onPart(count) }
        if ioctl(target, ficlone, source) == 0 { return nil }
        var copied: UInt64 = 0
        while copied < count {
            let part = sendfile(target, source, nil, Int(min(count - copied, partBytesMax)))
            if part > 0 {
                copied += UInt64(part)
                onPart(copied)
                continue
            }
            if part == 0 { return nil }
            if errno == EINTR { continue }
            guard copied == 0, [EINVAL, ENOSYS, EOPNOTSUPP].contains(errno) else {
                return errno
            }
            return transferThroughMemory(from: source, to: target)
        }
        return nil
    }

    /// What is copied between two calls of `onPart`.
    private static let partBytesMax: UInt64 = 1 << 20

    private static func transferThroughMemory(from source: Int32, to target: Int32) -> Int32? {
        var buffer = [UInt8](repeating: 0, count: 1 << 17)
        while true {
            let got = unsafe read(source, &buffer, buffer.count)
            if got == 0 { return nil }
            if got < 0 {
                if errno == EINTR { continue }
                return errno
            }
            var written = 0
            while written < got {
                let part = unsafe buffer.withUnsafeBytes { bytes in
                    guard let base = bytes.baseAddress else { return 0 }
                    return unsafe write(target, base + written, got - written)
                }
                if part < 0 && errno == EINTR { continue }
                guard part > 0 else { return part < 0 ? errno : ENOSPC }
                written += part
            }
        }
    }

    /// `_IOW(0x94, 9, int)`: ioctl_ficlone(2).
    private static let ficlone: UInt = 0x4004_9409
}

extension PrivateCopy {
    /// `stem#generation`, as images are called in reports; the file's name if the copy is lent.
    var label: String {
        let name = path.split(separator: "/").last.map(String.init) ?? path
        let suffix = ".\(generation).so"
        guard name.hasSuffix(suffix) else { return name }
        return "\(name.dropLast(suffix.count))#\(generation)"
    }
}
