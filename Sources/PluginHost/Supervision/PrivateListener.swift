internal import CLinux
internal import Glibc
package import HostModel

/// A Unix socket that listens and has no file: whoever has not been given it cannot find it, and
/// nothing is left behind, however the host ends.
///
/// A child gets its `descriptor`; the host connects to `address`. As long as this is there, whoever
/// connects while nobody accepts waits in the backlog.
package final class PrivateListener: Sendable {
    /// What a child listens on; blocking.
    package let descriptor: Int32
    /// What leads to `address`.
    let handle: Int32

    /// The path by which this process connects to it.
    package var address: String { "/proc/self/fd/\(handle)" }

    /// - Parameters:
    ///   - directory: where the file is for a moment; a private one.
    ///   - backlog: how many connections wait at the most.
    /// - Throws: `socket_not_made` with the system's reason.
    package init(in directory: String, backlog: Int32 = 1_024) throws(HostError) {
        let folder = try Descriptor(directory: directory)
        let name = "socket-" + RandomName.make()
        var handle: Int32 = -1
        // By way of the descriptor, since a socket's path may have 107 bytes only.
        let result = unsafe linux_listen_privately(
            "/proc/self/fd/\(folder.number)/\(name)", backlog, &handle)
        guard result >= 0 else {
            throw .system(
                "a socket could not be made", subject: directory, errno: -result,
                code: "socket_not_made")
        }
        descriptor = result
        self.handle = handle
    }

    /// Goes on with one that another process has made; the descriptors stay the caller's.
    init(copying descriptor: Int32, handle: Int32) {
        self.descriptor = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
        self.handle = fcntl(handle, F_DUPFD_CLOEXEC, 0)
    }

    deinit {
        linux_close(descriptor)
        linux_close(handle)
    }
}
