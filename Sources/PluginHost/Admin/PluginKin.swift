import Glibc
internal import HostModel

/// The processes that descend from this host, and of those the ones that are confined: plugins'.
///
/// The kernel tells the admin interface the user of who asks, and a plugin's process has the host's
/// user. Where it was granted the network it can reach the socket, and who commands the host can
/// grant itself everything.
///
/// - Source: proc(5): `State`, `PPid`, `NoNewPrivs` and `Seccomp_filters` of /proc/pid/status.
struct PluginKin: Sendable {
    /// The process that all of the host's descend from: the supervisor, or the host itself.
    private let top: Int32
    private let own: Standing?

    init(top: Int32) {
        self.top = top
        own = Standing(getpid())
    }

    /// What the kernel says of a process that matters here.
    private struct Standing {
        var parent: Int32 = 0
        var hasEnded = false
        var gainsNothing = false
        var filters = 0

        /// - Returns: nil when there is no such process.
        init?(_ pid: Int32) {
            guard let status = ProcessFigures.text("/proc/\(pid)/status") else { return nil }
            for line in status.split(separator: "\n") {
                let words = line.split(whereSeparator: { $0 == "\t" || $0 == " " })
                guard words.count > 1 else { continue }
                switch words[0] {
                case "State:": hasEnded = ["Z", "X"].contains(words[1])
                case "PPid:": parent = Int32(words[1]) ?? 0
                case "NoNewPrivs:": gainsNothing = words[1] == "1"
                case "Seccomp_filters:": filters = Int(words[1]) ?? 0
                default: break
                }
            }
        }
    }

    /// Whether the process is a plugin's that is confined, or cannot be told from one: it has ended
    /// meanwhile, and left its connection to somebody else.
    func includes(_ pid: Int32) -> Bool {
        // One of another PID namespace, which none of a plugin's is.
        if pid == 0 { return false }
        // What has ended is bound by nothing any more; so it is looked at twice.
        guard let first = Standing(pid), let standing = Standing(pid), !standing.hasEnded else {
            return true
        }
        let isBound =
            max(first.filters, standing.filters) > own?.filters ?? 0
            || standing.gainsNothing && own?.gainsNothing == false
        return isBound && descends(standing)
    }

    private func descends(_ standing: Standing) -> Bool {
        var parent = standing.parent
        for _ in 0..<Self.depthMax {
            if parent == top { return true }
            if parent <= 1 { return false }
            // A parent that ends here leaves its child to one that is looked at the next time.
            guard let next = Standing(parent) else { return true }
            parent = next.parent
        }
        return true
    }

    /// More than that no sound process has above it.
    private static let depthMax = 1_000
}
