import Glibc
import HostModel
import Testing

@testable import PluginHost

@Suite struct JournalTests {
    private let scratch: Scratch
    private let path: String
    private let name: PluginName

    init() throws {
        scratch = try Scratch()
        path = scratch.path + "/host.db"
        name = try PluginName(checking: "demo")
    }

    private func event(_ number: Int64) -> LifecycleEvent {
        LifecycleEvent(
            .deactivated(reason: "number \(number) \"é\u{0}\""), plugin: name,
            time: Timestamp(milliseconds: number))
    }

    @Test func events_comeBackInOrder_afterTheJournalWasClosed() throws {
        let events = (1...5).map { event($0) }
        do {
            let journal = try Journal(path: path)
            #expect(try journal.append(Array(events[..<2])) == 2)
            #expect(try journal.append(Array(events[2...]), expecting: 2) == 5)
        }
        let journal = try Journal(path: path)
        #expect(try journal.entries().map(\.event) == events)
        #expect(try journal.entries().map(\.sequence) == [1, 2, 3, 4, 5])
        #expect(try journal.entries(after: 3).map(\.event) == Array(events[3...]))
        #expect(try journal.entries(after: 1, limit: 2).map(\.sequence) == [2, 3])
        #expect(try journal.lastSequence() == 5)
        #expect(try journal.append([]) == 5)
    }

    @Test func append_isRefusedWhole_whenSomebodyElseWasFaster() throws {
        let one = try Journal(path: path)
        let other = try Journal(path: path)
        let last = try one.append([event(1)])
        _ = try other.append([event(2)], expecting: last)
        let error = #expect(throws: HostError.self) {
            try one.append([event(3), event(4)], expecting: last)
        }
        #expect(error?.code == "journal_conflict")
        #expect(try one.lastSequence() == 2)
    }

    @Test func group_isRefused_whenItsPluginHasANewerEvent_andTheOthersAreWritten() throws {
        let journal = try Journal(path: path)
        let other = try PluginName(checking: "other")
        let foreign = LifecycleEvent(.activated, plugin: other, time: Timestamp(milliseconds: 1))
        typealias Group = Journal.Group
        let first = try journal.append([
            Group(plugin: name, events: [event(1)], expected: 0),
            Group(plugin: other, events: [foreign], expected: 0),
            Group(plugin: name, events: [event(2), event(3)], expected: 0),
            Group(plugin: name, events: [event(4)], expected: 1),
        ])
        #expect(try first[0].get() == 1 && first[1].get() == 2 && first[3].get() == 3)
        let error = #expect(throws: HostError.self) { try first[2].get() }
        #expect(error?.code == "journal_conflict")
        #expect(try journal.entries().map(\.event) == [event(1), foreign, event(4)])
        #expect(try journal.replay().heads == [name: 3, other: 2])
    }

    @Test func replay_foldsMoreThanOneBatch() throws {
        let journal = try Journal(path: path)
        let digest = SHA256.digest(of: [])
        let release = LifecycleEvent.Release(
            version: try #require(SemanticVersion("1.0.0")), bundleDigest: digest,
            libraryDigest: digest, mode: .inProcess)
        let count = Journal.batchMax + 10
        var events = [
            LifecycleEvent(.installed(release), plugin: name, time: Timestamp(milliseconds: 0))
        ]
        for number in 1..<count {
            events.append(
                LifecycleEvent(
                    .loaded(generation: number, libraryDigest: digest, milliseconds: 1),
                    plugin: name,
                    time: Timestamp(milliseconds: 0)))
        }
        _ = try journal.append(events)
        let replay = try journal.replay()
        #expect(replay.lastSequence == Int64(count))
        #expect(replay.heads == [name: Int64(count)])
        #expect(replay.registry[name]?.generation == count - 1)
        #expect(replay.registry == Registry(events))
    }

    @Test func entry_isTheSame_afterATripThroughJSON() throws {
        let entry = Journal.Entry(sequence: 7, event: event(1))
        #expect(try Journal.Entry(json: try JSON.parse(entry.json.text())) == entry)
        #expect(entry.json.object?.keys.first == "sequence")
        #expect(throws: HostError.self) { try Journal.Entry(json: entry.event.json) }
    }

    @Test func journal_isRefusedWithACure_whenTheFileIsNoDatabase() throws {
        try scratch.write(String(repeating: "not a database. ", count: 64), to: "host.db")
        let error = #expect(throws: HostError.self) { try Journal(path: path) }
        #expect(error?.code == "journal_damaged" && error?.subject == path)
        #expect(error?.remedy.contains("backup") == true)
    }

    @Test func journal_isRefusedWithACure_whenPagesAreDamaged() throws {
        do {
            let journal = try Journal(path: path)
            _ = try journal.append((1...2000).map { event($0) })
        }
        let size = Int(try #require(Files.status(path)).st_size)
        #expect(size > 16 * 4096, "the events are in the file itself after it was closed")
        let file = try Descriptor(opening: path, flags: O_RDWR)
        for page in 4..<12 {
            #expect(lseek(file.number, page * 4096, SEEK_SET) == page * 4096)
            try file.write([UInt8](repeating: 0xA5, count: 4096))
        }
        let error = #expect(throws: HostError.self) { try Journal(path: path) }
        #expect(error?.code == "journal_damaged")
    }

    @Test func journal_isRefused_whenItIsFromTheFuture() throws {
        do {
            let database = try Database(path: path)
            try database.run(
                "CREATE TABLE schema (version INTEGER NOT NULL); INSERT INTO schema VALUES (99)")
        }
        let error = #expect(throws: HostError.self) { try Journal(path: path) }
        #expect(error?.code == "journal_too_new")
    }

    @Test func journal_isRefused_whereItCannotBe() throws {
        let error = #expect(throws: HostError.self) {
            try Journal(path: scratch.path + "/missing/host.db")
        }
        #expect(error?.code == "journal_unusable")
    }

    @Test func reading_isRefusedByName_whenAnEventIsUnknown() throws {
        do {
            let journal = try Journal(path: path)
            _ = try journal.append([event(1)])
        }
        do {
            let database = try Database(path: path)
            try database.run(
                "INSERT INTO events VALUES (2, 'demo', 'plugin_teleported_v1', 0, '{}')")
        }
        let journal = try Journal(path: path)
        let error = #expect(throws: HostError.self) { try journal.entries() }
        #expect(error?.code == "event_unknown" && error?.subject == "plugin_teleported_v1")
    }

    @Test func writers_doNotLoseEvents_whenTheyAreMany() async throws {
        let journal = try Journal(path: path)
        let name = name
        await withTaskGroup(of: Void.self) { group in
            for writer in 0..<4 {
                group.addTask {
                    for number in 0..<25 {
                        let event = LifecycleEvent(
                            .deactivated(reason: "\(writer)/\(number)"), plugin: name,
                            time: Timestamp(milliseconds: 0))
                        _ = try? journal.append([event])
                    }
                }
            }
        }
        let entries = try journal.entries()
        #expect(entries.map(\.sequence) == Array(1...100))
        #expect(Set(entries.map(\.event)).count == 100)
    }
}
