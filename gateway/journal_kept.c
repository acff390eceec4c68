/* SPDX-License-Identifier: Apache-2.0
 *
 * The one row of the journal's file that is no request: what a learning policy has learned, and
 * the page that says what it promises; see journal.h.
 */
#include <stdlib.h>
#include <string.h>

#include "journal_row.h"

#define BUSY_MS 1000
#define KEPT_BYTES_MAX (16 << 20)

int journal_kept_schema(sqlite3 *db)
{
    return sqlite3_exec(db,
                        "CREATE TABLE IF NOT EXISTS guarantee (id INTEGER PRIMARY KEY"
                        " CHECK (id = 1), time_ms INTEGER, state BLOB, page TEXT)",
                        NULL, NULL, NULL);
}

int journal_kept_write(sqlite3 *db, const struct journal_kept *kept, int64_t time_ms)
{
    sqlite3_stmt *statement = NULL;
    int result = sqlite3_prepare_v2(db, "INSERT OR REPLACE INTO guarantee VALUES (1, ?, ?, ?)", -1,
                                    &statement, NULL);
    if (!result) {
        sqlite3_bind_int64(statement, 1, time_ms);
        sqlite3_bind_blob64(statement, 2, kept->state, kept->n_state, SQLITE_STATIC);
        sqlite3_bind_text(statement, 3, kept->page, -1, SQLITE_STATIC);
        result = sqlite3_step(statement);
    }
    sqlite3_finalize(statement);
    return result == SQLITE_DONE ? SQLITE_OK : result;
}

void journal_kept_done(struct journal_kept *kept)
{
    free(kept->state);
    free(kept->page);
    *kept = (struct journal_kept){0};
}

/* A row may be anything: another program may have written it. */
static int take(sqlite3_stmt *select, struct journal_kept *kept)
{
    const void *state = sqlite3_column_blob(select, 0);
    const int n_state = sqlite3_column_bytes(select, 0);
    const char *page = (const char *)sqlite3_column_text(select, 1);
    const int n_page = sqlite3_column_bytes(select, 1);
    if (n_state < 0 || n_state > KEPT_BYTES_MAX || n_page < 0 || n_page > KEPT_BYTES_MAX)
        return SQLITE_TOOBIG;
    kept->n_state = state ? (size_t)n_state : 0;
    kept->state = malloc(kept->n_state + 1);
    kept->page = strndup(page ? page : "", page ? (size_t)n_page : 0);
    if (!kept->state || !kept->page)
        return SQLITE_NOMEM;
    if (state)
        memcpy(kept->state, state, kept->n_state);
    return SQLITE_OK;
}

static int read_row(sqlite3 *db, struct journal_kept *kept)
{
    sqlite3_stmt *select = NULL;
    int result = sqlite3_prepare_v2(
        db, "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'guarantee'", -1,
        &select, NULL);
    if (!result && sqlite3_step(select) == SQLITE_ROW && sqlite3_column_int(select, 0) == 0) {
        sqlite3_finalize(select);
        return SQLITE_OK; /* of a version that kept nothing */
    }
    sqlite3_finalize(select);
    select = NULL;
    if (!result)
        result = sqlite3_prepare_v2(db, "SELECT state, page FROM guarantee WHERE id = 1", -1,
                                    &select, NULL);
    if (!result) {
        result = sqlite3_step(select);
        result = result == SQLITE_ROW ? take(select, kept) : result == SQLITE_DONE ? 0 : result;
    }
    sqlite3_finalize(select);
    return result;
}

int journal_read_kept(const char *path, struct journal_kept *ret_kept, char *why, size_t n)
{
    sqlite3 *db = NULL;
    struct journal_kept kept = {0};
    int result = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
    if (!result) {
        sqlite3_busy_timeout(db, BUSY_MS);
        result = read_row(db, &kept);
    }
    if (result)
        snprintf(why, n, "journal %s: %s", path, db ? sqlite3_errstr(result) : "out of memory");
    sqlite3_close(db);
    if (result)
        journal_kept_done(&kept);
    else
        *ret_kept = kept;
    return result ? -1 : 0;
}
