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
        let number = Int(staged.generation)
        var terms = try await terms(of: staged.manifest, number: number, granted, directory)
        terms.pingInterval = options.pingSeconds > 0 ? .seconds(options.pingSeconds) : nil
        terms.confinement?.readable += [staged.copy.path] + staged.inspection.libraryFiles
        terms.confinement?.descriptors = WorkerProcess.descriptors
        var environment = WorkerEnvironment.inherited
        environment["TMPDIR"] = directory.own
        // What it says when it crashes is for its log; a program to say it cannot be started.
        environment["SWIFT_BACKTRACE"] = "enable=no"
        var launch = IsolatedPlugin.Launch(
            executable: options.workerExecutable ?? "/proc/self/exe", environment: environment)
        launch.stuckThreadsMax = options.stuckThreadsMax
        launch.reactors = max(1, reactorCount)
        launch.inlineBudgetMilliseconds = options.inlineBudgetMilliseconds
        launch.work = options.work.changed(by: staged.manifest.limits)
        return IsolatedPlugin.Parts(
            staged: staged, root: layout.root, directory: directory, granted: granted,
            switchboard: switchboard, configuration: configuration, launch: launch, terms: terms,
            onDenial: denial(of: staged.name, generation: number))
    }
}

/// What processes of plugins know of the host's environment: what the loader and the clock go by.
enum WorkerEnvironment {
    static let inherited = CommandEnvironment.variables(
        ["LD_LIBRARY_PATH", "TZ", "LANG", "LC_ALL", "PATH"])
}
