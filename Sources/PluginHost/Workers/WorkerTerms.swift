import Confinement
import HostModel

/// On what terms the processes of a generation are started, kept and given up.
struct WorkerTerms: Sendable {
    var name: PluginName
    /// How many there are.
    var instances = 1
    var log: HostLog
    var restarts = RestartPolicy()
    /// nil: they are not asked whether they answer.
    var pingInterval: Duration?
    var pingMissesMax = 3
    var startSeconds = 10
    /// What they may do; nil: whatever the host's user may, or their container.
    var confinement: Confinement?
    /// The group that each of them is in, if the host has been given some.
    var group: ControlGroup.Plan?
    /// Tells the supervisor that this engine goes on with a child.
    var claim: @Sendable (Int32) -> Void
    var occurred: @Sendable (WorkerOccurrence) -> Void

    /// What is told of the confinement, for a later engine to compare.
    var told: JSONValue { confinement.map { .strings($0.arguments) } ?? .null }

    /// Starts a process in a group of its own.
    ///
    /// - Parameter plan: makes the plan of one that is in that group.
    /// - Throws: `process_not_started`, or whatever the plan throws; nothing is left.
    nonisolated(nonsending) func start(
        about subject: HostLog.Subject,
        _ plan: (ControlGroup?) throws(HostError) -> ChildProcess.Plan
    ) async throws(HostError) -> ChildProcess {
        let group = try group?.make()
        do throws(HostError) {
            let process = try await ChildProcess.start(plan(group), log: log, subject: subject)
            group?.end(with: process)
            return process
        } catch {
            group?.end()
            throw error
        }
    }
}
