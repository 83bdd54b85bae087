import CLinux
import Glibc
import HostModel

/// Asks a program over its socket how it is, from a thread that may wait.
enum ProcessProbe {
    enum Answer: Sendable, Equatable {
        /// It answered with this status.
        case status(Int)
        /// What it said is no HTTP.
        case unreadable
        /// Nobody took the connection, for this `errno`.
        case absent(Int32)
        /// It took too long.
        case late
    }

    private static let answerBytesMax = 16 << 10

    /// Asks for a path, and waits for the whole answer, so that nobody writes in vain; what comes
    /// after the status line need not come in time.
    ///
    /// - Parameter isWanted: asked every now and then whether the answer still matters.
    static func ask(
        _ path: String, at address: String, until deadline: ContinuousClock.Instant,
        while isWanted: () -> Bool
    ) -> Answer {
        let descriptor = linux_unix_socket()
        guard descriptor >= 0 else { return .absent(-descriptor) }
        defer { linux_close(descriptor) }
        let connected = unsafe linux_connect_unix(descriptor, address)
        guard connected >= 0 else { return .absent(-connected) }
        var request = "GET \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        let sent = request.withUTF8 { text in
            unsafe linux_send(descriptor, text.baseAddress, text.count, 0)
        }
        guard sent == request.utf8.count else { return .absent(Int32(clamping: -sent)) }
        var answer: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1_024)
        while answer.count < answerBytesMax {
            let left = (deadline - .now) / .milliseconds(1)
            guard left > 0, isWanted() else {
                if answer.contains(UInt8(ascii: "\n")) { break }
                return .late
            }
            var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard unsafe poll(&waiting, 1, Int32(min(left.rounded(.up), 50))) > 0 else { continue }
            let count = unsafe linux_receive(descriptor, &chunk, chunk.count)
            if count == -Int(EAGAIN) || count == -Int(EINTR) { continue }
            guard count > 0 else { break }
            answer += chunk[..<count]
        }
        let line = String(decoding: answer.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
        let parts = line.split(separator: " ", maxSplits: 2)
        guard parts.count >= 2, parts[0].hasPrefix("HTTP/1."), let status = Int(parts[1]),
            (100...599).contains(status)
        else { return .unreadable }
        return .status(status)
    }
}
