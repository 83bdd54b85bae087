import DynamicLibrary
import HTTPServer
import HostModel

/// A generation whose code runs in processes of its own, to which requests are handed on.
///
/// What is the same for all of them is here: its processes are kept by a pool, nothing of it is in
/// this process, and whatever hangs in a process ends with it.
protocol RelayedPlugin: PluginInstance, WorkerSource {
    associatedtype Relay: RequestRelay

    var pool: WorkerPool<Self> { get }
    var relay: Relay { get }
}

/// Hands requests on to processes.
protocol RequestRelay: AnyObject, Sendable {
    /// Hands a request on; it is completed whatever happens. On the loop's thread.
    func forward(_ exchange: Exchange)
}

extension RelayedPlugin {
    var number: Int { Int(member.number) }
    var holdings: LedgerSnapshot? { nil }
    var stuckReason: String? { nil }
    var mayStillLeave: Bool { true }
    var workerStatuses: [WorkerStatus] { pool.statuses }

    func settleThread() {}

    func generation(_ tree: RouteTree, reactors: Int, limits: WorkLimits) -> Generation {
        let relay = relay
        return Generation(
            name: name, number: member.number, version: version, tree: tree, reactors: reactors,
            limits: limits
        ) { exchange in
            relay.forward(exchange)
        }
    }

    nonisolated(nonsending) func takeBack(_ survivors: [Survivor]) async {
        await pool.takeBack(survivors)
    }

    func gaveUp(_ seat: Int) {}
}
