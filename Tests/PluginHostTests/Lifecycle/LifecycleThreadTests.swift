import CLinux
import Dispatch
import Glibc
import Synchronization
import Testing

@testable import PluginHost

@Suite struct LifecycleThreadTests {
    @Test func value_isReturned_andThreadHasEnded() async {
        let outcome = await LifecycleThread.run("test", deadline: .seconds(10)) {
            linux_thread_id()
        }
        guard case .finished(let thread) = outcome else {
            Issue.record("it came too late")
            return
        }
        #expect(thread != linux_thread_id())
        #expect(access("/proc/self/task/\(thread)", F_OK) != 0)
    }

    @Test func name_isCutToWhatTheKernelKeeps() async {
        let outcome = await LifecycleThread.run(
            "start-a-plugin-with-a-long-name", deadline: .seconds(10)
        ) {
            String(decoding: SmallFile.read("/proc/thread-self/comm"), as: UTF8.self)
        }
        guard case .finished(let name) = outcome else {
            Issue.record("it came too late")
            return
        }
        #expect(name == "start-a-plugin-\n")
    }

    @Test func callThatHangs_isLate_andItsEndIsToldAfterwards() async {
        let release = DispatchSemaphore(value: 0)
        let (ends, end) = AsyncStream.makeStream(of: Int.self)
        let outcome = await LifecycleThread.run(
            "test", deadline: .milliseconds(20), afterwards: { end.yield($0) },
            { () -> Int in
                release.wait()
                return 7
            })
        guard case .late = outcome else {
            Issue.record("it was not late")
            return
        }
        release.signal()
        var iterator = ends.makeAsyncIterator()
        #expect(await iterator.next() == 7)
    }
}

@Suite struct DrainLatchTests {
    @Test func latchWithoutParties_isOpen() async {
        #expect(await DrainLatch(parties: 0).wait(deadline: nil))
    }

    @Test func everyWaiter_isWoken_byTheLastArrival() async {
        let latch = DrainLatch(parties: 2)
        async let first = latch.wait(deadline: nil)
        async let second = latch.wait(deadline: .seconds(60))
        latch.arrive()
        #expect(!latch.isOpen)
        latch.arrive()
        #expect(await first)
        #expect(await second)
    }

    @Test func deadlineOfNothing_endsTheWait_everyTime() async {
        for _ in 0..<200 {
            #expect(await DrainLatch(parties: 1).wait(deadline: .zero) == false)
        }
    }

    @Test func deadline_endsTheWait_andALaterArrivalStillOpens() async {
        let latch = DrainLatch(parties: 1)
        #expect(await latch.wait(deadline: .milliseconds(5)) == false)
        latch.arrive()
        #expect(latch.isOpen)
        #expect(await latch.wait(deadline: .milliseconds(5)))
    }
}

enum SmallFile {
    static func read(_ path: String) -> [UInt8] {
        let file = open(path, O_RDONLY)
        guard file >= 0 else { return [] }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = Glibc.read(file, &bytes, bytes.count)
        return Array(bytes.prefix(max(0, count)))
    }
}
