internal import Glibc
package import HostModel

extension HostError {
    /// Tells that a system call failed.
    ///
    /// - Shape: the reason is `strerror`'s text; the remedy fits the common causes (full disk,
    ///   missing permission, read-only file system, too many open files).
    package static func system(
        _ what: String, subject: String, errno number: Int32, code: Code = "system_call_failed"
    ) -> HostError {
        let reason = unsafe String(cString: strerror(number))
        let remedy =
            switch number {
            case ENOSPC, EDQUOT: "free some space on that file system and try again"
            case ENOENT, ENOTDIR: "check the path"
            case EFBIG: "raise the file-size limit (ulimit -f) of the process"
            case EACCES, EPERM: "give the user of this process access to that path"
            case EROFS: "choose a root on a writable file system (--root)"
            case EMFILE, ENFILE: "raise the limit of open files (ulimit -n)"
            case EIO: "check the disk; the kernel log has more"
            default: ""
            }
        return HostError(
            code, what: what, subject: subject, why: reason, fix: remedy, systemError: number)
    }
}
