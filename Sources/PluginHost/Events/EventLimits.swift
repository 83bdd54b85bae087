/// How much the event bus takes and keeps, and how it treats subscribers that fail.
struct EventLimits: Sendable {
    /// The most bytes of one event's data.
    static let dataBytesMax = 1 << 20
    /// The most bytes of its subject, its type and its content type, each.
    static let textBytesMax = 1_024
    /// How many events may wait for a subscription that does not say.
    static let queueCount = 1_024
    static let queueCountMax = 65_536
    /// How many bytes of data may wait for a subscription.
    static let queueBytesMax = 16 << 20
    static let subscriptionsMax = 1_024
    static let nameBytesMax = 63
    static let retainedCountMax = 1_024
    static let retainedBytesMax = 8 << 20
    /// How many topics a publisher remembers the subscriptions of.
    static let knownTopicsMax = 1_024

    /// How many failures in a row suspend a subscription.
    var failuresMax = 5
    /// How often an event is handed to a subscription with a name.
    var attemptsMax = 8
    /// How long a subscription with a name waits before the second attempt.
    var firstRetry = Duration.milliseconds(100)
    /// How long the first suspension lasts; each further one lasts twice as long.
    var firstSuspension = Duration.seconds(1)
    var longestSuspension = Duration.seconds(60)
    /// How long a subscription that changes hands waits for its former owner.
    var handOver = Duration.seconds(5)

    /// How long a subscription rests after so many failures in a row; nil: not at all.
    func rest(afterFailures count: Int, isNamed: Bool) -> Duration? {
        if count >= failuresMax { return doubled(firstSuspension, count - failuresMax) }
        return isNamed ? doubled(firstRetry, count - 1) : nil
    }

    private func doubled(_ duration: Duration, _ times: Int) -> Duration {
        min(duration * (1 << min(times, 16)), longestSuspension)
    }
}
