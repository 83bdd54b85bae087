import CLinux
import Glibc
import HostModel
import Synchronization

/// Tells when files in watched directories have been written, moved in or deleted.
///
/// What it tells is a hint, never a fact: whoever listens looks at the file itself. When the
/// kernel's queue overflows, every watched directory is told of, so that nothing is missed.
final class DirectoryWatcher: Sendable {
    private struct Watches {
        var directories: [Int32: String] = [:]
        var descriptors: [String: Int32] = [:]
    }

    /// A file is told of once it is whole: closed after writing, or moved in.
    private static let mask = UInt32(
        IN_CLOSE_WRITE | IN_MOVED_TO | IN_DELETE | IN_MOVED_FROM | IN_DELETE_SELF | IN_MOVE_SELF
            | IN_ONLYDIR)
    private static let readBytes = 64 * 1_024

    /// What the thread waits for: changes, and the end. They are closed when both it and the
    /// watcher have gone.
    private final class Descriptors: Sendable {
        let inotify: Int32
        let end: Int32

        init() throws(HostError) {
            inotify = inotify_init1(Int32(IN_CLOEXEC) | Int32(IN_NONBLOCK))
            let reason = errno
            end = linux_wakeup_create()
            guard inotify >= 0 else {
                throw DirectoryWatcher.failure("an inotify instance", reason)
            }
            guard end >= 0 else { throw DirectoryWatcher.failure("a descriptor to end it", -end) }
        }

        deinit {
            if inotify >= 0 { close(inotify) }
            if end >= 0 { close(end) }
        }

        /// Waits until there is something to read; false when the watcher has gone.
        func waitForChange() -> Bool {
            var waiting = [
                pollfd(fd: inotify, events: Int16(POLLIN), revents: 0),
                pollfd(fd: end, events: Int16(POLLIN), revents: 0),
            ]
            while unsafe poll(&waiting, 2, -1) < 0 && errno == EINTR {}
            return waiting[1].revents == 0
        }
    }

    private let descriptors: Descriptors
    private var inotify: Int32 { descriptors.inotify }
    private let watches = Mutex(Watches())
    private let onChange: @Sendable (_ directory: String, _ file: String?) -> Void

    /// - Parameter onChange: called on the watcher's thread with the directory as it was given to
    ///   `watch`, and the name of the file inside it; nil when events were lost or the directory
    ///   itself has gone.
    /// - Throws: `watch_failed` when the kernel gives no inotify instance.
    init(
        onChange: @escaping @Sendable (_ directory: String, _ file: String?) -> Void
    ) throws(HostError) {
        let descriptors = try Descriptors()
        self.descriptors = descriptors
        self.onChange = onChange
        let isStarted = OwnThread.start("watch") { [weak self] in
            while descriptors.waitForChange() { self?.drain() }
        }
        guard isStarted else { throw Self.failure("a thread for it", errno) }
    }

    deinit {
        _ = linux_wakeup_signal(descriptors.end)
    }

    /// Begins to watch a directory; watching it again follows it to a new inode.
    ///
    /// - Throws: `watch_failed` when it is not there or the user's limit of watches is reached.
    func watch(_ directory: String) throws(HostError) {
        let failure: Int32 = watches.withLock { watches in
            let descriptor = unsafe inotify_add_watch(inotify, directory, Self.mask)
            guard descriptor >= 0 else { return errno }
            if let former = watches.descriptors[directory], former != descriptor {
                watches.directories[former] = nil
                inotify_rm_watch(inotify, former)
            }
            watches.descriptors[directory] = descriptor
            watches.directories[descriptor] = directory
            return 0
        }
        guard failure == 0 else { throw Self.failure(directory, failure) }
    }

    /// Stops watching a directory; one that is not watched is ignored.
    func unwatch(_ directory: String) {
        watches.withLock { watches in
            guard let descriptor = watches.descriptors.removeValue(forKey: directory) else {
                return
            }
            watches.directories[descriptor] = nil
            inotify_rm_watch(inotify, descriptor)
        }
    }

    private func drain() {
        var changes: [(String, String?)] = []
        unsafe withUnsafeTemporaryAllocation(byteCount: Self.readBytes, alignment: 8) { buffer in
            while true {
                let count = unsafe read(inotify, buffer.baseAddress, buffer.count)
                guard count > 0 else { return }
                unsafe collect(UnsafeRawBufferPointer(rebasing: buffer[..<count]), into: &changes)
            }
        }
        for (directory, file) in changes { onChange(directory, file) }
    }

    private func collect(
        _ bytes: UnsafeRawBufferPointer, into changes: inout [(String, String?)]
    ) {
        let headBytes = MemoryLayout<inotify_event>.size
        var offset = 0
        while offset + headBytes <= bytes.count {
            let event = unsafe bytes.loadUnaligned(fromByteOffset: offset, as: inotify_event.self)
            let nameStart = offset + headBytes
            offset = nameStart + Int(event.len)
            guard offset <= bytes.count else { return }
            if event.mask & UInt32(IN_Q_OVERFLOW) != 0 {
                for directory in watches.withLock({ Array($0.descriptors.keys) }) {
                    changes.append((directory, nil))
                }
                continue
            }
            guard let directory = watches.withLock({ $0.directories[event.wd] }) else { continue }
            if event.mask & UInt32(IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED) != 0 {
                changes.append((directory, nil))
            } else if event.len > 0 {
                let name = unsafe bytes[nameStart..<offset].prefix { $0 != 0 }
                unsafe changes.append((directory, String(decoding: name, as: UTF8.self)))
            }
        }
    }

    fileprivate static func failure(_ subject: String, _ code: Int32) -> HostError {
        HostError(
            "watch_failed", what: "changes cannot be watched for", subject: subject,
            why: unsafe String(cString: strerror(code)),
            fix: code == ENOSPC || code == EMFILE
                ? "raise fs.inotify.max_user_watches and fs.inotify.max_user_instances"
                : "make sure that the directory exists and can be read",
            systemError: code)
    }
}
