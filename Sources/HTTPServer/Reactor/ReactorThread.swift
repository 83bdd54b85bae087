import CLinux
import Glibc
import Synchronization

/// A thread that runs a reactor, from its start to its join.
///
/// A thread may lose its loop to another one, its heir, while it is in a call that does not return.
/// It then ends by itself whenever the call returns; who waits for it waits for its heir instead.
///
/// `@unchecked Sendable` because the handle is written once, before the thread is published.
final class ReactorThread: @unchecked Sendable {
    private let seat: Seat
    private let handle: pthread_t

    /// What a thread and those who deal with it share.
    ///
    /// `@unchecked Sendable` because what changes is written before a baton is passed and read
    /// after it was taken, or under the lock.
    final class Seat: @unchecked Sendable {
        fileprivate var reactor: Reactor?
        /// What the thread is called at first.
        private let name: String
        /// Passed on by the thread that runs the reactor so far. Each thread has a baton of its own
        /// to pass on: one for all could be taken by a later thread before an earlier one. An heir
        /// has that of the thread that it inherits from.
        fileprivate let predecessor: Baton?
        fileprivate var baton = Baton()
        /// Passed to let the thread go on: at its beginning, and at its end when it has lost its
        /// loop.
        fileprivate let gate = Baton()
        /// Passed when the thread ends or has lost its loop.
        fileprivate let departure = Baton()
        fileprivate let isCalledOff = Atomic<Bool>(false)
        fileprivate let heir = Mutex<ReactorThread?>(nil)
        fileprivate var handle = pthread_t()
        fileprivate var threadID: Int32 = 0
        /// The thread that lost the loop to this one, 0 if none did.
        fileprivate var lostThreadID: Int32 = 0

        fileprivate init(_ reactor: Reactor?, _ predecessor: Baton?) {
            self.reactor = reactor
            name = reactor.map { "reactor-\($0.index)" } ?? "reactor-spare"
            self.predecessor = predecessor
        }

        /// Waits for the thread's turn; nil when it was called off.
        fileprivate func begin() -> Loop? {
            unsafe linux_name_thread(name)
            handle = pthread_self()
            threadID = linux_thread_id()
            gate.take()
            if isCalledOff.load(ordering: .acquiring) { return nil }
            predecessor?.take()
            guard let reactor else { return nil }
            reactor.loop.becomeRunner(threadID)
            unsafe reactor.loop.state.seat = Unmanaged.passUnretained(self)
            if lostThreadID != 0 {
                unsafe linux_name_thread("reactor-\(reactor.index)")
                reactor.loop.goOn(without: lostThreadID)
            }
            return reactor.loop
        }

        /// Leaves the reactor to the next thread.
        fileprivate func leave() {
            reactor?.loop.resignAsRunner()
            baton.pass()
        }
    }

    /// Makes a thread that waits for `go`, then for its predecessor to leave the reactor, and then
    /// runs it.
    convenience init(_ reactor: Reactor, after predecessor: ReactorThread?) throws(ServerError) {
        try self.init(Seat(reactor, predecessor?.seat.baton))
    }

    /// Makes a thread that waits for `inherit`.
    convenience init(spare: Void) throws(ServerError) { try self.init(Seat(nil, nil)) }

    private init(_ seat: Seat) throws(ServerError) {
        self.seat = seat
        let start = unsafe Unmanaged.passRetained(seat)
        var handle = pthread_t()
        let result = unsafe pthread_create(
            &handle, nil,
            { argument in
                guard let argument = unsafe argument else { return nil }
                let wasLeft = unsafe linux_run_until_left(
                    { unsafe ReactorThread.run($0) }, argument)
                let seat = unsafe Unmanaged<Seat>.fromOpaque(argument).takeRetainedValue()
                if wasLeft == 0 {
                    seat.departure.pass()
                } else {
                    // The heir is being told where this thread sat.
                    seat.gate.take()
                }
                return nil
            }, start.toOpaque())
        guard result == 0 else {
            unsafe start.release()
            throw .kernel(-Int(result), doing: "start a thread for a reactor")
        }
        self.handle = handle
    }

    /// Runs the reactor. The thread may be left anywhere below the loop, so nothing is held here
    /// while the loop runs.
    private static func run(_ argument: UnsafeMutableRawPointer?) {
        guard let argument = unsafe argument else { return }
        let seat = unsafe Unmanaged<Seat>.fromOpaque(argument)
        guard let loop = unsafe seat._withUnsafeGuaranteedRef({ $0.begin() }) else { return }
        loop.run()
        unsafe seat._withUnsafeGuaranteedRef { $0.leave() }
    }

    /// Lets the thread run its reactor as soon as nobody else does.
    func go() { seat.gate.pass() }

    /// Lets the thread end without running anything, and waits for that.
    func callOff() {
        seat.isCalledOff.store(true, ordering: .releasing)
        seat.gate.pass()
        join()
    }

    /// Lets the spare thread go on with a reactor whose loop has been taken from its thread.
    func inherit(_ reactor: Reactor) {
        guard let former = unsafe reactor.loop.state.seat?.takeUnretainedValue() else {
            preconditionFailure("nobody runs the reactor")
        }
        seat.reactor = reactor
        seat.baton = former.baton
        seat.lostThreadID = former.threadID
        former.heir.withLock { $0 = self }
        _ = pthread_detach(former.handle)
        former.departure.pass()
        former.gate.pass()
        seat.gate.pass()
    }

    /// Whether this thread runs the reactor, or did so last.
    func runs(_ reactor: Reactor) -> Bool {
        unsafe reactor.loop.state.seat?.toOpaque() == Unmanaged.passUnretained(seat).toOpaque()
    }

    /// Waits until the thread has left the reactor and has ended, so that its thread-local
    /// destructors have run; if it has lost its loop, waits for its heir. Blocks.
    func join() {
        seat.departure.take()
        if let heir = seat.heir.withLock({ $0 }) {
            heir.join()
        } else {
            _ = pthread_join(handle, nil)
        }
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

    /// Waits for the token for so long at the most.
    func take(within time: Duration) {
        unsafe linux_take_semaphore(semaphore, Int64(time / .nanoseconds(1)))
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
