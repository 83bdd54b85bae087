import Foundation
import Synchronization
import Testing

@testable import PluginHost

@Suite(.timeLimit(.minutes(10))) struct BlockingPoolTests {
    /// Holds jobs until it is opened.
    private final class Gate: Sendable {
        let begun = Atomic<Int>(0)
        let done = Atomic<Int>(0)
        private let semaphore = DispatchSemaphore(value: 0)

        func pass() {
            begun.add(1, ordering: .relaxed)
            semaphore.wait()
            done.add(1, ordering: .relaxed)
        }

        func open(_ count: Int) { for _ in 0..<count { semaphore.signal() } }

        /// There is no event for it; the time limit bounds this.
        func waitUntilBegun(_ count: Int) async {
            while begun.load(ordering: .relaxed) < count { await Task.yield() }
        }
    }

    private func pool(
        threads: Int, queue: Int, onThreadEnd: @escaping @Sendable () -> Void = {}
    ) -> BlockingPool {
        BlockingPool(
            name: "test", threadsMax: threads, queueMax: queue, onThreadEnd: onThreadEnd)
    }

    @Test func threads_areMadeOnDemand_andTheQueueIsBounded() async {
        let gate = Gate()
        let pool = pool(threads: 2, queue: 3)
        #expect(pool.figures == (0, 0))
        for _ in 0..<2 { #expect(pool.submit { gate.pass() }) }
        await gate.waitUntilBegun(2)
        for waiting in 1...3 {
            #expect(pool.submit { gate.pass() })
            #expect(pool.figures == (2, waiting))
        }
        #expect(!pool.submit { gate.pass() })
        gate.open(5)
        #expect(await pool.end(within: .seconds(30)))
        #expect(gate.done.load(ordering: .relaxed) == 5)
        #expect(pool.figures == (0, 0))
    }

    @Test func thread_isKeptForTheNextJob() async {
        let gate = Gate()
        let pool = pool(threads: 8, queue: 8)
        let names = Mutex<Set<UInt>>([])
        for _ in 0..<20 {
            let before = gate.done.load(ordering: .relaxed)
            gate.open(1)
            #expect(
                pool.submit {
                    _ = names.withLock { $0.insert(UInt(pthread_self())) }
                    gate.pass()
                })
            while gate.done.load(ordering: .relaxed) == before { await Task.yield() }
        }
        #expect(names.withLock { $0.count } < 20)
        #expect(await pool.end(within: .seconds(30)))
    }

    @Test func end_letsEachThreadSettle_andTakesNoMoreJobs() async {
        let settled = Atomic<Int>(0)
        let gate = Gate()
        let pool = pool(threads: 3, queue: 0) { settled.add(1, ordering: .relaxed) }
        for _ in 0..<3 { #expect(pool.submit { gate.pass() }) }
        await gate.waitUntilBegun(3)
        #expect(await !pool.end(within: .milliseconds(1)))
        #expect(!pool.submit {})
        gate.open(3)
        #expect(await pool.end(within: .seconds(30)))
        let count = settled.load(ordering: .relaxed)
        #expect(count == 3)
    }

    @Test func jobsOfManyThreads_areEachDoneOnce() async {
        let pool = pool(threads: 4, queue: 100_000)
        let done = Gate()
        done.open(4_000)
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    for _ in 0..<500 { #expect(pool.submit { done.pass() }) }
                }
            }
        }
        #expect(await pool.end(within: .seconds(30)))
        #expect(done.done.load(ordering: .relaxed) == 4_000)
    }
}
