internal import CSQLite
package import HostModel
internal import Synchronization

/// The lifecycle events of all plugins, in the order in which they happened, safe on the disk.
///
/// Every append waits for the disk (WAL with `synchronous=FULL`), so calls block: a lock lets one
/// thread in at a time, and callers on the cooperative pool hand the call to a thread of their own.
package final class Journal: Sendable {
    /// The version of the tables that this host writes.
    package static let schemaVersion: Int64 = 1
    /// How many events one call returns at most, unless asked for fewer.
    package static let batchMax = 10_000
    /// How much of the file SQLite keeps in memory; events are appended and rarely read.
    static let cacheKiB = 64

    /// An event with its place in the journal.
    package struct Entry: Hashable, Sendable, JSONRepresentable {
        /// Counts from 1, without gaps.
        package let sequence: Int64
        package let event: LifecycleEvent

        package init(sequence: Int64, event: LifecycleEvent) {
            self.sequence = sequence
            self.event = event
        }

        /// The event's own JSON with `sequence` in front.
        package var json: JSONValue {
            let members = event.json.object?.members ?? []
            let sequence = JSONValue.number(JSONNumber(sequence))
            return .object(
                JSONObject([("sequence", sequence)] + members.map { ($0.key, $0.value) }))
        }

        package init(json: JSONValue) throws(HostError) {
            guard let sequence = json["sequence"]?.integer else {
                throw HostError(
                    "record_unreadable", what: "a stored record was not understood",
                    subject: "journal entry", why: "\"sequence\" is not a whole number")
            }
            self.init(sequence: sequence, event: try LifecycleEvent(json: json))
        }
    }

    let database: Mutex<Database>
    let path: String

    /// Opens the journal, creating it when there is none.
    ///
    /// - Throws: `HostError` with code `journal_damaged` (the file is no database or fails its
    ///   check), `journal_too_new`, `journal_busy`, `journal_unusable`, `journal_disk_full` or
    ///   `journal_failed`.
    package init(path: String) throws(HostError) {
        self.path = path
        let database = try Database(path: path)
        try database.run(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                + " PRAGMA cache_size=-\(Self.cacheKiB)")
        try Self.check(database, path)
        try Self.migrate(database, path)
        self.database = Mutex(database)
    }

    /// Appends events, all or none, and returns the sequence of the last one.
    ///
    /// - Parameter expected: the sequence of the last event that the caller knows; nil to append
    ///   whatever came before.
    /// - Throws: `HostError` with code `journal_conflict` when there is a newer event than
    ///   expected, or as `init`.
    package func append(_ events: [LifecycleEvent], expecting expected: Int64? = nil)
        throws(HostError) -> Int64
    {
        try database.withLock { database throws(HostError) in
            try database.transaction { () throws(HostError) in
                var last = try Self.lastSequence(database)
                if let expected, expected != last {
                    throw HostError(
                        "journal_conflict", what: "the events were not written", subject: path,
                        why: "event \(last) is the last one, and \(expected) was expected",
                        fix: "read the new events, decide again, and append")
                }
                for event in events {
                    last += 1
                    try Self.insert(event, last, database)
                }
                return last
            }
        }
    }

    static func insert(
        _ event: LifecycleEvent, _ sequence: Int64, _ database: borrowing Database
    ) throws(HostError) {
        try database.query(
            "INSERT INTO events (sequence, plugin, name, time, data) VALUES (?,?,?,?,?)",
            [
                .integer(sequence), .text(event.plugin.text), .text(event.fact.name),
                .integer(event.time.milliseconds), .text(event.fact.payload.text()),
            ])
    }

    /// The events after a sequence, oldest first, at most `limit`.
    ///
    /// - Throws: `HostError` with code `event_unknown` or `record_unreadable` for an event that
    ///   this version of the host cannot read, or as `init`.
    package func entries(after sequence: Int64 = 0, limit: Int = batchMax) throws(HostError)
        -> [Entry]
    {
        try database.withLock { database throws(HostError) in
            var result: [Entry] = []
            try database.query(
                "SELECT sequence, plugin, name, time, data FROM events WHERE sequence > ?"
                    + " ORDER BY sequence LIMIT ?",
                [.integer(sequence), .integer(Int64(min(max(limit, 0), Self.batchMax)))]
            ) { row throws(HostError) in
                let payload = try JSON.parse(row.text(4), source: "event \(row.integer(0))")
                let event = LifecycleEvent(
                    try LifecycleEvent.Fact(name: row.text(2), payload: payload),
                    plugin: try PluginName(checking: row.text(1)),
                    time: Timestamp(milliseconds: row.integer(3)))
                result.append(Entry(sequence: row.integer(0), event: event))
            }
            return result
        }
    }

    /// The sequence of the last event; 0 when there is none.
    package func lastSequence() throws(HostError) -> Int64 {
        try database.withLock { database throws(HostError) in try Self.lastSequence(database) }
    }

    /// What replaying everything comes to.
    package struct Replay: Sendable {
        package var registry = Registry()
        package var lastSequence: Int64 = 0
        /// The last event of each plugin.
        package var heads: [PluginName: Int64] = [:]
    }

    /// Replays everything.
    package func replay() throws(HostError) -> Replay {
        var replay = Replay()
        while true {
            let batch = try entries(after: replay.lastSequence)
            guard let newest = batch.last else { return replay }
            for entry in batch {
                replay.registry.evolve(entry.event)
                replay.heads[entry.event.plugin] = entry.sequence
            }
            replay.lastSequence = newest.sequence
        }
    }

    static func lastSequence(_ database: borrowing Database) throws(HostError) -> Int64 {
        var last: Int64 = 0
        try database.query("SELECT max(sequence) FROM events") { row in last = row.integer(0) }
        return last
    }

    private static func check(_ database: borrowing Database, _ path: String) throws(HostError) {
        var findings: [String] = []
        try database.query("PRAGMA quick_check(8)") { row in findings.append(row.text(0)) }
        guard findings == ["ok"] else {
            throw HostError(
                "journal_damaged", what: "the journal could not be used", subject: path,
                why: findings,
                fix: "restore it from a backup, or move it away together with its -wal"
                    + " and -shm files; the installed plugins stay on the disk")
        }
    }

    private static func migrate(_ database: borrowing Database, _ path: String) throws(HostError) {
        try database.run("CREATE TABLE IF NOT EXISTS schema (version INTEGER NOT NULL)")
        var version: Int64 = 0
        try database.query("SELECT max(version) FROM schema") { row in version = row.integer(0) }
        guard version <= schemaVersion else {
            throw HostError(
                "journal_too_new", what: "the journal could not be used", subject: path,
                why: "a newer host wrote it (schema \(version); this host knows \(schemaVersion))",
                fix: "use the newer host")
        }
        guard version < schemaVersion else { return try index(database) }
        try database.transaction { () throws(HostError) in
            try database.run(
                """
                CREATE TABLE events (
                    sequence INTEGER PRIMARY KEY, plugin TEXT NOT NULL, name TEXT NOT NULL,
                    time INTEGER NOT NULL, data TEXT NOT NULL);
                INSERT INTO schema (version) VALUES (\(schemaVersion))
                """)
        }
        try index(database)
    }

    /// Makes the last event of a plugin quick to find; a host that knows no index keeps it.
    private static func index(_ database: borrowing Database) throws(HostError) {
        try database.run(
            "CREATE INDEX IF NOT EXISTS events_of_plugin ON events (plugin, sequence)")
    }
}
