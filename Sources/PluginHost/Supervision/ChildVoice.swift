internal import HostModel

/// What a child prints, line by line into the host's log.
struct ChildVoice: Sendable {
    /// The longest line; a longer one is told in pieces.
    static let lineBytesMax = 4_096

    /// One of its two streams.
    struct Stream: Sendable {
        let level: HostLog.Level
        private var pending: [UInt8] = []

        init(level: HostLog.Level) { self.level = level }

        /// Takes what was printed and returns the lines that are whole.
        mutating func take(_ bytes: some Sequence<UInt8>) -> [String] {
            var lines: [String] = []
            for byte in bytes {
                if byte == UInt8(ascii: "\n") || pending.count == ChildVoice.lineBytesMax {
                    lines += finish()
                }
                if byte != UInt8(ascii: "\n") { pending.append(byte) }
            }
            return lines
        }

        /// Returns what has no line end, because the stream has ended.
        mutating func finish() -> [String] {
            defer { pending.removeAll(keepingCapacity: true) }
            if pending.last == UInt8(ascii: "\r") { pending.removeLast() }
            return pending.isEmpty ? [] : [String(decoding: pending, as: UTF8.self)]
        }
    }

    let log: HostLog
    let subject: HostLog.Subject?
    var output: Stream
    var errors: Stream

    init(_ log: HostLog, _ subject: HostLog.Subject?, _ plan: ChildProcess.Plan) {
        self.log = log
        self.subject = subject
        output = Stream(level: plan.outputLevel)
        errors = Stream(level: plan.errorLevel)
    }
}
