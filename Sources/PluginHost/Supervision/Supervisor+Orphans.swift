internal import CLinux
internal import Glibc
internal import HostModel

/// What the processes of plugins have started and left behind.
///
/// It falls to the supervisor (prctl(2), PR_SET_CHILD_SUBREAPER), whatever it has done to get away.
///
/// 1. What has ended is reaped.
/// 2. What is of the session of a plugin's process that has ended is killed.
/// 3. What has left that session is killed if it is confined, as only what plugins start is.
/// 4. The rest is left alone: it was there before, or was started by a plugin in the host.
extension Supervisor {
    static let sweepPeriod = Duration.seconds(5)
    /// How soon to look again for what falls to the supervisor once its parent has been killed.
    private static let pursuitPeriod = Duration.milliseconds(20)

    /// Looks once for what is to be reaped or killed, and says when to look again.
    ///
    /// - Returns: whether something was killed.
    @discardableResult
    func sweepOrphans() -> Bool {
        var isPursuing = false
        let engines = [engine?.pid, succession.successor?.pid, trial?.pid]
        let known = Set(
            engines.compactMap { $0 } + retiring.map(\.pid) + children.map(\.pid))
        for pid in ProcessStanding.ownChildren where !known.contains(pid) {
            guard let standing = ProcessStanding(pid) else { continue }
            if standing.hasEnded {
                _ = linux_reap_ended(pid)
            } else if isLeftBehind(standing) {
                // It is not reaped by anyone else, so the number is its own.
                kill(pid, SIGKILL)
                isPursuing = true
            }
        }
        if !isPursuing { endedSessions = [] }
        sweepsAt = EngineProcess.now + (isPursuing ? Self.pursuitPeriod : Self.sweepPeriod)
        return isPursuing
    }

    private func isLeftBehind(_ standing: ProcessStanding) -> Bool {
        if endedSessions.contains(standing.session) { return true }
        guard let own = standingOfSelf, standing.isBound(moreThan: own) else { return false }
        return !children.contains { $0.pid == standing.session }
    }

    /// Kills all that plugins' processes have left, for as long as it takes them to end.
    func endOrphans() {
        let end = EngineProcess.now + .seconds(1)
        while sweepOrphans(), EngineProcess.now < end {
            _ = poll(nil, 0, Int32(Self.pursuitPeriod / .milliseconds(1)))
        }
    }
}
