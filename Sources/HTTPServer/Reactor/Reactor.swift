import CLinux
import Glibc
import HTTPWire
import Synchronization

/// An event loop with its connections; a thread runs it, and another thread can go on with it.
///
/// `@unchecked Sendable` because what the loop owns is touched only on the thread that runs it; the
/// door for others is the mailbox.
@safe
public final class Reactor: @unchecked Sendable {
    /// The position among the server's reactors, from 0.
    public let index: Int
    /// Whatever the application hangs on the reactor, such as its table of routes; only touched on
    /// the loop's thread.
    ///
    /// Borrowed: the application keeps alive what the pointer means.
    public var applicationState: UnsafeMutableRawPointer? {
        get { unsafe crossing.pointee.applicationState }
        set { unsafe crossing.pointee.applicationState = newValue }
    }

    /// What the application looks at before each of its calls, by `Exchange.attention`; borrowed,
    /// and only touched on the loop's thread.
    public var attention: UnsafeMutableRawPointer? {
        get { unsafe crossing.pointee.attention }
        set { unsafe crossing.pointee.attention = newValue }
    }

    let mailbox: Mailbox
    let loop: Loop
    /// The connections, those included that are on their way here from another reactor.
    let load = Atomic<Int>(0)
    /// The connections that there have been.
    let opened = Atomic<Int>(0)
    /// Wakes the watchdog.
    let bell: Baton
    private let peers: Peers

    /// Whose turn it is on the reactor's thread.
    var crossing: UnsafeMutablePointer<Crossing> { unsafe loop.state.crossing }

    /// The reactors among which connections are spread.
    final class Peers: Sendable {
        private let all = Mutex<[Reactor]>([])
        func set(_ reactors: [Reactor]) { all.withLock { $0 = reactors } }

        /// The reactor with the fewest connections.
        func leastLoaded() -> Reactor? {
            all.withLock { reactors in
                reactors.min {
                    $0.load.load(ordering: .relaxed) < $1.load.load(ordering: .relaxed)
                }
            }
        }
    }

    init(
        index: Int, configuration: ServerConfiguration, application: Application, peers: Peers,
        bell: Baton
    ) throws(ServerError) {
        self.index = index
        self.bell = bell
        self.peers = peers
        mailbox = try Mailbox(
            postedMax: configuration.postedMax, bytesMax: configuration.remoteBytesMax)
        let poller = try Poller(capacity: 512)
        let result = poller.add(mailbox.wakeup, .readable, token: Token.wakeup)
        if result < 0 { throw .kernel(Int(result), doing: "watch a wake-up descriptor") }
        let alarm = linux_alarm_create()
        if alarm < 0 { throw .kernel(Int(alarm), doing: "create a timer descriptor") }
        _ = poller.add(alarm, .readable, token: Token.alarm)
        let fields = UnsafeMutablePointer<LoopFields>.allocate(capacity: 1)
        unsafe fields.initialize(
            to: LoopFields(
                poller: poller, alarm: alarm, index: index, configuration: configuration,
                application: application))
        unsafe loop = Loop(fields)
        unsafe loop.state.reactor = Unmanaged.passUnretained(self)
    }

    deinit {
        loop.destroy()
    }

    /// Whether the calling thread is the one that runs this reactor.
    public var isCurrentThread: Bool {
        unsafe crossing.pointee.runner.load(ordering: .relaxed) == linux_this_thread()
    }

    /// The number of open connections, as other threads see it.
    public var connectionCount: Int { load.load(ordering: .relaxed) }

    /// The number of connections since the start, as other threads see it.
    public var connectionsOpened: Int { opened.load(ordering: .relaxed) }

    /// The most bytes that the buffers of this reactor have taken up; to be read on the loop's
    /// thread.
    public var bufferBytesPeak: Int { loop.state.buffers.bytesPeak }

    /// Runs the closure on the reactor's thread, soon; false when too many wait or the reactor has
    /// stopped.
    public func post(_ body: @escaping @Sendable () -> Void) -> Bool {
        mailbox.put(.call(body))
    }

    /// Obeys what came after the loop had ended, and lets nothing in any more.
    func closeMailbox() {
        for message in mailbox.close() {
            switch message {
            case .adopt(let descriptor, _): linux_close(descriptor)
            case .leave, .drain: break
            default: loop.obey(message)
            }
        }
        loop.tellOrphans()
    }

    /// Gives an accepted socket to the reactor with the fewest connections; false when that is this
    /// one.
    ///
    /// All reactors wait at one shared listener, so that a single descriptor can be handed to a new
    /// process and no backlog is lost when reactors come and go; the kernel alone would wake the
    /// same few of them again and again.
    func passOn(_ descriptor: Int32, isSecure: Bool) -> Bool {
        guard let other = peers.leastLoaded(), other !== self,
            other.load.load(ordering: .relaxed) + 1 < load.load(ordering: .relaxed)
        else { return false }
        other.load.add(1, ordering: .relaxed)
        if other.mailbox.put(.adopt(descriptor, isSecure: isSecure)) { return true }
        other.load.subtract(1, ordering: .relaxed)
        return false
    }
}

extension LoopFields {
    init(
        poller: consuming Poller, alarm: Int32, index: Int, configuration: ServerConfiguration,
        application: Application
    ) {
        self.poller = poller
        self.alarm = alarm
        self.index = index
        limits = LoopLimits(configuration)
        parser = RequestParser(limits: configuration.wire)
        unsafe self.application = Unmanaged.passRetained(application)
        // Never read so far: the first turn reads the clock and writes the preamble.
        nowMilliseconds = 0
        tick = linux_monotonic_milliseconds() / TimerWheel.tickMilliseconds
        wheel = TimerWheel(now: tick)
        unsafe preamble = .allocate(capacity: Loop.preambleBytesMax)
        unsafe preamble.initialize(repeating: 0, count: Loop.preambleBytesMax)
        let name = Array(configuration.serverName.utf8.prefix(Loop.serverNameBytesMax))
        let kept = UnsafeMutableRawBufferPointer.allocate(byteCount: name.count, alignment: 1)
        unsafe kept.copyBytes(from: name)
        unsafe serverName = UnsafeRawBufferPointer(kept)
        unsafe listeners = .allocate(capacity: 0)
        unsafe crossing = .allocate(capacity: 1)
        unsafe crossing.initialize(to: Crossing())
        reserveDescriptor = linux_reserve_descriptor()
    }
}

extension Loop {
    static let serverNameBytesMax = 128

    /// Frees what the loop owns; its connections have been closed.
    func destroy() {
        linux_close(state.alarm)
        if state.reserveDescriptor >= 0 { linux_close(state.reserveDescriptor) }
        unsafe state.application.release()
        state.upstreams?.closeAll()
        var next = state.everyExchange
        while let exchange = next {
            next = exchange.state.nextOfAll
            exchange.releaseStorage()
        }
        for index in unsafe 0..<state.slabs.count { unsafe state.slabs[index].deallocate() }
        state.buffers.empty()
        state.wheel.destroy()
        unsafe state.preamble.deallocate()
        unsafe state.serverName.deallocate()
        unsafe state.listeners.deallocate()
        unsafe state.crossing.deinitialize(count: 1)
        unsafe state.crossing.deallocate()
        unsafe address.deinitialize(count: 1)
        unsafe address.deallocate()
    }
}
