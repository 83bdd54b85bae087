import CNotesSQLite

/// What SQLite would not do.
struct DatabaseError: Error {
    let statement: String
    let message: String
}

/// A value for a place in a statement.
enum Value {
    case integer(Int)
    case text(String)
}

/// A row of a result, valid until the next one is asked for.
struct Row {
    let statement: OpaquePointer

    func integer(_ column: Int32) -> Int {
        Int(sqlite3_column_int64(statement, column))
    }

    func text(_ column: Int32) -> String {
        guard let bytes = sqlite3_column_text(statement, column) else { return "" }
        let count = Int(sqlite3_column_bytes(statement, column))
        return String(decoding: UnsafeBufferPointer(start: bytes, count: count), as: UTF8.self)
    }
}

/// One connection to a database file. Whoever has it sees to it that it is used by one at a time.
final class Database {
    private static let busyMilliseconds: Int32 = 5_000
    private var connection: OpaquePointer?

    init(path: String) throws {
        let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX
        guard sqlite3_open_v2(path, &connection, flags, nil) == SQLITE_OK else {
            let error = error("open \(path)")
            close()
            throw error
        }
        sqlite3_busy_timeout(connection, Self.busyMilliseconds)
    }

    deinit {
        close()
    }

    func close() {
        sqlite3_close_v2(connection)
        connection = nil
    }

    var lastInsertedID: Int { Int(sqlite3_last_insert_rowid(connection)) }
    var changedRows: Int { Int(sqlite3_changes(connection)) }

    func run(_ statement: String, _ values: Value...) throws {
        _ = try rows(statement, values, read: { _ in })
    }

    func rows<Result>(
        _ statement: String, _ values: Value..., read: (Row) -> Result
    ) throws -> [Result] {
        try rows(statement, values, read: read)
    }

    /// Runs the body with the right to write, and undoes what it did if it throws.
    func transaction<Result>(_ body: () throws -> Result) throws -> Result {
        try run("BEGIN IMMEDIATE")
        do {
            let result = try body()
            try run("COMMIT")
            return result
        } catch {
            try? run("ROLLBACK")
            throw error
        }
    }

    private func rows<Result>(
        _ text: String, _ values: [Value], read: (Row) -> Result
    ) throws -> [Result] {
        var prepared: OpaquePointer?
        guard sqlite3_prepare_v2(connection, text, -1, &prepared, nil) == SQLITE_OK,
            let statement = prepared
        else { throw error(text) }
        defer { sqlite3_finalize(statement) }
        for (index, value) in values.enumerated() {
            switch value {
            case .integer(let number):
                sqlite3_bind_int64(statement, Int32(index + 1), Int64(number))
            case .text(let words):
                notes_bind_text(statement, Int32(index + 1), words, Int32(words.utf8.count))
            }
        }
        var results: [Result] = []
        while true {
            switch sqlite3_step(statement) {
            case SQLITE_ROW: results.append(read(Row(statement: statement)))
            case SQLITE_DONE: return results
            default: throw error(text)
            }
        }
    }

    private func error(_ statement: String) -> DatabaseError {
        DatabaseError(
            statement: statement, message: String(cString: sqlite3_errmsg(connection)))
    }
}
