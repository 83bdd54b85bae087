internal import CLedger
import Glibc

/// What a child writes until it ends, as much of it as may be kept.
struct ChildOutput {
    private let child: ledger_child
    private let bytesMax: Int
    private(set) var output: [UInt8] = []
    private(set) var errors: [UInt8] = []
    private(set) var isCutOff = false

    init(child: ledger_child, bytesMax: Int) {
        self.child = child
        self.bytesMax = bytesMax
    }

    /// Reads until the child has ended; true if it had to be killed because the deadline passed.
    ///
    /// Waits for the process, not for the end of its output: what it has started may hold the pipes
    /// for longer.
    mutating func collect(until deadline: ContinuousClock.Instant) -> Bool {
        var isTimedOut = false
        for fd in [child.output, child.errors] {
            _ = fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK)
        }
        var waiting = [
            pollfd(fd: child.output, events: Int16(POLLIN), revents: 0),
            pollfd(fd: child.errors, events: Int16(POLLIN), revents: 0),
            pollfd(fd: child.pidfd, events: Int16(POLLIN), revents: 0),
        ]
        while true {
            let left = (deadline - ContinuousClock.now) / .milliseconds(1)
            let timeout = isTimedOut ? -1 : Int32(max(0, min(left.rounded(.up), 60_000)))
            let ready = unsafe poll(&waiting, 3, timeout)
            if ready < 0 && errno != EINTR { break }
            if waiting[0].revents != 0, !drain(isErrors: false) { waiting[0].fd = -1 }
            if waiting[1].revents != 0, !drain(isErrors: true) { waiting[1].fd = -1 }
            if ready > 0 && waiting[2].revents != 0 { break }
            if ready >= 0, !isTimedOut, ContinuousClock.now >= deadline {
                isTimedOut = true
                kill(-child.pid, SIGKILL)
                // It may have joined another group.
                kill(child.pid, SIGKILL)
            }
        }
        kill(-child.pid, SIGKILL)
        _ = drain(isErrors: false)
        _ = drain(isErrors: true)
        return isTimedOut
    }

    /// Reads what is there, at most 64 KiB a call so that the deadline is looked at; false at the
    /// end of the output.
    private mutating func drain(isErrors: Bool) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        let got = unsafe read(isErrors ? child.errors : child.output, &buffer, buffer.count)
        if got < 0 { return errno == EAGAIN || errno == EINTR }
        guard got > 0 else { return false }
        let room = bytesMax - (isErrors ? errors.count : output.count)
        if got > room { isCutOff = true }
        let part = buffer[0..<min(got, max(0, room))]
        if isErrors { errors += part } else { output += part }
        return true
    }
}
