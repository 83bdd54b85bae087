import Glibc
import HostModel
import Synchronization
import Testing

@testable import PluginHost

/// The pool of a generation's processes, with programs that do nothing.
@Suite struct WorkerPoolTests {
    private final class Worker: PooledWorker {
        let process: ChildProcess
        let startedAt = ContinuousClock.now

        init(_ process: ChildProcess) { self.process = process }

        func account(of end: ChildProcess.End) -> String { "process \(pid) \(end)" }
        func kill(_ why: String) { process.kill() }
    }

    /// Makes processes that rest, or end at once.
    private final class Source: WorkerSource {
        struct Story {
            var lost: [ChildProcess.End] = []
            var givenUp: [Int] = []
            var recovered = 0
            var occurrences: [WorkerOccurrence] = []
            var script = "exec sleep 600"
            var answers = true
        }

        let story = Mutex(Story())
        let log = HostLog(minimum: .debug, descriptor: -1)

        func makeWorker(_ seat: Int, seconds: Int) async throws(HostError) -> Worker {
            let script = story.withLock { $0.script }
            return Worker(
                try await ChildProcess.start(
                    ChildProcess.Plan(executable: "/bin/sh", arguments: ["-c", script]), log: log))
        }

        func lost(_ worker: Worker, _ end: ChildProcess.End) {
            story.withLock { $0.lost.append(end) }
        }

        func gaveUp(_ seat: Int) { story.withLock { $0.givenUp.append(seat) } }

        func ping(_ worker: Worker, _ answered: @escaping @Sendable () -> Void) {
            if story.withLock({ $0.answers }) { answered() }
        }

        func recover(_ survivors: [Survivor]) async { story.withLock { $0.recovered += 1 } }

        var failure: HostError? {
            story.withLock { story in
                for case .failed(let error) in story.occurrences { return error }
                return nil
            }
        }
    }

    private let source = Source()

    private func fill(
        _ instances: Int, restartsMax: Int = 100_000, pings: Duration? = nil
    ) async throws -> WorkerPool<Source> {
        let name = try #require(PluginName("pooled"))
        let source = source
        var terms = WorkerTerms(
            name: name, instances: instances, log: source.log, claim: { _ in },
            occurred: { one in source.story.withLock { $0.occurrences.append(one) } })
        terms.restarts.restartsMax = restartsMax
        terms.restarts.pauseFirst = .zero
        terms.pingInterval = pings
        let pool = WorkerPool<Source>(terms)
        pool.serve(source)
        for seat in pool.emptySeats {
            pool.put(try await source.makeWorker(seat, seconds: 10), in: seat)
        }
        return pool
    }

    private func end(_ pool: WorkerPool<Source>) async {
        pool.leave()
        for worker in pool.workers {
            worker.process.kill()
            _ = await worker.process.waitForEnd()
        }
    }

    @Test func processThatEnds_isReplacedInItsSeat() async throws {
        let pool = try await fill(2)
        pool.keep()
        let former = pool.workers.map(\.pid)
        pool.workers[1].process.kill()
        #expect(
            await eventuallyTrue {
                let status = pool.statuses[1]
                return status.pid != nil && status.pid != former[1] && status.restarts == 1
            })
        #expect(pool.statuses[0].pid == former[0] && pool.statuses[0].restarts == 0)
        #expect(source.story.withLock { $0.lost } == [.killed(signal: SIGKILL)])
        #expect((0..<4).map { _ in pool.next()?.pid }.count(where: { $0 == former[0] }) == 2)
        await end(pool)
        #expect(source.failure == nil)
    }

    @Test func processThatEndsBeforeItIsKept_isReplacedOnceItIs() async throws {
        let pool = try await fill(1)
        let former = pool.workers[0]
        former.process.kill()
        _ = await former.process.waitForEnd()
        #expect(pool.workers.map(\.pid) == [former.pid])
        pool.keep()
        #expect(await eventuallyTrue { pool.statuses[0].restarts == 1 })
        #expect(pool.workers.map(\.pid) != [former.pid])
        await end(pool)
    }

    @Test func seatThatEndsTooOften_isGivenUp_andTheGenerationWithTheLastOne() async throws {
        let pool = try await fill(2, restartsMax: 2)
        source.story.withLock { $0.script = "exit 3" }
        pool.keep()
        pool.workers[0].process.kill()
        #expect(await eventuallyTrue { pool.statuses[0].state == .failed })
        #expect(source.failure == nil && pool.statuses[1].state == .running)
        pool.workers[0].process.kill()
        #expect(await eventuallyTrue { source.failure != nil })
        #expect(source.failure?.code == "worker_failed")
        #expect(source.story.withLock { $0.givenUp } == [0, 1])
        #expect(pool.workers.isEmpty && pool.next() == nil)
    }

    @Test func processThatDoesNotAnswer_isKilledAndReplaced() async throws {
        let pool = try await fill(1, pings: .milliseconds(20))
        let former = pool.workers[0].pid
        source.story.withLock { $0.answers = false }
        pool.keep()
        #expect(await eventuallyTrue { pool.statuses[0].restarts >= 1 })
        source.story.withLock { $0.answers = true }
        #expect(pool.workers.first?.pid != former)
        await end(pool)
    }

    @Test func processesThatAreElsewhere_areNotReplaced_untilTheyAreTakenBack() async throws {
        let pool = try await fill(2)
        pool.keep()
        let workers = pool.workers
        workers[0].process.conclude(.handedOver)
        #expect(pool.isElsewhere && pool.emptySeats == [0])
        workers[1].process.kill()
        #expect(await eventuallyTrue { pool.emptySeats == [0, 1] })
        _ = await workers[1].process.waitForEnd()
        #expect(pool.statuses.allSatisfy { $0.restarts == 0 })
        await pool.takeBack([])
        #expect(source.story.withLock { $0.recovered } == 1)
        #expect(pool.workers.count == 2 && !pool.isElsewhere)
        // Nobody took it: it is this process's all the same.
        workers[0].process.kill()
        await end(pool)
    }

    @Test func processThatEndsAfterAll_isNotMissed() async throws {
        let pool = try await fill(1)
        pool.keep()
        let worker = pool.workers[0]
        #expect(pool.leave())
        #expect(!pool.leave())
        worker.process.kill()
        #expect(await eventuallyTrue { source.story.withLock { $0.lost.count } == 1 })
        #expect(pool.workers.map(\.pid) == [worker.pid])
        #expect(source.story.withLock { $0.occurrences.isEmpty })
        pool.put(try await source.makeWorker(0, seconds: 10), in: 0)
        #expect(await eventuallyTrue { source.story.withLock { $0.lost.count } == 2 })
    }
}
