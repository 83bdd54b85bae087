import Synchronization

/// What has become of all requests that a plugin was handed, over its generations.
struct CallTotals: Sendable {
    var traffic = Traffic()
    var faults = 0
    var overruns = 0
    var timeouts = 0
    var rejected = 0

    init() {}

    init(_ generation: Generation) {
        traffic = generation.traffic
        faults = generation.faults
        overruns = generation.figures.overruns.load(ordering: .relaxed)
        timeouts = generation.figures.timeouts.load(ordering: .relaxed)
        rejected = generation.figures.rejected.load(ordering: .relaxed)
    }

    static func += (sum: inout CallTotals, other: CallTotals) {
        sum.traffic += other.traffic
        sum.faults += other.faults
        sum.overruns += other.overruns
        sum.timeouts += other.timeouts
        sum.rejected += other.rejected
    }
}
