/// How a new generation is tried on a share of the clients before all others are sent to it.
public struct CanaryPolicy: Hashable, Sendable {
    /// Of a hundred connections, how many the new generation gets.
    public var percent: Int
    /// For how long, before it gets all of them.
    public var seconds: Int
    /// How many of a hundred of its answers may be errors, unless the former one has as many.
    public var errorsPercentMax: Int
    /// How many more of a hundred may be errors than with the former one.
    public var marginPercent: Int
    /// Before it has had so many requests, errors are not judged until its time is over.
    public var requestsMin: Int

    public static let percentRange = 1...99
    public static let secondsRange = 1...86_400
    public static let errorsPercentRange = 0...100
    public static let requestsRange = 1...1_000_000

    public init(
        percent: Int, seconds: Int = 60, errorsPercentMax: Int = 5, marginPercent: Int = 2,
        requestsMin: Int = 20
    ) {
        self.percent = percent
        self.seconds = seconds
        self.errorsPercentMax = errorsPercentMax
        self.marginPercent = marginPercent
        self.requestsMin = requestsMin
    }

    /// Reads `PERCENT` or `PERCENT:SECONDS`, and takes the rest from another policy.
    ///
    /// - Returns: nil when it is neither, or out of range.
    public init?(_ text: String, rest: CanaryPolicy? = nil) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), let percent = Int(parts[0]),
            Self.percentRange.contains(percent)
        else { return nil }
        self = rest ?? CanaryPolicy(percent: percent)
        self.percent = percent
        guard parts.count == 2 else { return }
        guard let seconds = Int(parts[1]), Self.secondsRange.contains(seconds) else { return nil }
        self.seconds = seconds
    }

    /// What has been seen of one generation while the trial goes on.
    public struct Figures: Hashable, Sendable {
        /// Requests that are over.
        public var requests: Int
        /// Those of them that were answered with a status from 500 on.
        public var errors: Int

        public init(requests: Int, errors: Int) {
            self.requests = requests
            self.errors = errors
        }

        /// Errors in a hundred requests.
        var errorsPercent: Double { requests == 0 ? 0 : 100 * Double(errors) / Double(requests) }
    }

    /// What is to become of a trial.
    public enum Verdict: Hashable, Sendable {
        case goOn
        case promote
        case fail(reason: String)
    }

    /// Judges a trial.
    ///
    /// - Parameters:
    ///   - elapsedSeconds: since it began.
    ///   - illness: why the new generation says that it is unhealthy; nil when it does not.
    public func verdict(
        elapsedSeconds: Double, canary: Figures, former: Figures, illness: String?
    ) -> Verdict {
        if let illness {
            return .fail(reason: illness.isEmpty ? "it is unhealthy" : "unhealthy: \(illness)")
        }
        let isOver = elapsedSeconds >= Double(seconds)
        guard isOver || canary.requests >= requestsMin else { return .goOn }
        let (rate, usual) = (canary.errorsPercent, former.errorsPercent)
        let told = "\(canary.errors) of \(canary.requests) requests failed"
        if rate > usual + Double(marginPercent) {
            return .fail(
                reason: "\(told), and \(former.errors) of \(former.requests) of its predecessor")
        }
        if rate > Double(errorsPercentMax), rate > usual {
            return .fail(reason: "\(told), more than \(errorsPercentMax) in a hundred")
        }
        return isOver ? .promote : .goOn
    }
}
