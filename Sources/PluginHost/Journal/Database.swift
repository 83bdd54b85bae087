internal import CSQLite
internal import HostModel

/// A connection to an SQLite file, for one thread at a time.
@safe
struct Database: ~Copyable {
    /// How long a call waits for another process that is writing.
    static let busyMilliseconds: Int32 = 5000

    private let handle: OpaquePointer
    private let path: String

    /// Opens the file, creating it when there is none.
    init(path: String) throws(HostError) {
        var opened: OpaquePointer?
        // One connection is used under a lock, so SQLite need not lock it as well.
        let flags =
            SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
        let status = unsafe sqlite3_open_v2(path, &opened, flags, nil)
        guard status == SQLITE_OK, let handle = unsafe opened else {
            // Even a failed attempt may leave a connection, which knows what happened.
            let message = unsafe String(cString: sqlite3_errmsg(opened))
            unsafe sqlite3_close_v2(opened)
            throw Self.failure(status, message, path)
        }
        unsafe sqlite3_busy_timeout(handle, Self.busyMilliseconds)
        unsafe self.handle = handle
        self.path = path
    }

    deinit { unsafe sqlite3_close_v2(handle) }

    /// Runs statements that give no rows.
    func run(_ sql: String) throws(HostError) {
        let status = unsafe sqlite3_exec(handle, sql, nil, nil, nil)
        guard status == SQLITE_OK else { throw failure(status) }
    }

    /// Runs one statement and hands each of its rows to the body.
    func query(
        _ sql: String, _ values: [Value] = [],
        each body: (borrowing Row) throws(HostError) -> Void = { _ in }
    ) throws(HostError) {
        var prepared: OpaquePointer?
        let status = unsafe sqlite3_prepare_v2(handle, sql, -1, &prepared, nil)
        guard status == SQLITE_OK, let statement = unsafe prepared else { throw failure(status) }
        defer { unsafe sqlite3_finalize(statement) }
        for (index, value) in values.enumerated() {
            let bound =
                switch value {
                case .integer(let number):
                    unsafe sqlite3_bind_int64(statement, Int32(index + 1), number)
                case .text(let text):
                    unsafe sqlite3_bind_text(
                        statement, Int32(index + 1), text, Int32(text.utf8.count), Self.copied)
                }
            guard bound == SQLITE_OK else { throw failure(bound) }
        }
        while true {
            switch unsafe sqlite3_step(statement) {
            case SQLITE_ROW: try unsafe body(Row(statement: statement))
            case SQLITE_DONE: return
            case let status: throw failure(status)
            }
        }
    }

    /// Runs the body as one transaction that takes the write lock first; it is undone when the body
    /// throws.
    func transaction<Result>(_ body: () throws(HostError) -> Result) throws(HostError) -> Result {
        try run("BEGIN IMMEDIATE")
        do throws(HostError) {
            let result = try body()
            try run("COMMIT")
            return result
        } catch {
            // SQLite may have rolled back by itself.
            guard unsafe sqlite3_get_autocommit(handle) == 0 else { throw error }
            do throws(HostError) {
                try run("ROLLBACK")
            } catch let second {
                throw error.also(second, during: "rollback")
            }
            throw error
        }
    }

    /// What is bound to a parameter.
    enum Value {
        case integer(Int64)
        case text(String)
    }

    /// One row of a result; good for the duration of the body that it is handed to.
    @safe
    struct Row: ~Copyable {
        fileprivate let statement: OpaquePointer

        fileprivate init(statement: OpaquePointer) { unsafe self.statement = statement }

        func integer(_ column: Int32) -> Int64 { unsafe sqlite3_column_int64(statement, column) }

        func text(_ column: Int32) -> String {
            guard let bytes = unsafe sqlite3_column_text(statement, column) else { return "" }
            let count = unsafe Int(sqlite3_column_bytes(statement, column))
            return unsafe String(
                decoding: UnsafeBufferPointer(start: bytes, count: count), as: UTF8.self)
        }
    }

    /// Tells SQLite to copy what is bound (its SQLITE_TRANSIENT, a cast that Swift does not
    /// import).
    private static var copied: sqlite3_destructor_type {
        unsafe unsafeBitCast(-1, to: sqlite3_destructor_type.self)
    }

    private func failure(_ status: Int32) -> HostError {
        Self.failure(status, unsafe String(cString: sqlite3_errmsg(handle)), path)
    }

    private static func failure(_ status: Int32, _ message: String, _ path: String) -> HostError {
        let code: HostError.Code
        let remedy: String
        // The low byte is the kind of failure, the rest says more.
        switch status & 0xFF {
        case SQLITE_CORRUPT, SQLITE_NOTADB:
            code = "journal_damaged"
            remedy =
                "restore it from a backup, or move it away together with its -wal and -shm files;"
                + " the installed plugins stay on the disk"
        case SQLITE_BUSY, SQLITE_LOCKED:
            code = "journal_busy"
            remedy = "end the process that is writing to it"
        case SQLITE_FULL:
            code = "journal_disk_full"
            remedy = "free some space on that file system"
        case SQLITE_READONLY, SQLITE_CANTOPEN, SQLITE_PERM, SQLITE_AUTH:
            code = "journal_unusable"
            remedy = "give the user of this process write access to the file and its directory"
        default:
            code = "journal_failed"
            remedy = "check the disk; the kernel log may have more"
        }
        return HostError(
            code, what: "the journal could not be used", subject: path,
            why: "\(message) (SQLite \(status))", fix: remedy)
    }
}
