/// How often, and after which pauses, something that has ended is started again.
///
/// - Source: Erlang's supervisors for the intensity; the pauses double, as gRPC's connection
///   backoff does.
public struct RestartPolicy: Hashable, Sendable {
    /// The pause before the first restart in a row; the second one is this long, and each further
    /// one twice as long as the one before.
    ///
    /// The very first restart comes at once: most crashes are single ones.
    public var pauseFirst = Duration.milliseconds(100)
    /// The longest pause.
    public var pauseMax = Duration.seconds(30)
    /// By how much of its length a pause may be longer, so that what has ended together does not
    /// start together.
    public var jitterPercent = 20
    /// What has run for so long has recovered: the pauses begin anew.
    public var steadyAfter = Duration.seconds(10)
    /// The most restarts within `window`; with one more it has failed. 0: it is never restarted.
    public var restartsMax = 8
    /// The time in which restarts are counted.
    public var window = Duration.seconds(60)

    /// Makes the default policy: 8 restarts a minute.
    public init() {}

    /// What is to be done when something has ended.
    public enum Decision: Hashable, Sendable {
        /// It is started again after this pause.
        case restart(after: Duration)
        /// It has ended too often and stays down; the number counts the ends within the window.
        case failed(ends: Int)
    }
}

/// The restarts of one thing so far, and what comes next.
///
/// Time is told from outside, as the time since an arbitrary start, and so is chance.
public struct RestartRecord: Hashable, Sendable {
    /// What the decisions follow.
    public let policy: RestartPolicy
    /// When it has ended, as far as the window reaches back.
    private var ends: [Duration] = []
    private var startedAt: Duration?
    /// The ends in a row without a steady run between them.
    private var streak = 0
    /// All restarts that were decided on.
    public private(set) var restarts = 0

    /// Makes a record of something that has never run.
    public init(_ policy: RestartPolicy) { self.policy = policy }

    /// Notes that it runs.
    public mutating func started(at time: Duration) { startedAt = time }

    /// Notes that it has ended, or could not be started, and decides what comes next.
    ///
    /// - Parameter chance: a random number from 0 to 1.
    public mutating func ended(at time: Duration, chance: Double) -> RestartPolicy.Decision {
        if let startedAt, time - startedAt >= policy.steadyAfter { streak = 0 }
        startedAt = nil
        ends.removeAll { time - $0 >= policy.window }
        ends.append(time)
        guard ends.count <= policy.restartsMax else { return .failed(ends: ends.count) }
        restarts += 1
        defer { streak += 1 }
        return .restart(after: pause(streak, chance: chance))
    }

    /// Forgets what has been, as after a new version or at an operator's wish.
    public mutating func reset() {
        ends = []
        streak = 0
        startedAt = nil
    }

    private func pause(_ streak: Int, chance: Double) -> Duration {
        guard streak > 0 else { return .zero }
        var pause = policy.pauseFirst
        for _ in 1..<streak where pause < policy.pauseMax { pause *= 2 }
        pause = min(pause, policy.pauseMax)
        return pause + pause * (Double(policy.jitterPercent) / 100 * min(max(chance, 0), 1))
    }
}
