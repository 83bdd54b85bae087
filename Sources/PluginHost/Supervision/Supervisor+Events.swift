internal import CLinux
internal import Glibc

extension Supervisor {
    /// What a supervisor waits for.
    enum Event {
        case signal(Int32)
        case word(EngineProcess, WireMessage)
        case end(EngineProcess)
        case childEnded(KeptChild)
        case trialEnded
        /// It is time to look after something.
        case time
    }

    private var processes: [EngineProcess] {
        (engine.map { [$0] } ?? []) + (succession.successor.map { [$0] } ?? []) + retiring
    }

    /// How long an engine may leave the question unanswered whether it answers.
    private static let silenceMax = Duration.seconds(60)
    private static let pingPeriod = Duration.seconds(10)

    /// Waits for what comes next; what a process has said comes before its end.
    func wait() -> Event {
        while true {
            let number = linux_next_signal(signals)
            if number != 0 { return .signal(number) }
            let (processes, children) = (processes, children)
            var polled = [pollfd(fd: signals, events: Int16(POLLIN), revents: 0)]
            for process in processes {
                process.flush()
                let wire = process.isSilent ? -1 : process.wire
                let events = Int16(process.waiting.isEmpty ? POLLIN : POLLIN | POLLOUT)
                polled.append(pollfd(fd: wire, events: events, revents: 0))
                polled.append(pollfd(fd: process.pidfd, events: Int16(POLLIN), revents: 0))
            }
            for child in children {
                polled.append(pollfd(fd: child.pidfd, events: Int16(POLLIN), revents: 0))
            }
            polled.append(pollfd(fd: trial?.pidfd ?? -1, events: Int16(POLLIN), revents: 0))
            let patience = nextTime - EngineProcess.now
            let milliseconds = max(0, min(patience / .milliseconds(1), 3_600_000))
            let count = unsafe poll(&polled, nfds_t(polled.count), Int32(milliseconds) + 1)
            if count == 0 { return .time }
            guard count > 0 else { continue }
            for (index, process) in processes.enumerated()
            where polled[1 + 2 * index].revents & ~Int16(POLLOUT) != 0 {
                if let message = WireMessage.receive(from: process.wire, waits: false) {
                    return .word(process, message)
                }
                process.isSilent = true
            }
            for (index, process) in processes.enumerated() where polled[2 + 2 * index].revents != 0
            {
                return .end(process)
            }
            for (index, child) in children.enumerated()
            where polled[1 + 2 * processes.count + index].revents != 0 {
                return .childEnded(child)
            }
            if polled.last?.revents != 0 { return .trialEnded }
            if patience <= .zero { return .time }
        }
    }

    private var nextTime: Duration {
        min(pingsAt, sweepsAt, succession.until ?? pingsAt)
    }

    /// Asks the engine whether it answers, gives up what has taken too long, and ends what plugins
    /// have left behind.
    func passTime() {
        let now = EngineProcess.now
        if let until = succession.until, until <= now { giveUpSuccession("it takes too long") }
        if sweepsAt <= now { sweepOrphans() }
        guard pingsAt <= now else { return }
        pingsAt = now + min(Self.pingPeriod, notifier.period ?? Self.pingPeriod)
        guard isReady, let engine else { return }
        let since = engine.unansweredSince ?? now
        // A service manager has a patience of its own.
        if now - since >= Self.silenceMax, notifier.period == nil {
            log.write(.error, "engine \(engine.pid) does not answer: it is killed")
            return engine.send(signal: SIGKILL)
        }
        engine.unansweredSince = since
        engine.tell(.ping)
    }
}
