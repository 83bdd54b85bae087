import DynamicLibrary
import HostModel

/// One generation of a plugin, wherever its code runs: what the manager needs of it.
///
/// Its life has numbered steps, of which the manager takes one at a time:
/// 1. it is opened, which each kind does in its own way;
/// 2. `initialize` and `start` bring it up, `checkHealth` asks how it is;
/// 3. requests are served through its `generation`;
/// 4. `stop` ends its work;
/// 5. `close` takes back what it was given, and says whether all of it came back.
///
/// A step that misses its deadline leaves it stuck; `close` can be tried again later.
protocol PluginInstance: AnyObject, Sendable {
    var number: Int { get }
    /// SHA-256 of the file that its code came from.
    var digest: Digest { get }
    var manifest: Manifest { get }
    var mode: PluginMode { get }
    /// What the services know it as.
    var member: Member { get }
    /// The ids of the services that it was given.
    var granted: Set<String> { get }
    var routes: [RouteDeclaration] { get }
    /// What its library looks like; nil when it is none.
    var inspection: ImageInspection? { get }
    /// What its image holds of this process; nil when it is not in this process.
    var holdings: LedgerSnapshot? { get }
    /// How much of this process its image takes up; 0 when it is not in this process.
    var imageBytes: Int { get }
    /// How much of that is its own and no file's.
    var privateBytes: Int { get }
    /// The call that has missed its deadline and has not come back, in words.
    var stuckReason: String? { get }
    /// Whether what keeps it from being closed can come to an end.
    var mayStillLeave: Bool { get }
    /// The processes that it runs in; none in the host's.
    var workerStatuses: [WorkerStatus] { get }
    /// Whether its processes have been another engine's before.
    var isReattached: Bool { get }

    /// Has its processes again where another engine had taken them, and is gone: those that are
    /// left of them, and new ones for the rest.
    nonisolated(nonsending) func takeBack(_ survivors: [Survivor]) async

    // MARK: - Step 2

    /// Makes the plugin's state.
    nonisolated(nonsending) func initialize(seconds: Int) async throws(HostError)

    /// What the request path sees of it, once it is initialized.
    func generation(_ tree: RouteTree, reactors: Int, limits: WorkLimits) -> Generation

    /// Begins the plugin's work.
    nonisolated(nonsending) func start(seconds: Int) async throws(HostError)

    /// Whether the plugin says how it is.
    var saysHowItIs: Bool { get }

    /// How the plugin says it is; nil if it does not say.
    nonisolated(nonsending) func checkHealth() async -> (state: PluginHealth, reason: String)?

    // MARK: - What it may offer

    /// Whether it wants to be told when its configuration changes.
    var observesConfiguration: Bool { get }

    /// Tells the plugin that its configuration is to change.
    ///
    /// - Throws: `configuration_refused` with the plugin's own words, or `deadline_passed`.
    nonisolated(nonsending) func change(
        to configuration: ConfigurationSnapshot, seconds: Int
    ) async throws(HostError)

    /// Whether it hands its state on.
    var savesState: Bool { get }
    /// Whether it takes over what another generation saved.
    var restoresState: Bool { get }
    /// Whether its requests have to wait while it saves.
    var savesQuietly: Bool { get }

    /// Has the plugin write its state; only one that `savesState` is asked.
    ///
    /// - Throws: `state_not_saved` with the plugin's own words, `state_too_large`, or
    ///   `deadline_passed`.
    nonisolated(nonsending) func save(seconds: Int) async throws(HostError) -> SavedState

    /// Has the plugin take over a state; only one that `restoresState` is asked.
    ///
    /// - Throws: `state_not_restored` with the plugin's own words, or `deadline_passed`.
    nonisolated(nonsending) func restore(
        _ saved: SavedState, seconds: Int
    ) async throws(HostError)

    // MARK: - Steps 4 and 5

    /// Hears of a step of its draining, where it has to be told apart from its `generation`.
    nonisolated(nonsending) func drain(_ step: DrainStep) async

    /// Ends the plugin's work.
    nonisolated(nonsending) func stop(seconds: Int) async throws(HostError)

    /// Takes back what it left on the calling thread, which may have run its code.
    func settleThread()

    /// Frees the plugin's state and takes its code away, as far as that can be done.
    nonisolated(nonsending) func close(seconds: Int) async -> UnloadOutcomeReport
}

/// What an instance that ceases to serve is told.
enum DrainStep: Sendable {
    /// Responses are waited for.
    case began
    /// Its WebSockets are to close.
    case sockets
    /// It serves again.
    case over
}

extension PluginInstance {
    nonisolated(nonsending) func drain(_ step: DrainStep) async {}
    nonisolated(nonsending) func takeBack(_ survivors: [Survivor]) async {}
    var isReattached: Bool { false }

    /// The processes that it runs in; none in the host's.
    var workerStatuses: [WorkerStatus] { [] }

    var name: PluginName { member.name }
    var version: SemanticVersion { manifest.version }
    var imageBytes: Int { 0 }
    var privateBytes: Int { 0 }
    /// The ids of the processes that it runs in; none in the host's.
    var processes: [Int32] { workerStatuses.compactMap(\.pid) }
}
