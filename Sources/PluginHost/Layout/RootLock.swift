internal import Glibc
package import HostModel

/// The right to change a root; one process has it at a time.
///
/// The kernel lets go of it when the process ends, however it ends, so a lock is never stale. The
/// file stays, and holds the pid of the last owner.
/// - Source: flock(2).
package struct RootLock: ~Copyable {
    private let file: Descriptor

    /// Takes the lock without waiting.
    ///
    /// - Throws: `HostError` with code `root_locked`, naming the process that has it.
    package init(_ layout: RootLayout) throws(HostError) {
        let file = try Descriptor(opening: layout.lock, flags: O_RDWR | O_CREAT, mode: 0o644)
        guard flock(file.number, LOCK_EX | LOCK_NB) == 0 else {
            guard errno == EWOULDBLOCK else {
                throw .system("the root could not be locked", subject: layout.lock, errno: errno)
            }
            let owner = String(decoding: try file.readAll(bytesMax: 64), as: UTF8.self)
            let pid = owner.prefix { $0.isNumber }
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
}
