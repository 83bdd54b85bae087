import CLinux
import Glibc
import HostModel

/// What tells that a file is another one, or has another content, without reading it.
///
/// The kernel sets the time of the last change of an inode (`st_ctim`) itself, so a file that is
/// written in place is told even when its other times are set back.
struct FileMark: Hashable, Sendable {
    private let device: dev_t
    private let inode: ino_t
    private let size: off_t
    private let modified: [Int]
    private let changed: [Int]

    /// Nil when there is no plain file, also behind a link.
    init?(ofFile path: String) {
        var status = stat()
        guard unsafe stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            return nil
        }
        device = status.st_dev
        inode = status.st_ino
        size = status.st_size
        modified = [status.st_mtim.tv_sec, status.st_mtim.tv_nsec]
        changed = [status.st_ctim.tv_sec, status.st_ctim.tv_nsec]
    }

    /// Says whether some process has the file open for writing.
    ///
    /// Where the kernel does not tell, nobody is assumed to.
    static func isBeingWritten(_ path: String) -> Bool {
        guard let file = try? Descriptor(opening: path, flags: O_RDONLY | O_NONBLOCK) else {
            return false
        }
        return linux_is_being_written(file.number) != 0
    }
}
