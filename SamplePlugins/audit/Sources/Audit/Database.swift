import CAuditSQLite

/// What SQLite would not do.
struct DatabaseError: Error {
    let statement: String
    let message: String
}

/// A value for a place in a statement.
enum Value {
    case integer(Int)
    case text(String)
    case bytes([UInt8])
}

/// A row of a result, valid until the next one is asked for.
struct Row {
    let statement: OpaquePointer

    func integer(_ column: Int32) -> Int { Int(sqlite3_column_int64(statement, column)) }

    func text(_ column: Int32) -> String { String(decoding: bytes(column), as: UTF8.self) }

    func bytes(_ column: Int32) -> [UInt8] {
        guard let bytes = sqlite3_column_blob(statement, column) else { return [] }
        let count = Int(sqlite3_column_bytes(statement, column))
        return Array(UnsafeRawBufferPointer(start: bytes, count: count))
    }
}

/// One connection to a database file, which keeps its statements. Whoever has it sees to it that
/// it is used by one at a time.
final class Database {
    private static let busyMilliseconds: Int32 = 5_000
    private var connection: OpaquePointer?
    private var statements: [String: OpaquePointer] = [:]

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
        for statement in statements.values { sqlite3_finalize(statement) }
        statements = [:]
        sqlite3_close_v2(connection)
        connection = nil
    }

    var lastInsertedID: Int { Int(sqlite3_last_insert_rowid(connection)) }

    func run(_ statement: String, _ values: Value...) throws {
        try each(statement, values) { _ in true }
    }

    /// What the first row has; nil when there is none.
    func first<Result>(
        _ statement: String, _ values: Value..., read: (Row) -> Result
    ) throws -> Result? {
        var result: Result?
        try each(statement, values) { row in
            result = read(row)
            return false
        }
        return result
    }

    /// Hands each row to the body, until that returns false.
    func each(_ statement: String, _ values: Value..., body: (Row) throws -> Bool) throws {
        try each(statement, values, body: body)
    }

    private func each(
        _ text: String, _ values: [Value], body: (Row) throws -> Bool
    ) throws {
        let statement = try prepared(text)
        defer {
            sqlite3_reset(statement)
            sqlite3_clear_bindings(statement)
        }
        for (index, value) in values.enumerated() {
            let place = Int32(index + 1)
            switch value {
            case .integer(let number): sqlite3_bind_int64(statement, place, Int64(number))
            case .text(let words):
                audit_bind_text(statement, place, words, Int32(words.utf8.count))
            case .bytes(let bytes):
                // Without an address it would be NULL.
                if bytes.isEmpty {
                    sqlite3_bind_zeroblob(statement, place, 0)
                } else {
                    audit_bind_blob(statement, place, bytes, Int32(bytes.count))
                }
            }
        }
        while true {
            switch sqlite3_step(statement) {
            case SQLITE_ROW:
                guard try body(Row(statement: statement)) else { return }
            case SQLITE_DONE: return
            default: throw error(text)
            }
        }
    }

    private func prepared(_ text: String) throws -> OpaquePointer {
        if let statement = statements[text] { return statement }
        var prepared: OpaquePointer?
        guard sqlite3_prepare_v2(connection, text, -1, &prepared, nil) == SQLITE_OK,
            let statement = prepared
        else { throw error(text) }
        statements[text] = statement
        return statement
    }

    private func error(_ statement: String) -> DatabaseError {
        DatabaseError(
            statement: statement, message: String(cString: sqlite3_errmsg(connection)))
    }
}
