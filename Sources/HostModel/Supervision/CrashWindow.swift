/// How often something may happen within how long before it is given up.
///
/// - Source: the restart intensity of Erlang's supervisors.
public struct CrashWindow: Sendable {
    private let countMax: Int
    private let within: Duration
    private var moments: [Duration] = []

    /// - Parameters:
    ///   - countMax: how many times are forgiven.
    ///   - within: how long each counts.
    public init(countMax: Int, within: Duration) {
        self.countMax = countMax
        self.within = within
    }

    /// How many times count now.
    public var count: Int { moments.count }

    /// Takes in that it has happened; false when that was once too often.
    ///
    /// - Parameter now: on any clock that does not go back.
    public mutating func note(at now: Duration) -> Bool {
        moments.removeAll { now - $0 >= within }
        moments.append(now)
        return moments.count <= countMax
    }

    /// Takes the last time back: what brought it about will not do so again.
    public mutating func forgive() {
        if !moments.isEmpty { moments.removeLast() }
    }
}
