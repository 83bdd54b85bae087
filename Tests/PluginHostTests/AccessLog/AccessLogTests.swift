import Foundation
import HTTPWire
import HostModel
import Synchronization
import Testing

@testable import PluginHost

@Suite struct AccessLogTests {
    /// An entry as a client could have caused it, and its lines.
    private func line(
        _ format: AccessFormat, _ change: (inout AccessEntry) -> Void = { _ in }
    ) -> String {
        var entry = AccessEntry()
        entry.figures.status = 200
        entry.figures.bodyBytes = 12
        entry.figures.remotePort = 4_000
        entry.figures.durationNanoseconds = 1_234_567
        entry.figures.endedNanoseconds = 123_000_000
        entry[.remoteAddress] = ByteSlice("203.0.113.7")
        entry[.method] = ByteSlice("GET")
        entry[.path] = ByteSlice("/plugin/notes/api/notes/7")
        entry[.requestID] = ByteSlice("r-1")
        change(&entry)
        // 10 October 2000, 13:55:36.123, as Apache's documentation has it.
        var writer = AccessLineWriter(format)
        writer.clockOffsetNanoseconds = 971_186_136_000_000_000
        let room = UnsafeMutableRawPointer.allocate(byteCount: entry.packedCount, alignment: 8)
        defer { room.deallocate() }
        entry.pack(into: room)
        writer.add(AccessEntry(packed: room))
        return String(decoding: writer.lines.bytes, as: UTF8.self)
    }

    /// Sets a text to bytes that live as long as the process.
    private func set(_ text: AccessEntry.Text, _ bytes: [UInt8], _ entry: inout AccessEntry) {
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
        copy.copyBytes(from: bytes)
        entry[text] = ByteSlice(UnsafeRawBufferPointer(copy))
    }

    // MARK: Formats

    @Test func jsonLine_saysEverything() throws {
        let line = line(.json) { entry in
            entry.figures.hasQuery = true
            entry[.query] = ByteSlice("a=b")
            entry.figures.generation = 3
            entry[.plugin] = ByteSlice("notes")
            entry[.routeMethod] = ByteSlice("GET")
            entry[.routePattern] = ByteSlice("/notes/{id}")
            entry[.userAgent] = ByteSlice("curl/8")
            entry[.referer] = ByteSlice("http://x/")
        }
        #expect(
            line == """
                {"time":"2000-10-10T13:55:36.123Z","remote":"203.0.113.7","port":4000,\
                "method":"GET","path":"/plugin/notes/api/notes/7","query":"a=b",\
                "protocol":"HTTP/1.1","status":200,"bytes":12,"duration_us":1234,\
                "plugin":"notes","generation":3,"route":"GET /notes/{id}","request_id":"r-1",\
                "user_agent":"curl/8","referer":"http://x/"}

                """)
    }

    @Test func commonAndCombinedLines_areThoseThatToolsRead() {
        #expect(
            line(.common) == """
                203.0.113.7 - - [10/Oct/2000:13:55:36 +0000] \
                "GET /plugin/notes/api/notes/7 HTTP/1.1" 200 12

                """)
        let combined = line(.combined) { entry in
            entry.figures.bodyBytes = 0
            entry[.userAgent] = ByteSlice("curl/8")
        }
        #expect(combined.hasSuffix(" HTTP/1.1\" 200 - \"-\" \"curl/8\"\n"))
    }

    @Test func requestThatCouldNotBeRead_isALineToo() {
        let json = line(.json) { $0[.method] = ByteSlice() }
        #expect(!json.contains("path") && json.contains("\"status\":200"))
        #expect(line(.common) { $0[.method] = ByteSlice() }.contains("] \"-\" 200 12"))
    }

    @Test(arguments: AccessFormat.allCases)
    func noByte_canForgeALineOrAMember(format: AccessFormat) throws {
        let bytes = Array(UInt8.min...UInt8.max) + Array("\",\"status\":500,\"x\":\"".utf8)
        let texts: [AccessEntry.Text] = [.path, .method, .userAgent, .referer, .requestID]
        for text in texts {
            let line = line(format) { set(text, bytes, &$0) }
            #expect(line.unicodeScalars.filter { $0 == "\n" }.count == 1)
            #expect(line.unicodeScalars.allSatisfy { $0 == "\n" || $0.value >= 0x20 })
            if format == .json {
                let object = try JSON.parse(Array(line.utf8))
                #expect(object["status"]?.integer == 200)
            } else {
                let quotes = line.utf8.filter { $0 == UInt8(ascii: "\"") }.count
                #expect(quotes == (format == .common ? 2 : 6))
            }
        }
    }

    // MARK: The ring

    @Test func ring_keepsEveryRecord_aroundItsEnd() {
        let ring = AccessRing(capacity: 1 << 12)
        var sent = 0
        var received: [Int] = []
        for round in 0..<500 {
            for length in [8, 40, 200 + round % 300] {
                ring.put(count: length) {
                    $0.storeBytes(of: sent, as: Int.self)
                    memset($0 + 8, 0xFF, length - 8)
                }
                sent += 1
            }
            ring.takeAll { received.append($0.load(as: Int.self)) }
        }
        #expect(received == Array(0..<sent))
        #expect(ring.takeDropped() == 0)
    }

    @Test func ring_dropsWhatHasNoRoom_andCountsIt() {
        let ring = AccessRing(capacity: 1 << 12)
        for _ in 0..<100 { ring.put(count: 120) { memset($0, 0, 120) } }
        var taken = 0
        ring.takeAll { _ in taken += 1 }
        #expect(taken == 32)
        #expect(ring.takeDropped() == 68)
        #expect(ring.takeDropped() == 0)
        ring.put(count: 1 << 11) { _ in Issue.record("a record of half the ring is too long") }
        #expect(ring.takeDropped() == 1)
    }

    @Test func ring_losesNothing_betweenTwoThreads() async {
        let ring = AccessRing(capacity: 1 << 14)
        let count = 20_000
        let end = Recorder<Bool>()
        onThread {
            var sum = 0
            var records = 0
            while records < count {
                ring.takeAll { record in
                    sum += record.load(as: Int.self)
                    records += 1
                }
                sched_yield()
            }
            end.add(sum == count * (count - 1) / 2)
        }
        onThread {
            for number in 0..<count {
                ring.put(count: 8) { $0.storeBytes(of: number, as: Int.self) }
                while ring.takeDropped() > 0 {
                    sched_yield()
                    ring.put(count: 8) { $0.storeBytes(of: number, as: Int.self) }
                }
            }
        }
        #expect(await end.wait() == [true])
    }

    // MARK: The file

    private func withLog(
        _ body: (AccessLog, _ path: String, _ lines: () throws -> [String]) throws -> Void
    ) throws {
        let directory = FileManager.default.temporaryDirectory
            .appendingPathComponent("access-log-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let path = directory + "/access.log"
        let log = try AccessLog(
            path: path, format: .common, reactors: 2, log: HostLog(minimum: .error))
        try body(log, path) {
            log.flush()
            return try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
                .map(String.init)
        }
    }

    private func entry(_ path: StaticString) -> AccessEntry {
        var entry = AccessEntry()
        entry[.method] = ByteSlice("GET")
        entry[.path] = ByteSlice(path)
        return entry
    }

    @Test func entries_ofAllReactors_comeIntoTheFile() throws {
        try withLog { log, _, lines in
            log.take(entry("/one"), reactor: 0)
            log.take(entry("/two"), reactor: 1)
            let lines = try lines()
            #expect(lines.count == 2)
            #expect(lines[0].contains("GET /one HTTP") && lines[1].contains("GET /two HTTP"))
        }
    }

    @Test func renamedFile_getsTheLinesBefore_andANewOneThoseAfterReopening() throws {
        try withLog { log, path, lines in
            log.take(entry("/one"), reactor: 0)
            #expect(try lines().count == 1)
            try FileManager.default.moveItem(atPath: path, toPath: path + ".1")
            log.reopen()
            log.flush()
            log.take(entry("/two"), reactor: 0)
            #expect(try lines().map { $0.contains("/two") } == [true])
            let old = try String(contentsOfFile: path + ".1", encoding: .utf8)
            #expect(old.contains("/one") && !old.contains("/two"))
        }
    }

    @Test func fileThatCannotBeOpened_isTold() throws {
        let error = #expect(throws: HostError.self) {
            try AccessLog(
                path: "/nowhere/at/all", format: .json, reactors: 1, log: HostLog(minimum: .error))
        }
        #expect(error?.code == "access_log_failed")
        #expect(error?.subject == "/nowhere/at/all")
    }
}
