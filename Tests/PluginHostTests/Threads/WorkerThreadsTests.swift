import CLinux
import Dispatch
import Synchronization
import Testing

@testable import PluginHost

@Suite struct WorkerThreadsTests {
    @Test func work_isDoneInItsOrder_byOneThread() {
        let worker = WorkerThreads("test", countMax: 1)
        let done = Mutex<[Int]>([])
        for number in 0..<1_000 {
            worker.run { done.withLock { $0.append(number) } }
        }
        worker.finish()
        #expect(done.withLock { $0 } == Array(0..<1_000))
    }

    @Test func workThatWaits_leavesTheRestToOtherThreads() {
        let workers = WorkerThreads("test", countMax: 2)
        let gate = DispatchSemaphore(value: 0)
        let isThrough = DispatchSemaphore(value: 0)
        workers.run {
            gate.wait()
            isThrough.signal()
        }
        workers.run { gate.signal() }
        isThrough.wait()
    }

    @Test func threads_areNoMoreThanAllowed() {
        let workers = WorkerThreads("test", countMax: 3)
        let threads = Mutex<Set<Int32>>([])
        let done = DispatchSemaphore(value: 0)
        for _ in 0..<300 {
            workers.run {
                _ = threads.withLock { $0.insert(linux_thread_id()) }
                done.signal()
            }
        }
        for _ in 0..<300 { done.wait() }
        #expect((1...3).contains(threads.withLock { $0.count }))
    }

    @Test func whatWasHandedOver_isDone_evenWhenTheOwnerGoesFirst() {
        let done = DispatchSemaphore(value: 0)
        let gate = DispatchSemaphore(value: 0)
        var worker: WorkerThreads? = WorkerThreads("test", countMax: 1)
        worker?.run { gate.wait() }
        for _ in 0..<100 { worker?.run { done.signal() } }
        worker = nil
        gate.signal()
        for _ in 0..<100 { done.wait() }
    }
}

@Suite struct DeadlineTests {
    @Test func earlierDeadline_thatIsSetLater_comesFirst() {
        let order = Mutex<[Int]>([])
        let both = DispatchSemaphore(value: 0)
        let late = Deadline(after: .milliseconds(60)) {
            order.withLock { $0.append(2) }
            both.signal()
        }
        let early = Deadline(after: .milliseconds(5)) {
            order.withLock { $0.append(1) }
            both.signal()
        }
        both.wait()
        both.wait()
        #expect(order.withLock { $0 } == [1, 2])
        withExtendedLifetime((late, early)) {}
    }

    @Test func deadlineThatIsCalledOff_neverComes() {
        let came = Atomic<Bool>(false)
        let deadline = Deadline(after: .milliseconds(20)) { came.store(true, ordering: .relaxed) }
        deadline.cancel()
        let later = DispatchSemaphore(value: 0)
        let next = Deadline(after: .milliseconds(40)) { later.signal() }
        later.wait()
        let hasCome = came.load(ordering: .relaxed)
        #expect(!hasCome)
        withExtendedLifetime(next) {}
    }
}

@Suite struct HeapGrowthTests {
    @Test func growth_isToldFromTheSecondUnloadOn() {
        var growth = HeapGrowth()
        #expect(growth.bytes == nil)
        growth.note(1_000)
        #expect(growth.bytes == 1_000)
        #expect(growth.bytesEach == nil)
        growth.note(1_100)
        #expect(growth.bytesEach == 100)
    }

    @Test func whatTheFirstUnloadsLeave_isForgotten() {
        var growth = HeapGrowth()
        for unload in 1...16 { growth.note(unload * 10_000) }
        for unload in 1...64 { growth.note(160_000 + unload * 8) }
        #expect(growth.bytesEach == 8)
    }
}
