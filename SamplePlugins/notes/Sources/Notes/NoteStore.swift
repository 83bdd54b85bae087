import PluginKit

/// The notes, one request at a time.
///
/// SQLite may wait for another generation's write; it waits on the plugin's threads, never on the
/// host's event loops.
actor NoteStore {
    private let database: Database

    init(_ database: Database) {
        self.database = database
    }

    /// Makes the tables that are missing.
    ///
    /// - Returns: how many notes there are.
    func prepare() throws -> Int {
        try database.run("PRAGMA journal_mode = WAL")
        try database.transaction {
            try database.run(
                """
                CREATE TABLE IF NOT EXISTS note (
                    id INTEGER PRIMARY KEY AUTOINCREMENT,
                    title TEXT NOT NULL,
                    text TEXT NOT NULL,
                    created TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
                    changed TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
                )
                """)
        }
        return try count("%")
    }

    func close() {
        database.close()
    }

    func list(search: String, page: Int, size: Int) throws -> NotePage {
        let pattern = "%" + search.escapedForLike + "%"
        let notes = try database.rows(
            """
            SELECT id, title, text, created, changed FROM note
            WHERE title LIKE ?1 ESCAPE '\\' OR text LIKE ?1 ESCAPE '\\'
            ORDER BY changed DESC, id DESC LIMIT ?2 OFFSET ?3
            """, .text(pattern), .integer(size), .integer((page - 1) * size), read: Note.init)
        return NotePage(notes: notes, page: page, size: size, total: try count(pattern))
    }

    func note(_ id: Int) throws -> Note {
        let notes = try database.rows(
            "SELECT id, title, text, created, changed FROM note WHERE id = ?1", .integer(id),
            read: Note.init)
        guard let note = notes.first else { throw missing(id) }
        return note
    }

    func add(_ text: NoteText) throws -> Note {
        try database.transaction {
            try database.run(
                "INSERT INTO note (title, text) VALUES (?1, ?2)",
                .text(text.title), .text(text.text))
            return try note(database.lastInsertedID)
        }
    }

    func change(_ id: Int, to text: NoteText) throws -> Note {
        try database.transaction {
            try database.run(
                """
                UPDATE note SET title = ?1, text = ?2,
                    changed = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE id = ?3
                """, .text(text.title), .text(text.text), .integer(id))
            return try note(id)
        }
    }

    func remove(_ id: Int) throws {
        try database.run("DELETE FROM note WHERE id = ?1", .integer(id))
        if database.changedRows == 0 { throw missing(id) }
    }

    private func count(_ pattern: String) throws -> Int {
        try database.rows(
            """
            SELECT count(*) FROM note WHERE title LIKE ?1 ESCAPE '\\' OR text LIKE ?1 ESCAPE '\\'
            """, .text(pattern), read: { $0.integer(0) }
        ).first ?? 0
    }

    private func missing(_ id: Int) -> HTTPError {
        HTTPError(.notFound, "there is no note \(id)")
    }
}

extension Note {
    init(_ row: Row) {
        self.init(
            id: row.integer(0), text: NoteText(title: row.text(1), text: row.text(2)),
            created: row.text(3), changed: row.text(4))
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
