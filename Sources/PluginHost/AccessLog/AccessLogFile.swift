internal import Glibc
internal import HTTPWire
internal import HostModel

/// The file that the access log is appended to; used by one thread at a time.
///
/// Rotation is a rename: the file is opened again under its name as soon as something else, or
/// nothing, stands there.
final class AccessLogFile {
    /// `-` is the standard output.
    let path: String
    private var file: Descriptor
    private var endsWithinLine = false
    private var lastLook: UInt64 = 0

    private static let lookNanoseconds: UInt64 = 1_000_000_000

    /// - Throws: `access_log_failed`.
    init(path: String) throws(HostError) {
        self.path = path
        file = try Self.open(path)
    }

    private static func open(_ path: String) throws(HostError) -> Descriptor {
        if path == "-" { return Descriptor(owning: dup(STDOUT_FILENO), path: path) }
        do throws(HostError) {
            return try Descriptor(
                opening: path, flags: O_WRONLY | O_APPEND | O_CREAT, mode: 0o640)
        } catch {
            throw HostError(
                "access_log_failed", what: "the access log cannot be opened", subject: path,
                why: error.reasons, fix: error.remedy, systemError: error.systemError)
        }
    }

    /// Opens the file again under its name; on failure the old one stays in use.
    func reopen() throws(HostError) {
        guard path != "-" else { return }
        file = try Self.open(path)
        endsWithinLine = false
    }

    /// Opens the file again if it has been renamed or removed; looks at most once a second.
    ///
    /// - Parameter now: monotonic nanoseconds.
    func followRename(now: UInt64) throws(HostError) {
        guard path != "-", now &- lastLook > Self.lookNanoseconds else { return }
        lastLook = now
        let mine = try file.status()
        var there = stat()
        let isThere = unsafe stat(path, &there) == 0
        if !isThere || there.st_ino != mine.st_ino || there.st_dev != mine.st_dev {
            try reopen()
        }
    }

    /// Appends whole lines.
    ///
    /// After a failure within a line the next one begins on a line of its own.
    ///
    /// - Throws: `access_log_failed`; some of the lines may have been written.
    func append(_ lines: UnsafeRawBufferPointer) throws(HostError) {
        if endsWithinLine { unsafe try write(ByteSlice("\n").buffer) }
        unsafe try write(lines)
    }

    private func write(_ bytes: UnsafeRawBufferPointer) throws(HostError) {
        var rest = unsafe bytes
        while rest.count > 0 {
            let count = unsafe Glibc.write(file.number, rest.baseAddress, rest.count)
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EAGAIN {
                var room = pollfd(fd: file.number, events: Int16(POLLOUT), revents: 0)
                _ = unsafe poll(&room, 1, -1)
                continue
            }
            guard count > 0 else {
                throw HostError.system(
                    "the access log cannot be written", subject: path, errno: errno,
                    code: "access_log_failed")
            }
            endsWithinLine = unsafe rest[count - 1] != UInt8(ascii: "\n")
            unsafe rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        }
    }
}
