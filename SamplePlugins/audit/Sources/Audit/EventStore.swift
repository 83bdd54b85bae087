import PluginKit
import Synchronization

/// The events that have happened, the newest hundred thousand of them.
///
/// SQLite may wait for another generation's write; it waits on the threads of the plugin's pool,
/// never on the host's event loops.
final class EventStore: Sendable {
    private static let countMax = 100_000
    /// After how many events the oldest are looked for.
    private static let pruneEvery = 1_000

    private let database: Mutex<Database>

    init(_ database: sending Database) {
        self.database = Mutex(database)
    }

    /// Makes the tables that are missing.
    ///
    /// - Returns: how many events there are.
    func prepare() throws -> Int {
        try database.withLock { database in
            try database.run("PRAGMA journal_mode = WAL")
            try database.run("PRAGMA synchronous = NORMAL")
            try database.run(
                """
                CREATE TABLE IF NOT EXISTS event (
                    number INTEGER PRIMARY KEY AUTOINCREMENT,
                    source TEXT NOT NULL, id TEXT NOT NULL, topic TEXT NOT NULL,
                    type TEXT NOT NULL, subject TEXT NOT NULL, time INTEGER NOT NULL,
                    content_type TEXT NOT NULL, data BLOB NOT NULL, UNIQUE (source, id)
                )
                """)
            try database.run("CREATE INDEX IF NOT EXISTS event_topic ON event (topic)")
            return try database.first("SELECT count(*) FROM event") { $0.integer(0) } ?? 0
        }
    }

    func close() {
        database.withLock { $0.close() }
    }

    /// Keeps an event. One that is handed over a second time is kept once.
    func add(_ event: Event) throws {
        try database.withLock { database in
            try database.run(
                """
                INSERT OR IGNORE INTO event
                    (source, id, topic, type, subject, time, content_type, data)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                """, .text(event.source), .text(event.id), .text(event.topic), .text(event.type),
                .text(event.subject), .integer(Int(event.time)), .text(event.contentType),
                .bytes(event.data))
            let number = database.lastInsertedID
            if number % Self.pruneEvery == 0 {
                try database.run(
                    "DELETE FROM event WHERE number <= ?1", .integer(number - Self.countMax))
            }
        }
    }

    /// The newest events that match.
    func find(_ filter: EventFilter) throws -> EventPage {
        try database.withLock { database in
            for moment in [filter.since, filter.until].compactMap(\.self) {
                let seconds = try database.first("SELECT strftime('%s', ?1)", .text(moment)) {
                    $0.text(0)
                }
                guard seconds?.isEmpty == false else {
                    throw HTTPError.invalid([
                        InvalidField(
                            moment == filter.since ? "since" : "until",
                            "a moment such as 2026-03-01T12:34:56Z")
                    ])
                }
            }
            var page = EventPage()
            try database.each(
                """
                SELECT number, source, id, topic, type, subject, content_type, data,
                    strftime('%Y-%m-%dT%H:%M:%fZ', time / 1000.0, 'unixepoch')
                FROM event
                WHERE number < ?1 AND topic LIKE ?2 ESCAPE '\\'
                    AND (?3 = '' OR source LIKE ?3 || '@%' OR (source = 'host' AND subject = ?3))
                    AND time >= coalesce(strftime('%s', nullif(?4, '')), 0) * 1000
                    AND time < coalesce(strftime('%s', nullif(?5, '')), 1e12) * 1000
                ORDER BY number DESC
                """, .integer(filter.before), .text(filter.prefix.escapedForLike + "%"),
                .text(filter.plugin ?? ""), .text(filter.since ?? ""), .text(filter.until ?? "")
            ) { row in
                guard filter.matches(row.text(3)) else { return true }
                guard page.events.count < filter.count else {
                    page.next = page.last
                    return false
                }
                page.last = row.integer(0)
                page.events.append(Self.json(of: row))
                return true
            }
            return page
        }
    }

    /// How many events of each topic there are, the most frequent first.
    func topics() throws -> JSON {
        var topics: [JSON] = []
        try database.withLock { database in
            try database.each(
                """
                SELECT topic, count(*), max(number) FROM event
                GROUP BY topic ORDER BY count(*) DESC, topic LIMIT 200
                """
            ) { row in
                topics.append(["topic": .string(row.text(0)), "count": .integer(row.integer(1))])
                return true
            }
        }
        return ["topics": .array(topics)]
    }

    private static func json(of row: Row) -> JSON {
        let data = row.bytes(7)
        let text = String(decoding: data, as: UTF8.self)
        return [
            "number": .integer(row.integer(0)), "time": .string(row.text(8)),
            "source": .string(row.text(1)), "id": .string(row.text(2)),
            "topic": .string(row.text(3)), "type": .string(row.text(4)),
            "subject": .string(row.text(5)), "contentType": .string(row.text(6)),
            "data": (try? JSON(parsing: text)) ?? .string(text),
        ]
    }
}

/// Some of the events that match, the newest first.
struct EventPage {
    var events: [JSON] = []
    /// The number to go on before; nil: there are no more.
    var next: Int?
    var last = 0

    var json: JSON {
        ["events": .array(events), "next": next.map { .integer($0) } ?? .null]
    }
}

extension String {
    /// The text with the characters that mean something to LIKE escaped.
    var escapedForLike: String {
        var escaped = ""
        for character in self {
            if "\\%_".contains(character) { escaped.append("\\") }
            escaped.append(character)
        }
        return escaped
    }
}
