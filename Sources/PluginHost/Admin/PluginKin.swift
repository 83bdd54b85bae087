import Glibc
internal import HostModel

/// The processes that descend from this host, and of those the ones that are confined: plugins'.
///
/// The kernel tells the admin interface the user of who asks, and a plugin's process has the host's
/// user. Where it was granted the network it can reach the socket, and who commands the host can
/// grant itself everything.
struct PluginKin: Sendable {
    /// The process that all of the host's descend from: the supervisor, or the host itself.
    private let top: Int32
    private let own: ProcessStanding?

    init(top: Int32) {
        self.top = top
        own = ProcessStanding(getpid())
    }

    /// Whether the process is a plugin's that is confined, or cannot be told from one: it has ended
    /// meanwhile, and left its connection to somebody else.
    func includes(_ pid: Int32) -> Bool {
        // One of another PID namespace, which none of a plugin's is.
        if pid == 0 { return false }
        // What has ended is bound by nothing any more; so it is looked at twice.
        guard let first = ProcessStanding(pid), let standing = ProcessStanding(pid),
            !standing.hasEnded
        else {
            return true
        }
        guard let own, first.isBound(moreThan: own) || standing.isBound(moreThan: own) else {
            return false
        }
        // What a plugin has started and left falls to a supervisor only.
        return top == getpid() || descends(standing)
    }

    private func descends(_ standing: ProcessStanding) -> Bool {
        var parent = standing.parent
        for _ in 0..<Self.depthMax {
            if parent == top { return true }
            if parent <= 1 { return false }
            // A parent that ends here leaves its child to one that is looked at the next time.
            guard let next = ProcessStanding(parent) else { return true }
            parent = next.parent
        }
        return true
    }

    /// More than that no sound process has above it.
    private static let depthMax = 1_000
}
