import CLinux
import Glibc
import Synchronization

/// Runs one call into a plugin on a thread made for it, with a deadline.
///
/// A plugin's code may block, hang, or leave thread-local destructors behind. None of that may
/// reach the cooperative pool: the call has its own thread, and when it is back, that thread has
/// been joined, so its thread-local destructors have run before the image can be closed.
enum LifecycleThread {
    enum Outcome<Value: Sendable>: Sendable {
        case finished(Value)
        /// The deadline passed. The thread goes on; `afterwards` runs when it is done.
        case late
        /// The kernel gave no thread: the errno.
        case noThread(Int32)
    }

    /// - Parameters:
    ///   - name: what the thread is called, cut to the 15 bytes that the kernel keeps.
    ///   - afterwards: runs on the thread itself, once, if the call came back too late.
    nonisolated(nonsending) static func run<Value: Sendable>(
        _ name: String, deadline: Duration,
        afterwards: @escaping @Sendable (Value) -> Void = { _ in },
        _ body: @escaping @Sendable () -> Value
    ) async -> Outcome<Value> {
        let call = Call(name: name, body: body, afterwards: afterwards)
        let outcome = await withCheckedContinuation { continuation in
            call.begin(deadline: deadline, continuation)
        }
        if case .finished = outcome { call.join() }
        return outcome
    }
}

/// One call on its thread. Whoever settles it first, the thread or the deadline, wins.
private final class Call<Value: Sendable>: Sendable {
    private struct State {
        var waiter: CheckedContinuation<LifecycleThread.Outcome<Value>, Never>?
        var deadline: Deadline?
        var thread = pthread_t()
    }

    private let name: String
    private let body: @Sendable () -> Value
    private let afterwards: @Sendable (Value) -> Void
    private let state = Mutex(State())

    init(
        name: String, body: @escaping @Sendable () -> Value,
        afterwards: @escaping @Sendable (Value) -> Void
    ) {
        self.name = String(name.utf8.prefix(15)) ?? "lifecycle"
        self.body = body
        self.afterwards = afterwards
    }

    func begin(
        deadline: Duration,
        _ waiter: CheckedContinuation<LifecycleThread.Outcome<Value>, Never>
    ) {
        state.withLock { $0.waiter = waiter }
        let start = unsafe Unmanaged.passRetained(ThreadStart { self.run() })
        var thread = pthread_t()
        let failure = unsafe pthread_create(
            &thread, nil,
            { argument in
                guard let argument = unsafe argument else { return nil }
                unsafe Unmanaged<ThreadStart>.fromOpaque(argument).takeRetainedValue().body()
                return nil
            }, start.toOpaque())
        guard failure == 0 else {
            unsafe start.release()
            state.withLock { $0.waiter = nil }
            waiter.resume(returning: .noThread(failure))
            return
        }
        state.withLock { state in
            state.thread = thread
            guard state.waiter != nil else { return }
            state.deadline = Deadline(after: deadline) { self.expire() }
        }
    }

    func join() {
        let thread = state.withLock { $0.thread }
        _ = pthread_join(thread, nil)
    }

    private func run() {
        unsafe linux_name_thread(name)
        let value = body()
        let waiter = state.withLock { state in
            state.deadline?.cancel()
            state.deadline = nil
            let waiter = state.waiter
            state.waiter = nil
            return waiter
        }
        if let waiter {
            waiter.resume(returning: .finished(value))
        } else {
            afterwards(value)
        }
    }

    private func expire() {
        let (waiter, thread) = state.withLock { state in
            let waiter = state.waiter
            state.waiter = nil
            return (waiter, state.thread)
        }
        guard let waiter else { return }
        _ = pthread_detach(thread)
        waiter.resume(returning: .late)
    }
}

/// What a new thread is handed.
private final class ThreadStart: Sendable {
    let body: @Sendable () -> Void

    init(_ body: @escaping @Sendable () -> Void) {
        self.body = body
    }
}
