/// The processor time that a plugin has used, in seconds, by where it ran.
struct CPUTime: Sendable, Equatable {
    /// In calls on reactors: from the call to its return, by the clock, as these calls do not wait.
    var reactors = 0.0
    /// On the threads that the host keeps for it.
    var pool = 0.0
    /// On threads that it started itself or took from reactors, as far as they lived until
    /// somebody looked.
    var threads = 0.0
    /// In processes of its own.
    var processes = 0.0

    var total: Double { reactors + pool + threads + processes }

    static func += (sum: inout CPUTime, other: CPUTime) {
        sum.reactors += other.reactors
        sum.pool += other.pool
        sum.threads += other.threads
        sum.processes += other.processes
    }
}
