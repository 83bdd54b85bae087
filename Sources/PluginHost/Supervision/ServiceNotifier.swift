internal import CLinux
internal import Glibc

/// Tells the service manager that started the host how it is.
///
/// - Source: sd_notify(3); a host that no service manager has started tells nobody.
struct ServiceNotifier {
    private let address: String?
    /// How often the manager wants to hear that the host answers; half of what it waits for.
    let period: Duration?

    init() {
        address = Self.variable("NOTIFY_SOCKET")
        let isMeant = Self.variable("WATCHDOG_PID").map { $0 == "\(getpid())" } ?? true
        period = Self.variable("WATCHDOG_USEC").flatMap { Int64($0) }
            .flatMap { isMeant && $0 > 0 ? .microseconds($0 / 2) : nil }
    }

    static func variable(_ name: String) -> String? {
        unsafe getenv(name).map { unsafe String(cString: $0) }
    }

    func tellAlive() { if period != nil { tell("WATCHDOG=1") } }

    /// - Source: sd_notify(3): RELOADING=1 goes with the time, so that it cannot be mistaken for an
    ///   older one.
    func tellReloading() {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        tell("RELOADING=1\nMONOTONIC_USEC=\(time.tv_sec * 1_000_000 + time.tv_nsec / 1_000)")
    }

    func tell(_ text: String) {
        guard let path = address else { return }
        var target = sockaddr_un()
        target.sun_family = sa_family_t(AF_UNIX)
        var name = Array(path.utf8)
        guard let first = name.first, name.count < MemoryLayout.size(ofValue: target.sun_path)
        else { return }
        // An abstract name begins with a zero byte, written as @.
        if first == UInt8(ascii: "@") { name[0] = 0 }
        unsafe withUnsafeMutableBytes(of: &target.sun_path) { unsafe $0.copyBytes(from: name) }
        let length = MemoryLayout<sa_family_t>.size + name.count
        let descriptor = socket(
            AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        let bytes = Array(text.utf8)
        _ = unsafe withUnsafePointer(to: &target) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe sendto(
                    descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL), $0,
                    socklen_t(length))
            }
        }
    }
}

/// Listening sockets that a service manager has opened for the host.
///
/// - Source: sd_listen_fds(3).
enum ServiceSockets {
    private static let first: Int32 = 3

    /// Takes them; there are none unless they are meant for this very process. The variables go, so
    /// that no child takes them for its own.
    static func take() -> [Int32] {
        let pid = ServiceNotifier.variable("LISTEN_PID")
        let count = ServiceNotifier.variable("LISTEN_FDS").flatMap { Int32($0) } ?? 0
        for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] { unsafe unsetenv(name) }
        guard pid == "\(getpid())", (1...64).contains(count) else { return [] }
        let sockets = (first..<(first + count)).map { $0 }
        for socket in sockets { _ = linux_keep_open(socket, 0) }
        return sockets
    }
}
