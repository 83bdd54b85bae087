#include <sqlite3.h>

/* Binds text that SQLite copies; its own way of saying so is a cast that Swift cannot read. */
static inline int notes_bind_text(sqlite3_stmt *statement, int index, const char *text,
                                  int length) {
    return sqlite3_bind_text(statement, index, text, length, SQLITE_TRANSIENT);
}
