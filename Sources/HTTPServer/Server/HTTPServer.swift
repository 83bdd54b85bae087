import CLinux
import Glibc
import HTTPWire
import Synchronization

/// An HTTP/1.1 server: listeners, reactors and their threads.
///
/// 1. Make it with a configuration and an application.
/// 2. Give it listeners: `listen` or `adopt`.
/// 3. `start` runs each reactor on a thread of its own.
/// 4. `forEachReactor` publishes what the reactors shall know; `moveReactorsToFreshThreads` gives
///    up their threads.
/// 5. `stop` drains and ends. A server is started once.
///
/// Keep the server alive as long as any `RemoteExchange` is in use.
public final class HTTPServer: Sendable {
    /// What the server was made with.
    public let configuration: ServerConfiguration
    /// The reactors; they exist from the start and run from `start` to `stop`.
    public let reactors: [Reactor]

    private enum Stage { case made, running, stopping, stopped }

    private struct Situation {
        var stage = Stage.made
        var listeners: [Int32] = []
        var secureListeners: Set<Int> = []
        var certificates: TLSCertificates?
        var threads: [ReactorThread] = []
        var isMoving = false
        var waiters: [CheckedContinuation<Void, Never>] = []
        var watchdog: Watchdog?
        /// The thread that goes on with the next reactor that is taken from its own.
        var spare: ReactorThread?
    }

    private let situation = Mutex(Situation())
    private let peers: Reactor.Peers
    private let bell = Baton()

    /// Makes a server that does nothing yet.
    ///
    /// - Throws: `ServerError.Code.configurationInvalid`, or `kernelRefused` when there are no
    ///   descriptors left.
    public init(
        configuration: ServerConfiguration = ServerConfiguration(), application: Application
    ) throws(ServerError) {
        try configuration.check()
        self.configuration = configuration
        peers = Reactor.Peers()
        var reactors: [Reactor] = []
        for index in 0..<configuration.reactorCount {
            reactors.append(
                try Reactor(
                    index: index, configuration: configuration, application: application,
                    peers: peers, bell: bell))
        }
        self.reactors = reactors
        peers.set(reactors)
    }

    deinit {
        peers.set([])
        for listener in situation.withLock({ $0.listeners }) { linux_close(listener) }
    }

    /// Opens listening sockets; call it before `start`.
    ///
    /// - Returns: the addresses, with the ports that the kernel chose for port 0.
    /// - Throws: `ServerError`; then none of these addresses is listened on.
    @discardableResult
    public func listen(_ addresses: [ListenAddress]) throws(ServerError) -> [ListenAddress] {
        var opened: [Int32] = []
        var resolved: [ListenAddress] = []
        do throws(ServerError) {
            for address in addresses {
                let descriptor = try address.open(backlogMax: configuration.backlogMax)
                opened.append(descriptor)
                resolved.append(address.resolved(by: descriptor))
            }
            try add(opened)
        } catch {
            for descriptor in opened { linux_close(descriptor) }
            throw error
        }
        return resolved
    }

    /// Takes over listening sockets that somebody else has opened; call it before `start`.
    ///
    /// The server owns them from then on, also when it throws.
    public func adopt(_ descriptors: [Int32]) throws(ServerError) {
        do throws(ServerError) {
            for descriptor in descriptors {
                let flags = fcntl(descriptor, F_GETFL)
                var listens: Int32 = 0
                var length = socklen_t(MemoryLayout<Int32>.size)
                let result = unsafe getsockopt(
                    descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length)
                guard flags >= 0, result == 0, listens == 1 else {
                    throw ServerError(
                        .descriptorInvalid, subject: "descriptor \(descriptor)",
                        reason: "it is not a socket on which listen(2) has been called",
                        remedy: "pass the descriptors of listening stream sockets")
                }
                _ = fcntl(descriptor, F_SETFL, flags | O_NONBLOCK)
                _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
                _ = linux_prepare_listener(descriptor)
            }
            try add(descriptors)
        } catch {
            for descriptor in descriptors { linux_close(descriptor) }
            throw error
        }
    }

    /// Serves a connected socket as if it had come in at a listener; call it while the server runs.
    ///
    /// The server owns it from then on, and closes it if it does not run.
    public func adopt(connection descriptor: Int32) {
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        guard let reactor = peers.leastLoaded() else {
            linux_close(descriptor)
            return
        }
        _ = reactor.load.add(1, ordering: .relaxed)
        guard !reactor.mailbox.put(.adopt(descriptor, isSecure: false)) else { return }
        _ = reactor.load.subtract(1, ordering: .relaxed)
        linux_close(descriptor)
    }

    /// Has connections of some listeners speak TLS; call it before `start`.
    ///
    /// - Parameter listeners: their places in `listeners`.
    public func secure(_ listeners: Set<Int>, by certificates: TLSCertificates) {
        situation.withLock { situation in
            situation.secureListeners = listeners
            situation.certificates = certificates
        }
    }

    /// The listening sockets, in the order in which they came; the server keeps owning them.
    public var listeners: [Int32] { situation.withLock { $0.listeners } }

    private func add(_ descriptors: [Int32]) throws(ServerError) {
        let isEarly = situation.withLock { situation in
            guard situation.stage == .made else { return false }
            situation.listeners += descriptors
            return true
        }
        if !isEarly { throw HTTPServer.startedBefore }
    }

    /// Runs the reactors, each on a thread of its own.
    public func start() throws(ServerError) {
        let listeners: [Int32]? = situation.withLock { situation in
            guard situation.stage == .made else { return nil }
            situation.stage = .running
            return situation.listeners
        }
        guard let listeners else { throw HTTPServer.startedBefore }
        let (secure, certificates) = situation.withLock { ($0.secureListeners, $0.certificates) }
        for reactor in reactors {
            reactor.loop.setListeners(listeners, secure: secure, by: certificates)
        }
        let threads = try startThreads(after: [])
        situation.withLock { $0.threads = threads }
        guard configuration.inlineBudgetMilliseconds > 0 else { return }
        let watchdog = Watchdog(
            reactors: reactors, budgetMilliseconds: configuration.inlineBudgetMilliseconds,
            bell: bell, handOver: { [weak self] in self?.handOver($0, word: $1) })
        try watchdog.start()
        situation.withLock { $0.watchdog = watchdog }
    }

    /// Lets a reactor whose thread is in a call go on with another one, if its crossing still has
    /// this word. On the watchdog's thread.
    private func handOver(_ reactor: Reactor, word: UInt64) {
        guard let spare = spareThread() else { return }
        let isTaken = unsafe reactor.crossing.pointee.word.compareExchange(
            expected: word, desired: word | Crossing.Side.taken, ordering: .acquiringAndReleasing
        ).exchanged
        guard isTaken else { return }
        situation.withLock { situation in
            situation.spare = nil
            if let index = situation.threads.firstIndex(where: { $0.runs(reactor) }) {
                situation.threads[index] = spare
            }
        }
        spare.inherit(reactor)
        _ = spareThread()
    }

    /// The spare thread, made if need be; nil when there are no more threads to be had.
    private func spareThread() -> ReactorThread? {
        if let spare = situation.withLock({ $0.spare }) { return spare }
        guard let spare = try? ReactorThread(spare: ()) else { return nil }
        situation.withLock { $0.spare = spare }
        return spare
    }

    private func startThreads(after old: [ReactorThread]) throws(ServerError) -> [ReactorThread] {
        var threads: [ReactorThread] = []
        do throws(ServerError) {
            for (index, reactor) in reactors.enumerated() {
                let predecessor = old.isEmpty ? nil : old[index]
                threads.append(try ReactorThread(reactor, after: predecessor))
            }
        } catch {
            for thread in threads { thread.callOff() }
            throw error
        }
        for thread in threads { thread.go() }
        return threads
    }

    /// Runs the closure on every reactor's thread and returns when the last one has run it.
    ///
    /// Where no thread runs the reactor, before `start` and after `stop`, the closure runs on the
    /// calling one.
    public nonisolated(nonsending) func forEachReactor(
        _ body: @escaping @Sendable (Reactor) -> Void
    ) async {
        let isRunning = situation.withLock { $0.stage == .running || $0.stage == .stopping }
        await withCheckedContinuation { continuation in
            let missing = Countdown(from: reactors.count)
            for reactor in reactors {
                let turn: @Sendable () -> Void = {
                    body(reactor)
                    if missing.isLastStep() { continuation.resume() }
                }
                if !isRunning || !reactor.mailbox.putControl(turn) { turn() }
            }
        }
    }

    /// Lets every loop continue on a new thread, with all its connections, and returns when the old
    /// threads have been joined, so that their thread-local destructors have run.
    ///
    /// - Throws: `ServerError.Code.kernelRefused` when threads cannot be had; then the old ones
    ///   keep running.
    public func moveReactorsToFreshThreads() async throws(ServerError) {
        await takeMoving()
        defer { releaseMoving() }
        let isRunning = situation.withLock { $0.stage == .running }
        guard isRunning else { return }
        let fresh = try startThreads(after: situation.withLock { $0.threads })
        let old = situation.withLock { situation in
            let old = situation.threads
            situation.threads = fresh
            return old
        }
        await BlockingWork.run { [reactors] in
            for reactor in reactors { _ = reactor.mailbox.put(.leave) }
            for thread in old { thread.join() }
        }
    }

    /// Begins to take leave of the clients, while another process serves the same listeners.
    ///
    /// It accepts no more, and answers the next request on each connection as its last.
    ///
    /// Nobody is cut off; `stop` does that when the clients have had their time.
    public func beginLeaving() async {
        await forEachReactor { $0.loop.beginLeaving() }
    }

    /// The connections of all reactors, as other threads see them.
    public var connectionCount: Int { reactors.reduce(0) { $0 + $1.connectionCount } }

    /// Stops: answers what has arrived, refuses further clients, lets running requests end, and
    /// after the given time cuts what is left.
    ///
    /// Returns when every thread has ended; calling it again waits for nothing.
    public func stop(drainSeconds: Double) async {
        await takeMoving()
        defer { releaseMoving() }
        let threads: [ReactorThread]? = situation.withLock { situation in
            guard situation.stage == .running else {
                situation.stage = .stopped
                return nil
            }
            situation.stage = .stopping
            return situation.threads
        }
        guard let threads else { return closeListeners() }
        let milliseconds = UInt64(max(0, drainSeconds) * 1000)
        let watchdog = situation.withLock { $0.watchdog }
        let spare: @Sendable () -> ReactorThread? = { [self] in
            situation.withLock { situation in
                defer { situation.spare = nil }
                return situation.spare
            }
        }
        for reactor in reactors { _ = reactor.mailbox.put(.drain(milliseconds: milliseconds)) }
        async let isRefusing: Void = closeListenersWhenDrained()
        await BlockingWork.run { [reactors] in
            for thread in threads { thread.join() }
            for reactor in reactors { reactor.closeMailbox() }
            watchdog?.end()
            spare()?.callOff()
        }
        situation.withLock {
            $0.stage = .stopped
            $0.threads = []
        }
        await isRefusing
    }

    /// Closes the listeners when every reactor has taken what waited there, so that clients who
    /// come later are refused at once instead of waiting for the end.
    private func closeListenersWhenDrained() async {
        await forEachReactor { _ in }
        closeListeners()
    }

    private func closeListeners() {
        let listeners = situation.withLock { situation in
            defer { situation.listeners = [] }
            return situation.listeners
        }
        for listener in listeners { linux_close(listener) }
    }

    /// Waits for its turn to start, move or stop threads.
    private func takeMoving() async {
        await withCheckedContinuation { continuation in
            let isFree = situation.withLock { situation in
                if situation.isMoving {
                    situation.waiters.append(continuation)
                    return false
                }
                situation.isMoving = true
                return true
            }
            if isFree { continuation.resume() }
        }
    }

    private func releaseMoving() {
        let next: CheckedContinuation<Void, Never>? = situation.withLock { situation in
            if situation.waiters.isEmpty {
                situation.isMoving = false
                return nil
            }
            return situation.waiters.removeFirst()
        }
        next?.resume()
    }

    private static let startedBefore = ServerError(
        .alreadyStarted, subject: "this server", reason: "a server is started once",
        remedy: "make a new one")
}

extension ServerConfiguration {
    /// Refuses what contradicts itself.
    func check() throws(ServerError) {
        func refuse(_ subject: String, _ reason: String, _ remedy: String) -> ServerError {
            ServerError(.configurationInvalid, subject: subject, reason: reason, remedy: remedy)
        }
        if reactorCount < 1 || reactorCount > 1_024 {
            throw refuse("reactorCount", "it is \(reactorCount)", "choose 1 to 1024")
        }
        if outputLowWaterBytes >= outputHighWaterBytes || outputHighWaterBytes >= outputBytesMax {
            throw refuse(
                "outputLowWaterBytes, outputHighWaterBytes, outputBytesMax",
                "they are not in ascending order", "choose low < high < max")
        }
        if !serverName.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F })
            || serverName.utf8.count > Loop.serverNameBytesMax
        {
            throw refuse(
                "serverName", "it is not a short printable text",
                "use up to \(Loop.serverNameBytesMax) ASCII characters")
        }
        if wire.fieldCountMax < 1 || wire.headBytesMax < 256 {
            throw refuse("wire", "no request fits into its limits", "allow more")
        }
    }
}
