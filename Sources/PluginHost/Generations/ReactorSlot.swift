internal import Synchronization

/// What one reactor counts for one generation, and `TrafficCells` behind it; in lines of its own,
/// so that reactors do not share any.
///
/// Only the reactor's thread writes, with plain loads and stores; other threads may read the
/// figures.
struct ReactorSlot: ~Copyable {
    static let strideBytes = 256
    static let trafficOffset = 64
    /// Where `inFlight` is, the first of what is counted.
    static let inFlightOffset = 0

    /// Requests that were handed to the plugin and are not released yet.
    let inFlight = Atomic<Int>(0)
    /// Requests that were handed to the plugin since it was loaded.
    let requests = Atomic<Int>(0)
    /// Requests that the host had to answer because the plugin failed.
    let faults = Atomic<Int>(0)
    /// WebSockets that are not released yet; counted in on any thread, out on the reactor's.
    let sockets = Atomic<Int>(0)
    /// Requests that its hooks may still be called for.
    let hooked = Atomic<Int>(0)
    /// Whether WebSockets are closed as soon as they are open; set while the generation drains.
    var refusesSockets = false
    /// Whether open WebSockets do not count for `onDrained`.
    var drainsRequestsOnly = false
    /// Called when the last request is released; set while the generation drains.
    var onDrained: (@Sendable () -> Void)?

    /// Whether nothing of the generation goes on here.
    var isIdle: Bool {
        inFlight.load(ordering: .relaxed) == 0 && sockets.load(ordering: .relaxed) == 0
            && hooked.load(ordering: .relaxed) == 0
    }

    /// Whether nothing goes on here that `onDrained` waits for.
    var isDrained: Bool {
        isIdle || drainsRequestsOnly && inFlight.load(ordering: .relaxed) == 0
    }

    @inline(__always)
    static func add(_ difference: Int, to figure: borrowing Atomic<Int>) {
        figure.store(figure.load(ordering: .relaxed) &+ difference, ordering: .relaxed)
    }
}
