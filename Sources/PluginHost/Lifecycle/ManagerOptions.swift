package import HostModel

/// What becomes of requests that an image still owes when its drain deadline has passed.
package enum DrainOutcome: String, Sendable, CaseIterable {
    /// Go on waiting; the image stays until the last one is done.
    case wait
    /// Take back what was asked: the old image goes on serving.
    case refuse
    /// Stop the plugin all the same. It completes what it owes in `stop`; if it does not, the image
    /// is never closed.
    case quarantine
}

/// How long an image may finish its requests, and what then.
package struct DrainPolicy: Sendable {
    package static let secondsRange = 0...86_400

    package var seconds: Int
    package var outcome: DrainOutcome

    package init(seconds: Int, outcome: DrainOutcome) {
        self.seconds = seconds
        self.outcome = outcome
    }

    /// The same for an image that nobody would take back.
    var patient: DrainPolicy {
        outcome == .refuse ? DrainPolicy(seconds: seconds, outcome: .wait) : self
    }
}

/// How a manager goes about its work.
package struct ManagerOptions: Sendable {
    /// The executable that is run with `probe ...` to prove a new image in a throwaway process
    /// first; nil: images enter without that.
    package var probeExecutable: String? = "/proc/self/exe"
    package var probeSeconds = 10
    /// The executable that is run as `worker` for each process of an isolated plugin; nil: none is
    /// isolated.
    package var workerExecutable: String?
    /// The control groups that processes of plugins are put into; nil: there are none.
    package var controlGroups: ControlGroups?
    /// How often processes of isolated plugins are started again.
    package var restarts = RestartPolicy()
    /// Where the programs of plugins are looked up that are programs.
    package var programPath =
        CommandEnvironment.variables(["PATH"])["PATH"] ?? Manifest.Process.searchPath
    /// How often they are asked whether they live; 0: never.
    package var pingSeconds = 5
    package static let pingSecondsRange = 0...3_600
    /// For plugins whose manifest does not say otherwise.
    package var startSeconds = 10
    package var stopSeconds = 10
    /// How long a reload may take from the moment at which a plugin begins to hand its state over.
    package var handOverSeconds = 5
    package var drain = DrainPolicy(seconds: 30, outcome: .wait)
    /// How often a generation is asked how it is, if it says so; 0: never.
    package var heartbeatSeconds = 10
    /// How often what plugins use is compared with what they may; 0: never.
    package var monitorSeconds = 5
    package static let monitorSecondsRange = 0...86_400
    /// How long a release stands by after another one has superseded it; 0: not at all.
    package var overlapSeconds = 0
    /// How often everything is looked at; 0: once, at the start.
    package var reconcileSeconds = 30
    package static let reconcileSecondsRange = 0...86_400
    /// Where bundles are looked for, in this order.
    package var searchPath: [String] = []
    /// When the host itself stops, requests are not waited for longer than this.
    package var shutdownDrainSeconds = 10
    /// How many plugins are loaded at the same time when the host starts.
    package var concurrentLoadsMax = 4
    /// How many images of one plugin may drain before a further reload waits for one to go.
    package var drainingImagesMax = 8

    /// How long a call of a plugin may keep a reactor; 0: as long as it likes.
    package var inlineBudgetMilliseconds = 10
    /// What each plugin may take up, unless its manifest says otherwise.
    package var work = WorkLimits()
    /// What becomes of a plugin that has brought the engine down; nil: what its manifest asks for,
    /// else it is quarantined.
    package var onCrash: CrashPolicy?
    /// How many threads a plugin may keep for more than twice the time that a response may take
    /// before it is quarantined; 0: any number.
    package var stuckThreadsMax = 8
    package static let stuckThreadsRange = 0...10_000
    /// Called when threads are lost to a plugin that only the end of the process frees.
    package var onStuckThreads: (@Sendable () -> Void)?
    /// The root's lock, where another process has taken it for this one: its descriptor.
    package var heldLock: Int32?
    /// What engines before this one have left; nil where there was none.
    package var inheritance: Inheritance?
    /// Whether a library is loaded only as it was installed; else replacing it is an operator's
    /// act, which is written down and loaded.
    package var pinsLibraries = false
    /// The least strict policy for signatures; the root may have a stricter one.
    package var signatures = SignaturePolicy.off
    /// The services that plugins are given without a word of the operator.
    package var grants = GrantPolicy.harmless
    package var configuration = ConfigurationOptions.none

    package init() {}
}
