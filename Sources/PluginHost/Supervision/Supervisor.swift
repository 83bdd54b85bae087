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
///
/// No plugin's code runs here, and no thread but this one. The kernel ends the engine when its
/// supervisor ends.
package final class Supervisor {
    /// How many unexpected ends are forgiven within how long.
    private static let forgiven = 5
    private static let window = Duration.seconds(60)

    private let arguments: [String]
    private let layout: RootLayout
    private let log: HostLog
    private let lock: RootLock
    private let box: BlackBox
    private let admin: Int32
    private let listeners: [Int32]
    private let addresses: [String]
    private let signals: Int32
    private var engine: EngineProcess?
    private var isStopping = false
    private var isReady = false
    /// What the engine has said that it ends with.
    private var announced: Int32?
    private var crashes = CrashWindow(countMax: forgiven, within: window)
    private var killedForMemory = MemoryPressure.killed

    private static let handed: [Int32] = [SIGTERM, SIGINT, SIGHUP, SIGUSR1]

    /// Takes the root and binds the listeners.
    ///
    /// - Parameter arguments: those of `host serve`, for the engine.
    /// - Throws: `root_locked`, `listen_failed`, or whatever keeps the host from starting.
    package init(_ options: Daemon.Options, arguments: [String]) throws(HostError) {
        self.arguments = arguments
        layout = options.layout
        log = HostLog(minimum: options.logLevel)
        signal(SIGPIPE, SIG_IGN)
        signals = unsafe linux_catch_signals(Self.handed + [0])
        guard signals >= 0 else {
            throw .system("the host cannot be told signals", subject: "", errno: -signals)
        }
        try layout.create()
        lock = try RootLock(layout)
        (listeners, addresses) = try options.openListeners()
        admin = try AdminSocket.listen(at: layout.socket)
        do throws(LibraryError) {
            box = try BlackBox()
        } catch {
            throw HostError(error)
        }
    }

    /// Supervises until the host is to end.
    ///
    /// - Parameter ready: told the addresses, as `Daemon.run` tells them.
    /// - Returns: the exit status.
    /// - Throws: `engine_not_started`; `engine_given_up` with the ways in which it ended.
    package func run(ready: ([String]) -> Void) throws(HostError) -> Int32 {
        defer {
            _ = unsafe unlink(layout.socket)
            log.flush()
        }
        try start(after: .well)
        while true {
            switch wait() {
            case .signal(let number): obey(number)
            case .word(let word, let number): hear(word, number, ready)
            case .end:
                guard let status = try engineEnded() else { continue }
                return status
            }
        }
    }

    private func start(after end: EngineEnd) throws(HostError) {
        announced = nil
        engine = try EngineProcess.start(
            "/proc/self/exe", arguments: arguments, after: end,
            passed: [lock.descriptor, box.descriptor, admin] + listeners)
    }

    // MARK: - Events

    private enum Event {
        case signal(Int32)
        case word(EngineSeat.Word, Int32)
        case end
    }

    /// Waits for what comes next; what the engine has said comes before its end.
    private func wait() -> Event {
        guard let engine else { preconditionFailure("there is an engine") }
        while true {
            let number = linux_next_signal(signals)
            if number != 0 { return .signal(number) }
            var polled = [
                pollfd(fd: signals, events: Int16(POLLIN), revents: 0),
                pollfd(fd: engine.wire, events: Int16(POLLIN), revents: 0),
                pollfd(fd: engine.pidfd, events: Int16(POLLIN), revents: 0),
            ]
            _ = unsafe poll(&polled, nfds_t(polled.count), -1)
            if polled[1].revents & Int16(POLLIN) != 0,
                let (word, number) = EngineSeat.receive(from: engine.wire)
            {
                return .word(word, number)
            }
            if polled[2].revents != 0 { return .end }
            // A wire whose other end is closed tells nothing more: what is left is the end.
            if polled[1].revents & Int16(POLLHUP) != 0 {
                var end = [pollfd(fd: engine.pidfd, events: Int16(POLLIN), revents: 0)]
                while unsafe poll(&end, 1, -1) <= 0 {}
                return .end
            }
        }
    }

    private func obey(_ number: Int32) {
        if number == SIGTERM || number == SIGINT { isStopping = true }
        engine?.send(signal: number)
    }

    private func hear(
        _ word: EngineSeat.Word, _ number: Int32, _ ready: ([String]) -> Void
    ) {
        switch word {
        case .ready:
            if !isReady { ready(addresses) }
            isReady = true
        case .forgiven: crashes.forgive()
        case .end: announced = number
        case .reloaded, .ping, .pong: break
        }
    }

    // MARK: - The end of an engine

    /// The exit status of the host, if it ends with its engine; else there is another engine.
    private func engineEnded() throws(HostError) -> Int32? {
        guard let ended = engine else { preconditionFailure("there was an engine") }
        let status = ended.reap()
        engine = nil
        if let announced, status == announced { return status }
        if isStopping {
            if status < 0 {
                log.flush()
                linux_die_of(-status)
            }
            return status == 0 ? 1 : status
        }
        let end = classify(status)
        log.write(.error, "engine \(ended.pid) ended by \(end.summary)")
        guard crashes.note(at: EngineProcess.now) else { throw givenUp(end) }
        try start(after: end)
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

/// What the kernel tells of processes that it has killed for lack of memory.
private enum MemoryPressure {
    /// How many it has killed since it was started; 0 where it does not tell.
    ///
    /// - Source: proc(5), /proc/vmstat.
    static var killed: Int {
        guard let file = try? Descriptor(opening: "/proc/vmstat", flags: O_RDONLY),
            let bytes = try? file.readAll(bytesMax: 1 << 20)
        else { return 0 }
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            let words = line.split(separator: UInt8(ascii: " "))
            guard words.count == 2, words[0].elementsEqual("oom_kill".utf8) else { continue }
            return Int(String(decoding: words[1], as: UTF8.self)) ?? 0
        }
        return 0
    }
}
