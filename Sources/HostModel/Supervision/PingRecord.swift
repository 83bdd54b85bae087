/// Whether something that is asked again and again still answers.
///
/// A question is put each `interval`; one that is not answered before the next one is due has been
/// missed, and `missesMax` in a row mean that nobody is at home.
public struct PingRecord: Hashable, Sendable {
    /// What is to be done now.
    public enum Action: Hashable, Sendable {
        /// Nothing before that time.
        case wait(until: Duration)
        /// Put the question with this number.
        case ask(UInt64)
        /// It has missed so many in a row: end it.
        case giveUp(misses: Int)
    }

    /// The time between two questions.
    public let interval: Duration
    /// The misses in a row that are too many.
    public let missesMax: Int
    /// The questions in a row that were not answered in time.
    public private(set) var misses = 0
    private var asked: UInt64 = 0
    private var isOpen = false
    private var nextAt: Duration
    private var askedAt = Duration.zero
    /// How long the last answer took.
    public private(set) var roundTrip: Duration?

    /// Makes a record whose first question is due one interval after `time`.
    public init(interval: Duration, missesMax: Int, from time: Duration) {
        self.interval = interval
        self.missesMax = max(1, missesMax)
        nextAt = time + interval
    }

    /// Says what is to be done at this time; a question that it names counts as put.
    ///
    /// Time in which this was not called does not count against anybody: one call notes one miss at
    /// the most, so a supervisor that was held up does not take it out on others.
    public mutating func look(at time: Duration) -> Action {
        guard time >= nextAt else { return .wait(until: nextAt) }
        if isOpen {
            misses += 1
            guard misses < missesMax else { return .giveUp(misses: misses) }
        }
        asked += 1
        isOpen = true
        askedAt = time
        nextAt = time + interval
        return .ask(asked)
    }

    /// Notes an answer; one to an earlier question proves life as well.
    public mutating func answered(_ number: UInt64, at time: Duration) {
        guard number > 0, number <= asked else { return }
        misses = 0
        if number == asked, isOpen {
            isOpen = false
            roundTrip = time - askedAt
        }
    }
}
