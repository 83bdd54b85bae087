import Dispatch
import Synchronization

/// Long-lived threads that do what they are handed, in the order in which it came.
///
/// They stand where dispatch queues could: a worker of libdispatch keeps the records of what other
/// threads have handed it, about a thousand of them, and there are many workers, so that a process
/// which only hands over and never takes grows with every reload. These keep nothing.
final class WorkerThreads: Sendable {
    private struct State {
        var work: [@Sendable () -> Void] = []
        var threads = 0
        /// Threads that wait for work.
        var idle = 0
        var isEnding = false
    }

    /// What the threads hold on to; it outlives whoever hands out the work.
    private final class Line: Sendable {
        let state = Mutex(State())
        let arrivals = DispatchSemaphore(value: 0)

        /// Works until there is nothing left to do and nobody who could bring more.
        func serve() {
            while true {
                arrivals.wait()
                let (work, isOver) = state.withLock { state -> ((@Sendable () -> Void)?, Bool) in
                    guard !state.work.isEmpty else { return (nil, state.isEnding) }
                    state.idle -= 1
                    return (state.work.removeFirst(), false)
                }
                if isOver { return }
                guard let work else { continue }
                work()
                state.withLock { $0.idle += 1 }
            }
        }
    }

    private let name: String
    private let countMax: Int
    private let line = Line()

    /// - Parameters:
    ///   - name: what the threads are called; the first 15 bytes are kept.
    ///   - countMax: how many there may be; each is started when it is first needed.
    init(_ name: String, countMax: Int) {
        precondition(countMax > 0, "somebody has to work")
        self.name = name
        self.countMax = countMax
    }

    deinit {
        let threads = line.state.withLock { state in
            state.isEnding = true
            return state.threads
        }
        for _ in 0..<threads { line.arrivals.signal() }
    }

    /// Starts a first thread, so that whatever is handed over is never done on the caller's.
    ///
    /// - Returns: false when the kernel gives none.
    func begin() -> Bool {
        addThread() || line.state.withLock { $0.threads > 0 }
    }

    /// Hands over some work; it is done on the calling thread if there is no other at all.
    func run(_ work: @escaping @Sendable () -> Void) {
        let isShort = line.state.withLock { state in
            state.work.append(work)
            return state.work.count > state.idle && state.threads < countMax
        }
        line.arrivals.signal()
        if isShort, !addThread(), line.state.withLock({ $0.threads == 0 }) { workHere() }
    }

    /// Returns once everything that was handed over before has been done, where one thread does it.
    func finish() {
        precondition(countMax == 1, "with several threads nothing comes before anything else")
        guard line.state.withLock({ $0.threads > 0 }) else { return }
        let done = DispatchSemaphore(value: 0)
        run { done.signal() }
        done.wait()
    }

    private func addThread() -> Bool {
        let isWanted = line.state.withLock { state in
            guard state.threads < countMax else { return false }
            state.threads += 1
            state.idle += 1
            return true
        }
        guard isWanted else { return false }
        let isStarted = OwnThread.start(name) { [line] in line.serve() }
        if !isStarted {
            line.state.withLock { state in
                state.threads -= 1
                state.idle -= 1
            }
        }
        return isStarted
    }

    private func workHere() {
        while let work = line.state.withLock({ $0.work.isEmpty ? nil : $0.work.removeFirst() }) {
            _ = line.arrivals.wait(timeout: .now())
            work()
        }
    }
}
