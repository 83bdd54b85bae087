import CLinux
import Synchronization

/// What a tick of the processor's counter is worth, found out once by comparison with the monotonic
/// clock.
struct TickClock: Sendable {
    /// Costs two milliseconds when it is first asked for, unless it has been told.
    static let shared = TickClock()
    /// What was told; a bit pattern, 0 if nothing was.
    private static let told = Atomic<UInt64>(0)

    let ticksPerSecond: Double

    private static let comparedNanoseconds: UInt64 = 2_000_000

    /// Spares this process the comparison, which another one on this machine has made; to be called
    /// before anybody asks.
    static func tell(ticksPerSecond: Double) {
        told.store(ticksPerSecond.bitPattern, ordering: .relaxed)
    }

    private init() {
        let told = Double(bitPattern: Self.told.load(ordering: .relaxed))
        guard told <= 0 else {
            ticksPerSecond = told
            return
        }
        let first = Self.reading()
        var last = Self.reading()
        while last.nanoseconds &- first.nanoseconds < Self.comparedNanoseconds {
            last = Self.reading()
        }
        let nanoseconds = Double(last.nanoseconds &- first.nanoseconds)
        let ticks = Double(max(1, last.ticks &- first.ticks))
        ticksPerSecond = ticks * 1e9 / nanoseconds
    }

    func ticks(_ seconds: Double) -> UInt64 { UInt64(seconds * ticksPerSecond) }

    func seconds(_ ticks: Int) -> Double { Double(ticks) / ticksPerSecond }

    /// Both at one moment: the closest of several tries, as the thread may lose its processor in
    /// between.
    private static func reading() -> (nanoseconds: UInt64, ticks: UInt64) {
        var best = (nanoseconds: UInt64(0), ticks: UInt64(0))
        var closest = UInt64.max
        for _ in 0..<8 {
            let before = linux_ticks()
            let nanoseconds = linux_monotonic_nanoseconds()
            let width = linux_ticks() &- before
            guard width < closest else { continue }
            closest = width
            best = (nanoseconds, before &+ width / 2)
        }
        return best
    }
}
