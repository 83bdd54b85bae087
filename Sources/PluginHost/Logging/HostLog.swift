import Glibc
import HostModel
import Synchronization

/// The host's log: one line an entry, written by a thread of its own.
///
/// Whoever logs is never held up by a slow disk or terminal: entries wait in a bounded queue, and
/// what does not fit is dropped, counted, and told of in the next line that is written.
///
/// - Shape: `2026-01-31T09:00:00.000Z WARNING plugin=notes version=1.2.0 generation=3 message`, and
///   `request=...` before the message where that is known; control characters in the message are
///   escaped.
public final class HostLog: Sendable {
    public enum Level: Int, Sendable, Comparable {
        case debug, info, warning, error

        public static func < (left: Level, right: Level) -> Bool { left.rawValue < right.rawValue }

        var name: String {
            switch self {
            case .debug: "DEBUG"
            case .info: "INFO"
            case .warning: "WARNING"
            case .error: "ERROR"
            }
        }
    }

    /// What an entry is about.
    public struct Subject: Sendable {
        let plugin: String
        let version: String?
        let generation: UInt64?
        /// What the request is called that it happened in.
        var request: String?

        public init(plugin: String, version: String? = nil, generation: UInt64? = nil) {
            self.plugin = plugin
            self.version = version
            self.generation = generation
        }
    }

    static let messageBytesMax = 8_192
    static let queuedEntriesMax = 4_096

    /// What was written last, for those who read it from outside.
    let feed = Feed<LogEntry>("log-feed", countMax: 2_000, bytesMax: 2 << 20)
    /// What is below is not written.
    let minimum: Level
    private let descriptor: Int32
    private let sink: Sink?
    private let writer = WorkerThreads("log", countMax: 1)
    private let queued = Atomic<Int>(0)
    private let dropped = Atomic<Int>(0)
    private let everDropped = Atomic<Int>(0)

    /// Takes entries away to where they are written.
    typealias Sink = @Sendable (Level, String, Subject?) -> Void

    public init(minimum: Level = .info, descriptor: Int32 = 2) {
        self.minimum = minimum
        self.descriptor = descriptor
        sink = nil
    }

    /// Makes the log of a process whose entries another one writes.
    init(minimum: Level, sink: @escaping Sink) {
        self.minimum = minimum
        self.sink = sink
        descriptor = -1
    }

    /// Adds one entry, from any thread.
    public func write(_ level: Level, _ message: String, about subject: Subject? = nil) {
        guard level >= minimum else { return }
        if let sink { return sink(level, message, subject) }
        guard queued.add(1, ordering: .relaxed).newValue <= Self.queuedEntriesMax else {
            queued.subtract(1, ordering: .relaxed)
            dropped.add(1, ordering: .relaxed)
            everDropped.add(1, ordering: .relaxed)
            return
        }
        let moment = Timestamp.now
        writer.run { [self] in
            queued.subtract(1, ordering: .relaxed)
            let lost = dropped.exchange(0, ordering: .relaxed)
            if lost > 0 {
                put(
                    LogEntry(
                        level: .warning, message: "\(lost) log entries were dropped", subject: nil,
                        time: moment))
            }
            put(LogEntry(level: level, message: message, subject: subject, time: moment))
        }
    }

    /// How many entries have been lost since the start, because too many waited.
    var droppedCount: Int { everDropped.load(ordering: .relaxed) }

    /// Returns once everything that was added before has been written.
    public func flush() {
        writer.finish()
    }

    private func put(_ entry: LogEntry) {
        var line = Self.line(entry.level, entry.message, entry.subject, entry.time)
        feed.append(entry, bytes: line.utf8.count + 64)
        line.withUTF8 { bytes in
            var rest = UnsafeRawBufferPointer(bytes)
            while rest.count > 0 {
                let written = unsafe Glibc.write(descriptor, rest.baseAddress, rest.count)
                if written < 0 {
                    if errno == EINTR { continue }
                    return
                }
                unsafe rest = UnsafeRawBufferPointer(rebasing: rest[written...])
            }
        }
    }

    static func line(_ level: Level, _ message: String, _ subject: Subject?, _ moment: Timestamp)
        -> String
    {
        var line = "\(moment) \(level.name)"
        if let subject {
            line += " plugin=\(subject.plugin)"
            if let version = subject.version { line += " version=\(version)" }
            if let generation = subject.generation { line += " generation=\(generation)" }
            if let request = subject.request { line += " request=\(request)" }
        }
        line += " "
        for scalar in message.unicodeScalars.prefix(messageBytesMax) {
            switch scalar {
            case "\n": line += "\\n"
            case "\r": line += "\\r"
            case "\t": line += "\\t"
            case _ where scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value):
                line += "\\u{\(String(scalar.value, radix: 16))}"
            default: line.unicodeScalars.append(scalar)
            }
        }
        return line + "\n"
    }
}
