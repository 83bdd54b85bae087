internal import Glibc
internal import HostModel

/// The admin socket as the kernel knows it.
///
/// A Unix socket's address holds 107 bytes, which a deep root exceeds; so the socket is reached
/// through the descriptor of its directory, `/proc/self/fd/N/host.sock`, whatever the length of the
/// path.
enum AdminSocket {
    private static let backlogMax: Int32 = 64

    /// Makes the socket and listens on it; a socket that stood at the path is replaced.
    ///
    /// The root's lock must be held, so that no living daemon's socket is taken away.
    ///
    /// - Shape: it is the owner's alone from the start (Linux takes a bound socket's mode from the
    ///   descriptor, less the umask), and gets its mode then.
    /// - Throws: `HostError` with code `admin_socket_failed`.
    static func listen(at path: String, mode: mode_t = 0o600) throws(HostError) -> Int32 {
        let descriptor = socket(
            AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw failure("be made", path) }
        do throws(HostError) {
            let directory = try Descriptor(directory: parts(path).directory)
            guard fchmod(descriptor, 0o600) == 0 else { throw failure("be protected", path) }
            var former = stat()
            if unsafe lstat(path, &former) == 0, former.st_mode & S_IFMT != S_IFSOCK {
                throw HostError(
                    "admin_socket_failed", what: "the admin socket could not be bound",
                    subject: path, why: "there is something that is no socket",
                    fix: "move it away, or name another path")
            }
            guard unsafe unlink(path) == 0 || errno == ENOENT else {
                throw failure("be replaced", path)
            }
            let bound = unsafe withAddress(of: path, in: directory) {
                unsafe bind(descriptor, $0, $1)
            }
            guard bound == 0 else { throw failure("be bound", path) }
            if mode != 0o600 {
                guard unsafe chmod(path, mode) == 0 else { throw failure("be opened", path) }
            }
            guard Glibc.listen(descriptor, backlogMax) == 0 else {
                throw failure("be listened on", path)
            }
            return descriptor
        } catch {
            close(descriptor)
            throw error
        }
    }

    /// Connects to the socket; nil when nobody listens on it.
    ///
    /// - Throws: `HostError` with code `admin_socket_failed` when somebody may, but not for us.
    static func connect(to path: String) throws(HostError) -> Int32? {
        let descriptor = socket(
            AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw failure("be made", path) }
        guard let directory = try? Descriptor(directory: parts(path).directory) else {
            close(descriptor)
            return nil
        }
        let connected = unsafe withAddress(of: path, in: directory) { address, length in
            while true {
                let result = unsafe Glibc.connect(descriptor, address, length)
                if result == 0 || errno != EINTR { return result }
            }
        }
        if connected == 0 { return descriptor }
        let number = errno
        close(descriptor)
        if number == ENOENT || number == ECONNREFUSED || number == ENOTDIR { return nil }
        throw .system(
            "the daemon cannot be reached", subject: path, errno: number,
            code: "admin_socket_failed")
    }

    private static func parts(_ path: String) -> (directory: String, name: Substring) {
        let slash = path.lastIndex(of: "/") ?? path.startIndex
        return (String(path[..<slash]), path[slash...].dropFirst())
    }

    private static func withAddress<R>(
        of path: String, in directory: borrowing Descriptor,
        _ body: (UnsafePointer<sockaddr>, socklen_t) -> R
    ) -> R {
        let text = "/proc/self/fd/\(directory.number)/\(parts(path).name)"
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { room in
            precondition(text.utf8.count < room.count, "the socket's name is short")
            unsafe room.copyBytes(from: text.utf8)
        }
        return unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }

    private static func failure(_ act: String, _ path: String) -> HostError {
        .system(
            "the admin socket could not \(act)", subject: path, errno: errno,
            code: "admin_socket_failed")
    }
}
