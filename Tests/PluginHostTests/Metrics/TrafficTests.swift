import Testing

@testable import PluginHost

@Suite struct TrafficTests {
    private let memory: UnsafeMutableRawPointer
    private let cells: TrafficCells

    init() {
        memory = .allocate(byteCount: TrafficCells.count * 8, alignment: 64)
        TrafficCells.initialize(memory)
        cells = TrafficCells(memory)
    }

    @Test func request_isCounted_byItsStatusAndTime() {
        defer { memory.deallocate() }
        let clock = TickClock.shared
        for (status, seconds): (UInt16, Double) in [
            (200, 0.000_01), (204, 0.000_2), (404, 0.02), (500, 3), (503, 100), (0, 0), (999, 0),
        ] {
            cells.count(status: status, ticks: clock.ticks(seconds), TrafficCells.bounds)
        }
        let traffic = cells.traffic
        #expect(traffic.classes == [1, 0, 2, 0, 1, 3])
        #expect(traffic.buckets == [3, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 1])
        #expect(traffic.requests == 7)
        #expect(traffic.errors == 3)
        #expect(abs(clock.seconds(traffic.ticks) - 103.02021) < 0.001)
    }

    @Test func trafficOfGenerations_addsUp_andComesApart() {
        defer { memory.deallocate() }
        cells.count(status: 200, ticks: 1, TrafficCells.bounds)
        let first = cells.traffic
        cells.count(status: 502, ticks: .max >> 2, TrafficCells.bounds)
        let both = cells.traffic
        var sum = first
        sum += both - first
        #expect(sum == both)
        #expect((both - first).classes == [0, 0, 0, 0, 0, 1])
    }

    @Test func cells_haveRoomBehindWhatElseAReactorCounts() {
        defer { memory.deallocate() }
        #expect(MemoryLayout<ReactorSlot>.size <= ReactorSlot.trafficOffset)
        #expect(ReactorSlot.trafficOffset + TrafficCells.count * 8 <= ReactorSlot.strideBytes)
        #expect(Traffic.boundsSeconds.count + 1 == Traffic.bucketCount)
    }

    @Test func process_isKnownToTheKernel() throws {
        defer { memory.deallocate() }
        let own = try #require(ProcessFigures.own)
        #expect(own.threads >= 1)
        #expect(own.residentBytes > 1 << 20)
        #expect(try #require(own.openDescriptors) >= 3)
        #expect(try #require(own.maxDescriptors) >= 3)
        #expect(own.startSeconds > 1_500_000_000)
        #expect(ProcessFigures(pid: .max) == nil)
    }
}
