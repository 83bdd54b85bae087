internal import CLedger
import Glibc

/// What a child writes until it ends, as much of it as may be kept.
struct ChildOutput {
    /// Why there is nothing more to come.
    enum Ending {
        case ended
        /// It had to be killed because the deadline passed.
        case timedOut
        /// It has said all that is awaited of it.
        case told
    }

    private let child: ledger_child
    private let bytesMax: Int
    /// What it has not read yet.
    private var input: ArraySlice<UInt8>
    private(set) var output: [UInt8] = []
    private(set) var errors: [UInt8] = []
    private(set) var isCutOff = false

    init(child: ledger_child, bytesMax: Int, input: [UInt8]) {
        self.child = child
        self.bytesMax = bytesMax
        self.input = input[...]
    }

    /// Reads until the child has ended, or has said all.
    ///
    /// Waits for the process, not for the end of its output: what it has started may hold the pipes
    /// for longer. At the end nothing of its group is left running.
    mutating func collect(
        until deadline: ContinuousClock.Instant, _ saysAll: (([UInt8]) -> Bool)?
    ) -> Ending {
        var ending = Ending.ended
        for fd in [child.output, child.errors] {
            _ = fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK)
        }
        var waiting = [
            pollfd(fd: child.output, events: Int16(POLLIN), revents: 0),
            pollfd(fd: child.errors, events: Int16(POLLIN), revents: 0),
            pollfd(fd: child.pidfd, events: Int16(POLLIN), revents: 0),
            pollfd(fd: feed() ? -1 : child.input, events: Int16(POLLOUT), revents: 0),
        ]
        while true {
            let left = (deadline - ContinuousClock.now) / .milliseconds(1)
            let timeout = ending == .timedOut ? -1 : Int32(max(0, min(left.rounded(.up), 60_000)))
            let ready = unsafe poll(&waiting, 4, timeout)
            if ready < 0 && errno != EINTR { break }
            if waiting[3].revents != 0, feed() { waiting[3].fd = -1 }
            if waiting[0].revents != 0 {
                if !drain(isErrors: false) { waiting[0].fd = -1 }
                if let saysAll, ending == .ended, saysAll(output) {
                    ending = .told
                    break
                }
            }
            if waiting[1].revents != 0, !drain(isErrors: true) { waiting[1].fd = -1 }
            if ready > 0 && waiting[2].revents != 0 { break }
            if ready >= 0, ending == .ended, ContinuousClock.now >= deadline {
                ending = .timedOut
                kill(-child.pid, SIGKILL)
                // It may have joined another group.
                kill(child.pid, SIGKILL)
            }
        }
        kill(-child.pid, SIGKILL)
        _ = drain(isErrors: false)
        _ = drain(isErrors: true)
        return ending
    }

    /// Writes what the child is to read, as much as there is room for; true when it has been told
    /// that there is no more.
    private mutating func feed() -> Bool {
        guard child.input >= 0 else { return true }
        while !input.isEmpty {
            let count = unsafe input.withUnsafeBytes { bytes in
                unsafe send(
                    child.input, bytes.baseAddress, bytes.count,
                    Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
            }
            if count < 0 && errno == EINTR { continue }
            if count < 0 && errno == EAGAIN { return false }
            // It reads no more: its end says why.
            guard count >= 0 else { break }
            input = input.dropFirst(count)
        }
        shutdown(child.input, Int32(SHUT_WR))
        return true
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
