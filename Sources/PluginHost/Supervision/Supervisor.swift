internal import CLinux
internal import DynamicLibrary
internal import Glibc
package import HostModel

/// `host serve`: holds what must outlive a crash, and has an engine do the rest.
///
/// 1. It takes the root's lock, binds the listeners and makes the black box.
/// 2. It starts the engine, which is this executable again, with all of these.
/// 3. It passes signals on, and waits for the engine's end.
/// 4. An engine that says that it ends ends the supervisor, with the same status. One that just
///    ends is followed by another; clients wait in the backlog meanwhile.
/// 5. Engines that end too often are given up.
/// 6. On SIGUSR2 it becomes the program that lies in its place now, and has a new engine take over.
///
/// No plugin's code runs here, and one thread does it all. The kernel ends the engine when its
/// supervisor ends.
package final class Supervisor {
    /// How many unexpected ends are forgiven within how long.
    private static let forgiven = 5
    private static let window = Duration.seconds(60)
    static let handed: [Int32] = [SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2]

    let arguments: [String]
    let layout: RootLayout
    let log: HostLog
    let lock: RootLock
    let admin: Int32
    let listeners: [Int32]
    /// How many of the listeners, the last ones, a service manager has opened.
    let activated: Int
    /// Where else the admin interface is offered.
    let doors: [Int32]
    private let adminDoors: AdminDoors
    private let addresses: [String]
    let signals: Int32
    let notifier = ServiceNotifier()

    var engine: EngineProcess?
    /// Engines that no longer serve and finish what they have.
    var retiring: [EngineProcess] = []
    var succession = Succession.none
    /// The processes of plugins, which outlive engines.
    var children: [KeptChild] = []
    var lastChild: Int32 = 0
    /// Those of plugins' processes that have ended, until all is gone that is of them.
    var endedSessions: Set<Int32> = []
    var sweepsAt = EngineProcess.now
    let standingOfSelf = ProcessStanding(getpid())
    /// The program in this one's place, while it is tried.
    var trial: ProgramTrial?
    var isStopping = false
    var isReady = false
    private var crashes = CrashWindow(countMax: forgiven, within: window)
    private var killedForMemory = MemoryPressure.killed
    var pingsAt = EngineProcess.now

    /// Takes the root and binds the listeners; or, after an upgrade, takes over what there is.
    ///
    /// - Parameters:
    ///   - arguments: those of `host serve`, for the engine.
    ///   - bequest: what the program before this one has left.
    /// - Throws: `root_locked`, `listen_failed`, or whatever keeps the host from starting.
    package init(
        _ options: Daemon.Options, arguments: [String], bequest: Bequest? = nil
    ) throws(HostError) {
        self.arguments = arguments
        layout = options.layout
        adminDoors = options.adminDoors
        signal(SIGPIPE, SIG_IGN)
        _ = linux_adopt_orphans()
        signals = unsafe linux_catch_signals(Self.handed + [0])
        guard signals >= 0 else {
            throw .system("the host cannot be told signals", subject: "", errno: -signals)
        }
        if let bequest {
            log = HostLog(minimum: options.logLevel)
            lock = RootLock(owning: bequest.lock, options.layout)
            admin = bequest.admin
            listeners = bequest.listeners
            activated = bequest.activated
            addresses = options.addresses(of: listeners, activated: activated)
            doors = bequest.doors
            let engines = try bequest.engines()
            engine = engines.first
            retiring = Array(engines.dropFirst())
            (children, lastChild) = bequest.takeChildren(engines)
            isReady = true
            return
        }
        let inherited = ServiceSockets.take()
        log = HostLog(minimum: options.logLevel)
        try options.layout.create()
        lock = try RootLock(options.layout)
        let opened = try options.openListeners(besides: inherited.count)
        listeners = opened + inherited
        activated = inherited.count
        addresses = options.addresses(of: listeners, activated: activated)
        admin = try AdminSocket.listen(at: options.layout.socket)
        doors = try options.adminDoors.open()
    }

    /// Supervises until the host is to end.
    ///
    /// - Parameter ready: told the addresses, as `Daemon.run` tells them.
    /// - Returns: the exit status.
    /// - Throws: `engine_not_started`; `engine_given_up` with the ways in which it ended.
    package func run(ready: ([String]) -> Void) throws(HostError) -> Int32 {
        defer {
            endChildren { _ in true }
            endOrphans()
            for path in [layout.socket] + adminDoors.sockets { _ = unsafe unlink(path) }
            log.flush()
        }
        if engine == nil {
            try start(after: .well, try Self.makeBox())
        } else {
            beginSuccession("the program was replaced")
        }
        while true {
            switch wait() {
            case .signal(let number): obey(number)
            case .word(let process, let message): hear(process, message, ready)
            case .childEnded(let child): childEnded(child)
            case .end(let process):
                guard let status = try ended(process) else { continue }
                return status
            case .trialEnded: concludeTrial()
            case .time: passTime()
            }
        }
    }

    static func makeBox() throws(HostError) -> BlackBox {
        do throws(LibraryError) {
            return try BlackBox()
        } catch {
            throw HostError(error)
        }
    }

    private func start(after end: EngineEnd, _ box: BlackBox) throws(HostError) {
        engine = try startProcess(after: end, box)
    }

    func startProcess(after end: EngineEnd, _ box: BlackBox) throws(HostError) -> EngineProcess {
        let told = EngineSeat.Told(
            supervisor: getpid(), listeners: listeners.count, activated: activated,
            doors: doors.count, end: end)
        return try EngineProcess.start(
            arguments: arguments, seat: told, box: box, lock: lock.descriptor,
            passed: [admin] + listeners + doors)
    }

    // MARK: - Signals and words

    private func obey(_ number: Int32) {
        if number == SIGUSR2 { return tryProgram() }
        if number == SIGTERM || number == SIGINT {
            isStopping = true
            notifier.tell("STOPPING=1")
            giveUpSuccession("the host is to end")
        } else if number == SIGHUP {
            notifier.tellReloading()
        }
        engine?.send(signal: number)
    }

    private func hear(
        _ process: EngineProcess, _ message: WireMessage, _ ready: ([String]) -> Void
    ) {
        if attend(message, process) { return }
        message.closeDescriptors()
        switch message.word {
        case .end: process.announced = message.number
        case .pong:
            process.unansweredSince = nil
            if process === engine { notifier.tellAlive() }
        case .ready where process === engine:
            if !isReady { ready(addresses) }
            isReady = true
            // Whatever it has not wanted.
            endChildren { $0.owner == nil }
            notifier.tell("READY=1\nSTATUS=engine \(process.pid) serves")
        case .ready: successorIsReady(process)
        case .forgiven: crashes.forgive()
        case .reloaded: notifier.tell("READY=1")
        case .frozen: if process === engine { startSuccessor() }
        case .replace: if process === engine { beginSuccession("it asks for it") }
        case .ping, .freeze, .thaw, .retire, .launch, .launched, .refused, .children, .child,
            .claim, .taken, .ended, .unknown:
            break
        }
    }

    // MARK: - The end of an engine

    /// The exit status of the host, if it ends with its engine; else there is another engine.
    private func ended(_ process: EngineProcess) throws(HostError) -> Int32? {
        let status = process.reap()
        guard process === engine else {
            lost(process, status)
            return nil
        }
        engine = nil
        sweepsAt = EngineProcess.now
        giveUpSuccession("the engine has ended")
        orphanChildren(of: process)
        if let announced = process.announced, status == announced { return status }
        if isStopping {
            if status < 0 {
                log.flush()
                linux_die_of(-status)
            }
            return status
        }
        let end = classify(status)
        log.write(.error, "engine \(process.pid) ended by \(end.summary)")
        guard crashes.note(at: EngineProcess.now) else { throw givenUp(end) }
        try start(after: end, process.box)
        if let engine { log.write(.info, "engine \(engine.pid) takes its place") }
        return nil
    }

    private func classify(_ status: Int32) -> EngineEnd {
        let killed = MemoryPressure.killed
        defer { killedForMemory = killed }
        if status == -SIGKILL, killed > killedForMemory { return .outOfMemory }
        return status < 0 ? .killed(-status) : .exited(status)
    }

    private func givenUp(_ end: EngineEnd) -> HostError {
        HostError(
            "engine_given_up", what: "the host has failed",
            why: "its engine ended \(crashes.count) times within \(Self.window / .seconds(1)) s,"
                + " and no plugin could be blamed; the last time by \(end.summary)",
            fix: "look at its log, and start it with --no-supervisor to see it end")
    }
}
