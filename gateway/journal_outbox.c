/* SPDX-License-Identifier: Apache-2.0
 *
 * The journal as an outbox: which of its rows another place has acknowledged, in a table of one row
 * in the same file; see journal.h. That row also names the file, since sequences begin at 1 in
 * every file.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "journal_row.h"

#define BUSY_MS 1000

int journal_outbox_schema(sqlite3 *db)
{
    uint64_t random;
    char sql[256];
    if (getrandom(&random, sizeof(random), 0) != sizeof(random))
        return SQLITE_ERROR;
    snprintf(sql, sizeof(sql),
             "CREATE TABLE IF NOT EXISTS outbox (id INTEGER PRIMARY KEY CHECK (id = 1), file TEXT,"
             " acknowledged INTEGER); INSERT OR IGNORE INTO outbox VALUES (1, '%016llx', 0)",
             (unsigned long long)random);
    return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

int journal_outbox_write(sqlite3 *db, int64_t acknowledged)
{
    sqlite3_stmt *statement = NULL;
    int result = sqlite3_prepare_v2(db, "UPDATE outbox SET acknowledged = ? WHERE id = 1", -1,
                                    &statement, NULL);
    if (!result) {
        sqlite3_bind_int64(statement, 1, acknowledged);
        result = sqlite3_step(statement);
    }
    sqlite3_finalize(statement);
    return result == SQLITE_DONE ? SQLITE_OK : result;
}

int64_t journal_outbox_waiting(sqlite3 *db, int64_t acknowledged)
{
    sqlite3_stmt *statement = NULL;
    int64_t n = 0;
    if (!sqlite3_prepare_v2(db, "SELECT count(*) FROM requests WHERE sequence > ?", -1, &statement,
                            NULL)) {
        sqlite3_bind_int64(statement, 1, acknowledged);
        n = sqlite3_step(statement) == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    }
    sqlite3_finalize(statement);
    return n;
}

/* ---- reading ---- */

int journal_outbox_read(sqlite3 *db, struct journal_outbox *ret_outbox)
{
    static const char sql[] =
        "SELECT file, acknowledged, (SELECT coalesce(min(sequence), 0) FROM requests),"
        " (SELECT coalesce(max(sequence), 0) FROM requests) FROM outbox WHERE id = 1";
    sqlite3_stmt *select = NULL;
    int result = sqlite3_prepare_v2(db, sql, -1, &select, NULL);
    if (!result)
        result = sqlite3_step(select);
    if (result == SQLITE_ROW) {
        const char *file = (const char *)sqlite3_column_text(select, 0);
        *ret_outbox = (struct journal_outbox){.acknowledged = sqlite3_column_int64(select, 1),
                                              .first = sqlite3_column_int64(select, 2),
                                              .last = sqlite3_column_int64(select, 3)};
        snprintf(ret_outbox->file, sizeof(ret_outbox->file), "%s", file ? file : "");
    }
    sqlite3_finalize(select);
    return result == SQLITE_ROW ? SQLITE_OK : result == SQLITE_DONE ? SQLITE_EMPTY : result;
}

int journal_read_outbox(const char *path, struct journal_outbox *ret_outbox, char *why, size_t n)
{
    sqlite3 *db = NULL;
    int result = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
    if (!result) {
        sqlite3_busy_timeout(db, BUSY_MS);
        result = journal_outbox_read(db, ret_outbox);
    }
    if (result)
        snprintf(why, n, "journal %s: %s", path, db ? sqlite3_errstr(result) : "out of memory");
    sqlite3_close(db);
    return result ? -1 : 0;
}

/* SQLite keeps no lock on this file, so closing it again loosens none. */
int journal_make_durable(const char *path, char *why, size_t n)
{
    char wal[4096];
    if (snprintf(wal, sizeof(wal), "%s-wal", path) >= (int)sizeof(wal)) {
        snprintf(why, n, "journal %s: its path is too long", path);
        return -1;
    }
    const int fd = open(wal, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return 0; /* all of it is in the file */
    const int result = fd < 0 ? -1 : fdatasync(fd);
    if (result)
        snprintf(why, n, "journal %s: %s", wal, strerror(errno));
    if (fd >= 0)
        close(fd);
    return result;
}
