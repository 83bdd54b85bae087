import Glibc
import Testing

@testable import PluginHost

@Suite struct HostLogTests {
    /// What is written to a log by `body`.
    private func lines(
        minimum: HostLog.Level = .info, _ body: (HostLog) -> Void
    ) throws -> [String] {
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        defer { close(ends[0]) }
        let log = HostLog(minimum: minimum, descriptor: ends[1])
        body(log)
        log.flush()
        close(ends[1])
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = read(ends[0], &bytes, bytes.count)
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
            .split(separator: "\n").map(String.init)
    }

    @Test func line_hasTime_level_subjectAndMessage() throws {
        let lines = try lines { log in
            log.write(
                .warning, "hello",
                about: HostLog.Subject(plugin: "notes", version: "1.2.0", generation: 3))
        }
        #expect(lines.count == 1)
        let line = try #require(lines.first)
        #expect(line.hasSuffix("Z WARNING plugin=notes version=1.2.0 generation=3 hello"))
        #expect(line.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z .*/) != nil)
    }

    @Test func lineBreaks_inAMessage_areEscaped() throws {
        let lines = try lines { $0.write(.error, "one\ntwo\r\u{1B}[31m") }
        #expect(lines.count == 1)
        #expect(lines.first?.hasSuffix("ERROR one\\ntwo\\r\\u{1b}[31m") == true)
    }

    @Test func entries_belowTheMinimum_areLeftOut() throws {
        let lines = try lines(minimum: .warning) { log in
            log.write(.info, "quiet")
            log.write(.error, "loud")
        }
        #expect(lines.map { $0.hasSuffix("loud") } == [true])
    }

    @Test func writerThatFallsBehind_dropsAndCounts() throws {
        // What is still queued meets a closed pipe in the end; the daemon ignores this signal too.
        signal(SIGPIPE, SIG_IGN)
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        let log = HostLog(descriptor: ends[1])
        // The pipe holds 64 KiB: nobody reads, so the log's thread blocks and its queue fills up.
        let message = String(repeating: "x", count: 1_000)
        for _ in 0..<(HostLog.queuedEntriesMax + 1_000) { log.write(.info, message) }
        var text = ""
        var bytes = [UInt8](repeating: 0, count: 65_536)
        while !text.contains("entries were dropped") {
            log.write(.info, "after")
            let count = read(ends[0], &bytes, bytes.count)
            try #require(count > 0)
            text = String(text.suffix(200)) + String(decoding: bytes.prefix(count), as: UTF8.self)
        }
        #expect(text.contains("log entries were dropped"))
        // What is still queued meets a pipe without a reader, which the daemon ignores as well.
        signal(SIGPIPE, SIG_IGN)
        close(ends[0])
    }
}
