import Glibc
import PluginKit
import Synchronization

/// A plugin that does all that a host and PluginKit must cope with.
@main
struct Unruly: Plugin {
    static var manifest: Manifest {
        Manifest(
            name: "unruly", version: "0.1.0+test", description: "Does what it should not.",
            services: [.log])
    }

    static var stopDeadlineSeconds: Int { 1 }

    let host: HostContext
    let state = Shared()

    init(host: HostContext) throws {
        self.host = host
        if exists("refuse-init") {
            throw PluginError(
                "the store cannot be opened", subject: "store.db", reasons: ["it is locked"],
                remedy: "close the other program")
        }
    }

    func start() async throws {
        if exists("refuse-start") {
            try await Task.sleep(for: .milliseconds(1))
            throw Secret(word: "start")
        }
        let log = host.log
        host.background {
            try? await Task.sleep(for: .seconds(3_600))
            log.info("background has ended, cancelled: \(Task.isCancelled)")
        }
    }

    func stop() async {
        host.log.info("stop")
    }

    var health: Health {
        exists("sick") ? .degraded("it is sick") : .ok
    }

    private func exists(_ name: String) -> Bool {
        access(host.directory + "/" + name, F_OK) == 0
    }
}

struct Secret: Error {
    let word: String
}

/// Counts, across threads.
final class Shared: Sendable {
    let pieces = Mutex(0)
}
