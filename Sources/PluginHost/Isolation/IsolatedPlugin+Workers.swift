import HostModel

/// The processes of a generation, as its pool has them made and looked after.
extension IsolatedPlugin {
    /// Takes a new process through all steps.
    nonisolated(nonsending) func makeWorker(
        _ seat: Int, seconds: Int
    ) async throws(HostError) -> IsolatedWorker {
        let worker = try await openWorker(seat)
        do throws(HostError) {
            try await worker.step(RemoteTopic.initialize, seconds: seconds)
            try await worker.step(RemoteTopic.start, seconds: seconds)
        } catch {
            worker.kill("it could not be started")
            forget(worker)
            throw error
        }
        return worker
    }

    func lost(_ worker: IsolatedWorker, _ end: ChildProcess.End) {
        worker.channel.end()
        forget(worker)
    }

    /// An answer says how many threads the plugin's code keeps; too many cannot be had back but
    /// with the process.
    func ping(_ worker: IsolatedWorker, _ answered: @escaping @Sendable () -> Void) {
        let most = parts.launch.stuckThreadsMax
        worker.channel.request(RemoteTopic.ping) { answer in
            guard case .success(let content) = answer else { return }
            let count = content.json["stuck"]?.integer ?? 0
            if most > 0, count >= most { worker.kill("\(count) of its threads did not come back") }
            answered()
        }
    }
}
