import HostModel

/// How a process of a plugin is, for its status.
struct WorkerStatus: Sendable {
    enum State: String, Sendable {
        case running, starting, failed
    }

    /// nil: there is none now.
    var pid: Int32?
    var state: State
    /// How often another process has taken the place of one that ended.
    var restarts: Int
    var uptime: Duration
}

/// What becomes of a generation's processes.
enum WorkerOccurrence: Sendable {
    /// One ended that should not have; another one starts after the pause, if there is one.
    case ended(pid: Int32, reason: String, pause: Duration?)
    /// One serves in the place of one that has ended.
    case restarted(pid: Int32, milliseconds: Double)
    /// No more are started, and none is left.
    case failed(HostError)
}
