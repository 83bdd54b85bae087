import Confinement
import DynamicLibrary
import HostModel

/// Plugins in processes of their own.
extension PluginManager {
    func openIsolated(
        _ staged: StagedLibrary, _ granted: Set<String>, _ configuration: ConfigurationSnapshot,
        _ directory: PluginDirectory
    ) async throws(HostError) -> IsolatedPlugin {
        try await IsolatedPlugin.open(
            await isolatedParts(staged, granted, configuration, directory))
    }

    func isolatedParts(
        _ staged: StagedLibrary, _ granted: Set<String>, _ configuration: ConfigurationSnapshot,
        _ directory: PluginDirectory
    ) async throws(HostError) -> IsolatedPlugin.Parts {
        let (name, number) = (staged.name, Int(staged.generation))
        let limits = staged.manifest.limits
        var launch = IsolatedPlugin.Launch(
            executable: options.workerExecutable ?? "/proc/self/exe",
            environment: [:], log: log)
        var environment = WorkerEnvironment.inherited
        environment["TMPDIR"] = directory.own
        // What it says when it crashes is for its log; a program to say it cannot be started.
        environment["SWIFT_BACKTRACE"] = "enable=no"
        launch.environment = environment
        if var confinement = try await confinement(of: staged.manifest, granted, directory) {
            confinement.readable += [staged.copy.path] + staged.inspection.libraryFiles
            confinement.descriptors = WorkerProcess.descriptors
            launch.confinement = confinement
            launch.group = groupPlan(
                name, await resources(of: staged.manifest), among: staged.manifest.instances)
        }
        launch.restarts = options.restarts.changed(by: staged.manifest.restart)
        launch.stuckThreadsMax = options.stuckThreadsMax
        launch.pingInterval = options.pingSeconds > 0 ? .seconds(options.pingSeconds) : nil
        launch.reactors = max(1, reactorCount)
        launch.inlineBudgetMilliseconds = options.inlineBudgetMilliseconds
        launch.work = options.work.changed(by: limits)
        launch.startSeconds = limits.startSeconds ?? options.startSeconds
        let inheritance = options.inheritance
        return IsolatedPlugin.Parts(
            staged: staged, root: layout.root, directory: directory, granted: granted,
            switchboard: switchboard, configuration: configuration, launch: launch,
            onDenial: denial(of: name, generation: number), claim: { inheritance?.claim($0) },
            occurred: { [weak self, control] occurrence in
                Task(executorPreference: control) {
                    await self?.occurred(occurrence, name, number)
                }
            })
    }

    /// Tells of what became of a process, and takes a generation out of service that has none left.
    func occurred(
        _ occurrence: IsolatedPlugin.Occurrence, _ name: PluginName, _ number: Int
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

/// What processes of plugins know of the host's environment: what the loader and the clock go by.
enum WorkerEnvironment {
    static let inherited = CommandEnvironment.variables(
        ["LD_LIBRARY_PATH", "TZ", "LANG", "LC_ALL", "PATH"])
}
