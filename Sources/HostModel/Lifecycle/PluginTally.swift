/// How often things have happened to a plugin since it was installed, over all starts of the host.
public struct PluginTally: Hashable, Sendable {
    /// The upper bounds of `startBuckets`, but for the last one, which has none.
    public static let startBoundsSeconds = [
        0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
    ]

    /// Generations that came to serve.
    public private(set) var starts = 0
    /// Generations that could not be loaded.
    public private(set) var startFailures = 0
    /// Releases that took the place of others.
    public private(set) var updates = 0
    /// Ends of the process that it ran in, by its doing.
    public private(set) var crashes = 0
    /// Processes that took the place of such that had ended.
    public private(set) var restarts = 0
    /// How often it was kept from serving after that.
    public private(set) var quarantines = 0
    /// Generations that were taken down.
    public private(set) var unloads = 0
    /// Generations that were taken down and stayed in memory.
    public private(set) var pins = 0
    /// Generations that were tried on a share of the clients and did well.
    public private(set) var promotions = 0
    /// Those that did not.
    public private(set) var canaryFailures = 0
    /// How many starts took how long; one more than there are bounds, or empty before the first.
    public private(set) var startBuckets: [Int] = []
    public private(set) var startSeconds = 0.0

    public init() {}

    mutating func note(_ fact: LifecycleEvent.Fact) {
        switch fact {
        case .loaded(_, _, let milliseconds):
            starts += 1
            noteStart(milliseconds / 1_000)
        case .loadFailed: startFailures += 1
        case .upgraded: updates += 1
        case .unloaded(let report):
            unloads += 1
            if report.verdict == .pinned { pins += 1 }
        case .engineCrashed, .workerEnded: crashes += 1
        case .workerRestarted: restarts += 1
        case .quarantined: quarantines += 1
        case .canaryPromoted: promotions += 1
        case .canaryFailed: canaryFailures += 1
        default: break
        }
    }

    private mutating func noteStart(_ seconds: Double) {
        let bounds = Self.startBoundsSeconds
        if startBuckets.isEmpty { startBuckets = Array(repeating: 0, count: bounds.count + 1) }
        startBuckets[bounds.firstIndex { seconds <= $0 } ?? bounds.count] += 1
        startSeconds += seconds
    }
}
