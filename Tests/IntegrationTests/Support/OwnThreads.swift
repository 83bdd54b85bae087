import Foundation
import Testing

/// Runs the tests of a suite on threads of their own.
///
/// The tests here block on sockets and processes. On the shared pool of Swift concurrency they
/// would starve every other test of the run; on their own few threads they cannot, and the number
/// of threads says how many hosts run side by side.
struct OwnThreads: SuiteTrait, TestTrait, TestScoping {
    let executor: BlockingExecutor

    var isRecursive: Bool { true }

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        try await withTaskExecutorPreference(executor) { try await function() }
    }
}

extension Trait where Self == OwnThreads {
    /// At most two such tests run at a time.
    static var ownThreads: Self { Self(executor: .shared) }

    /// One at a time: for what measures the machine it runs on.
    static var ownThreadAlone: Self { Self(executor: .alone) }
}

/// A few threads that run jobs in the order of their arrival, and live as long as the process.
final class BlockingExecutor: TaskExecutor, @unchecked Sendable {  // because `jobs` is guarded
    static let shared = BlockingExecutor(threads: 2)
    static let alone = BlockingExecutor(threads: 1)

    private let condition = NSCondition()
    private var jobs: [UnownedJob] = []

    init(threads: Int) {
        for number in 1...threads {
            let thread = Thread { [unowned self] in self.run() }
            thread.name = "integration-\(number)"
            thread.stackSize = 8 << 20
            thread.start()
        }
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        condition.lock()
        jobs.append(job)
        condition.signal()
        condition.unlock()
    }

    private func run() -> Never {
        while true {
            condition.lock()
            while jobs.isEmpty { condition.wait() }
            let job = jobs.removeFirst()
            condition.unlock()
            job.runSynchronously(on: asUnownedTaskExecutor())
        }
    }
}
