import CLinux
import Glibc
import Synchronization

/// A thread that runs a reactor, from its start to its join.
///
/// `@unchecked Sendable` because the handle is written once, before the thread is published.
final class ReactorThread: @unchecked Sendable {
    private let start: Start
    private let handle: pthread_t

    /// What the new thread is told.
    private final class Start {
        let reactor: Reactor
        /// Passed on by the thread that runs the reactor so far. Each thread has a baton of its own
        /// to pass on: one for all could be taken by a later thread before an earlier one.
        let predecessor: Baton?
        let baton = Baton()
        let gate = Baton()
        let isCalledOff = Atomic<Bool>(false)

        init(_ reactor: Reactor, _ predecessor: Baton?) {
            self.reactor = reactor
            self.predecessor = predecessor
        }

        func run() {
            unsafe linux_name_thread("reactor-\(reactor.index)")
            gate.take()
            if isCalledOff.load(ordering: .acquiring) { return }
            predecessor?.take()
            reactor.run()
            baton.pass()
        }
    }

    /// Makes a thread that waits for `go`, then for its predecessor to leave the reactor, and then
    /// runs it.
    init(_ reactor: Reactor, after predecessor: ReactorThread?) throws(ServerError) {
        let context = Start(reactor, predecessor?.start.baton)
        self.start = context
        let start = unsafe Unmanaged.passRetained(context)
        var handle = pthread_t()
        let result = unsafe pthread_create(
            &handle, nil,
            { argument in
                guard let argument = unsafe argument else { return nil }
                unsafe Unmanaged<Start>.fromOpaque(argument).takeRetainedValue().run()
                return nil
            }, start.toOpaque())
        guard result == 0 else {
            unsafe start.release()
            throw .kernel(-Int(result), doing: "start a thread for reactor \(reactor.index)")
        }
        self.handle = handle
    }

    /// Lets the thread run its reactor as soon as nobody else does.
    func go() { start.gate.pass() }

    /// Lets the thread end without running anything, and waits for that.
    func callOff() {
        start.isCalledOff.store(true, ordering: .releasing)
        start.gate.pass()
        join()
    }

    /// Waits until the thread has ended and its thread-local destructors have run. Blocks.
    func join() {
        _ = pthread_join(handle, nil)
    }
}

/// A token that one thread passes on and another one waits for.
///
/// `@unchecked Sendable` because it is nothing but a semaphore, which any thread may use.
@safe
final class Baton: @unchecked Sendable {
    private let semaphore: UnsafeMutablePointer<sem_t>

    init() {
        unsafe semaphore = .allocate(capacity: 1)
        unsafe sem_init(semaphore, 0, 0)
    }

    deinit {
        unsafe sem_destroy(semaphore)
        unsafe semaphore.deallocate()
    }

    func take() {
        while unsafe sem_wait(semaphore) != 0 && errno == EINTR {}
    }

    func pass() { unsafe sem_post(semaphore) }
}

/// Runs blocking work on a thread of its own, so that the cooperative pool never waits.
enum BlockingWork {
    private final class Job {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    /// Runs the closure and returns when it has; on this thread when no other can be had.
    static func run(_ body: @escaping @Sendable () -> Void) async {
        await withCheckedContinuation { continuation in
            let job = unsafe Unmanaged.passRetained(
                Job {
                    body()
                    continuation.resume()
                })
            var attributes = pthread_attr_t()
            unsafe pthread_attr_init(&attributes)
            unsafe pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
            var handle = pthread_t()
            let result = unsafe pthread_create(
                &handle, &attributes,
                { argument in
                    guard let argument = unsafe argument else { return nil }
                    unsafe Unmanaged<Job>.fromOpaque(argument).takeRetainedValue().body()
                    return nil
                }, job.toOpaque())
            unsafe pthread_attr_destroy(&attributes)
            if result != 0 { unsafe job.takeRetainedValue().body() }
        }
    }
}
