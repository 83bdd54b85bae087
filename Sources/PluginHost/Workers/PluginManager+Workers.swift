import Confinement
import HostModel

/// Plugins whose code runs in processes of their own.
extension PluginManager {
    /// On what terms the processes of a generation are started, kept and given up.
    ///
    /// - Parameter confines: whether it is the host that takes their rights from them.
    /// - Throws: `HostError` of a directory that could not be made.
    func terms(
        of manifest: Manifest, number: Int, _ granted: Set<String>, _ directory: PluginDirectory,
        confines: Bool = true
    ) async throws(HostError) -> WorkerTerms {
        let name = manifest.name
        let inheritance = options.inheritance
        var terms = WorkerTerms(
            name: name, instances: manifest.instances, log: log,
            claim: { inheritance?.claim($0) },
            occurred: { [weak self, control] occurrence in
                Task(executorPreference: control) {
                    await self?.occurred(occurrence, name, number)
                }
            })
        terms.restarts = options.restarts.changed(by: manifest.restart)
        terms.startSeconds = manifest.limits.startSeconds ?? options.startSeconds
        guard confines else { return terms }
        terms.confinement = try await confinement(of: manifest, granted, directory)
        if terms.confinement != nil {
            terms.group = groupPlan(
                name, await resources(of: manifest), among: manifest.instances)
        }
        return terms
    }

    /// Tells of what became of a process, and takes a generation out of service that has none left.
    func occurred(
        _ occurrence: WorkerOccurrence, _ name: PluginName, _ number: Int
    ) async {
        let loaded = slots[name]?.current.map(\.loaded).flatMap { $0.number == number ? $0 : nil }
        switch occurrence {
        case .ended(_, let reason, let pause):
            let next =
                switch pause {
                case nil: "; no other one is started"
                case .some(.zero): "; another one is started"
                case .some(let pause): "; another one is started in \(pause)"
                }
            say(.error, reason + next, name, loaded)
            await note(.workerEnded(generation: number, reason: reason), on: name)
        case .restarted(let pid, let milliseconds):
            say(.info, "process \(pid) serves after \(Int(milliseconds)) ms", name, loaded)
            await note(
                .workerRestarted(generation: number, milliseconds: milliseconds), on: name)
        case .failed(let error):
            // A generation that is being taken down anyway needs nothing more.
            try? await exclusively(name) { slot throws(HostError) in
                guard let image = slot.current, image.loaded.number == number, !isStopping else {
                    return
                }
                slot.current = nil
                slot.leaving.append(image)
                slot.lastError = error
                switchboard.withdraw(image.loaded.member)
                await publish(slot)
                settled(slot)
                say(.error, error.description, name, image.loaded)
                await note(.loadFailed(generation: number, error: error), on: name)
                let policy = DrainPolicy(seconds: 1, outcome: .quarantine)
                Task { _ = await self.retire(image, slot, policy) }
            }
        }
    }
}
