import Synchronization

/// What became of a generation's requests, and how long they took.
struct Traffic: Sendable, Equatable {
    /// By the hundreds of the status; 0: the client left before it was answered.
    static let classCount = 6
    /// The upper bounds of the histogram but for the last one, which has none.
    static let boundsSeconds = [
        0.000_025, 0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10,
    ]
    static let bucketCount = 13

    var classes = [Int](repeating: 0, count: classCount)
    var buckets = [Int](repeating: 0, count: bucketCount)
    var ticks = 0
    /// How long its calls have kept reactors.
    var busyTicks = 0

    var requests: Int { classes.reduce(0, +) }
    /// Those that were answered with a status from 500 on.
    var errors: Int { classes[5] }

    static func += (sum: inout Traffic, other: Traffic) {
        for index in 0..<classCount { sum.classes[index] += other.classes[index] }
        for index in 0..<bucketCount { sum.buckets[index] += other.buckets[index] }
        sum.ticks += other.ticks
        sum.busyTicks += other.busyTicks
    }

    static func - (left: Traffic, right: Traffic) -> Traffic {
        var difference = left
        for index in 0..<classCount { difference.classes[index] -= right.classes[index] }
        for index in 0..<bucketCount { difference.buckets[index] -= right.buckets[index] }
        difference.ticks -= right.ticks
        difference.busyTicks -= right.busyTicks
        return difference
    }
}

/// The traffic of one generation on one reactor, as it is counted: only the reactor's thread
/// writes, with plain loads and stores.
///
/// - Shape: the classes, the buckets, the sum of the ticks, those of calls, one after the other.
@unsafe
struct TrafficCells {
    static let count = Traffic.classCount + Traffic.bucketCount + 2

    private let cells: UnsafeMutablePointer<Atomic<Int>>

    @inline(__always)
    init(_ address: UnsafeMutableRawPointer) {
        unsafe cells = address.assumingMemoryBound(to: Atomic<Int>.self)
    }

    /// Puts zeroes into memory that has not been used.
    static func initialize(_ address: UnsafeMutableRawPointer) {
        let cells = unsafe address.bindMemory(to: Atomic<Int>.self, capacity: count)
        for index in unsafe 0..<count { unsafe (cells + index).initialize(to: Atomic(0)) }
    }

    /// The bounds of the histogram in ticks, then one that is never reached; never freed.
    // because nothing is written there once it has been made
    nonisolated(unsafe) static let bounds: UnsafePointer<UInt64> = {
        let bounds = UnsafeMutablePointer<UInt64>.allocate(capacity: Traffic.bucketCount)
        for (index, seconds) in Traffic.boundsSeconds.enumerated() {
            unsafe (bounds + index).initialize(to: TickClock.shared.ticks(seconds))
        }
        unsafe (bounds + Traffic.bucketCount - 1).initialize(to: .max)
        return unsafe UnsafePointer(bounds)
    }()

    /// Counts a request that is over.
    @inline(__always)
    func count(status: UInt16, ticks: UInt64, _ bounds: UnsafePointer<UInt64>) {
        let hundreds = min(Int(status) / 100, Traffic.classCount - 1)
        unsafe ReactorSlot.add(1, to: cells[hundreds])
        var bucket = Traffic.classCount
        var bound = unsafe bounds
        while unsafe ticks > bound.pointee {
            unsafe bound += 1
            bucket &+= 1
        }
        unsafe ReactorSlot.add(1, to: cells[bucket])
        unsafe ReactorSlot.add(
            Int(truncatingIfNeeded: ticks),
            to: cells[Traffic.classCount + Traffic.bucketCount])
    }

    /// Counts how long a call has kept the reactor.
    @inline(__always)
    func addBusy(_ ticks: UInt64) {
        unsafe ReactorSlot.add(
            Int(truncatingIfNeeded: ticks),
            to: cells[Traffic.classCount + Traffic.bucketCount + 1])
    }

    /// What has been counted, as far as this thread can see it.
    var traffic: Traffic {
        var traffic = Traffic()
        for index in 0..<Traffic.classCount {
            traffic.classes[index] = unsafe cells[index].load(ordering: .relaxed)
        }
        for index in 0..<Traffic.bucketCount {
            traffic.buckets[index] =
                unsafe cells[Traffic.classCount + index].load(ordering: .relaxed)
        }
        traffic.ticks =
            unsafe cells[Traffic.classCount + Traffic.bucketCount].load(ordering: .relaxed)
        traffic.busyTicks =
            unsafe cells[Traffic.classCount + Traffic.bucketCount + 1].load(ordering: .relaxed)
        return traffic
    }
}
