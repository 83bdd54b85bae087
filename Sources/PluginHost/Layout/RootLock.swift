internal import Glibc
package import HostModel

/// The right to change a root; one process has it at a time.
///
/// The kernel lets go of it when the process ends, however it ends, so a lock is never stale. The
/// file stays, and holds the pid of the last owner.
/// - Source: flock(2).
package struct RootLock: ~Copyable {
    private let file: Descriptor

    /// Takes over a lock that another process holds for this one as well.
    package init(owning descriptor: Int32, _ layout: RootLayout) {
        file = Descriptor(owning: descriptor, path: layout.lock)
    }

    /// What the kernel knows it by, for a process that is to share it.
    package var descriptor: Int32 { file.number }

    /// Takes the lock. It is waited for only where its owner is gone, and what it has started is
    /// just about to be.
    ///
    /// - Throws: `HostError` with code `root_locked`, naming the process that has it.
    package init(_ layout: RootLayout) throws(HostError) {
        let file = try Descriptor(opening: layout.lock, flags: O_RDWR | O_CREAT, mode: 0o644)
        var tries = 0
        while flock(file.number, LOCK_EX | LOCK_NB) != 0 {
            guard errno == EWOULDBLOCK else {
                throw .system("the root could not be locked", subject: layout.lock, errno: errno)
            }
            let owner = String(decoding: try file.readAll(bytesMax: 64), as: UTF8.self)
            let pid = owner.prefix { $0.isNumber }
            _ = lseek(file.number, 0, SEEK_SET)
            if tries < Self.triesMax, let number = Int32(pid), Self.isGone(number) {
                tries += 1
                _ = poll(nil, 0, Self.pauseMilliseconds)
                continue
            }
            throw HostError(
                "root_locked", what: "another host is using this root", subject: layout.root,
                why: pid.isEmpty ? "its lock is held" : "process \(pid) holds its lock",
                fix: "stop that process, or choose another --root")
        }
        guard ftruncate(file.number, 0) == 0 else {
            throw .system("the lock file could not be written", subject: layout.lock, errno: errno)
        }
        try file.write("\(getpid())\n".utf8)
        self.file = file
    }

    private static let triesMax = 1_000
    private static let pauseMilliseconds: Int32 = 10

    /// Whether a process has ended, waited for or not.
    ///
    /// - Source: proc(5), /proc/pid/stat: the state is the letter behind the name.
    private static func isGone(_ pid: Int32) -> Bool {
        if kill(pid, 0) != 0 { return errno == ESRCH }
        guard let file = try? Descriptor(opening: "/proc/\(pid)/stat", flags: O_RDONLY),
            let bytes = try? file.readAll(bytesMax: 4_096),
            let end = bytes.lastIndex(of: UInt8(ascii: ")")), bytes.count > end + 2
        else { return false }
        return bytes[end + 2] == UInt8(ascii: "Z")
    }
}
