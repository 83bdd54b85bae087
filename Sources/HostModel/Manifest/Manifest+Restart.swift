extension Manifest {
    /// How often, and after which pauses, its processes are started again; nil means that the host
    /// decides.
    public struct Restart: Hashable, Sendable {
        /// The most restarts within the window.
        public var restartsMax: Int?
        public var windowSeconds: Int?
        /// The pause before the second restart in a row; 0: there are none at all.
        public var pauseMilliseconds: Int?
        /// The longest pause.
        public var pauseMillisecondsMax: Int?

        public init() {}
    }
}

extension RestartPolicy {
    public static let restartsRange = 0...1_000_000
    public static let windowSecondsRange = 1...86_400
    public static let pauseMillisecondsRange = 0...3_600_000

    /// The policy with what a manifest says otherwise.
    public func changed(by restart: Manifest.Restart) -> RestartPolicy {
        var policy = self
        if let count = restart.restartsMax { policy.restartsMax = count }
        if let seconds = restart.windowSeconds { policy.window = .seconds(seconds) }
        if let pause = restart.pauseMilliseconds { policy.pauseFirst = .milliseconds(pause) }
        if let pause = restart.pauseMillisecondsMax { policy.pauseMax = .milliseconds(pause) }
        return policy
    }
}
