/* SPDX-License-Identifier: Apache-2.0
 *
 * The reading side of the journal; see journal.h. A reader sees what was committed when it began
 * and never makes the writer wait.
 */
#include <stdlib.h>

#include "journal_row.h"

#define BUSY_MS 1000

struct journal_filter journal_filter_all(size_t limit)
{
    return (struct journal_filter){.status_max = 999, .limit = limit};
}

/* The newest rows that pass. */
#define PASSING                                                                                    \
    "FROM requests WHERE sequence > ?1"                                                            \
    " AND time_ms >= ?2 AND (?3 IS NULL OR key = ?3)"                                              \
    " AND (?4 IS NULL OR plan = ?4) AND status BETWEEN ?5 AND ?6"                                  \
    " AND (?9 = 0 OR sequence < ?9)"                                                               \
    " AND (NOT ?7 OR fallback <> '') ORDER BY sequence "
#define NEWEST PASSING "DESC LIMIT ?8"

/* Those, in the order asked for. As they come they are not copied into a table of their own first.
 */
static char *select_sql(sqlite3 *db, const struct journal_filter *filter)
{
    char *names = journal_row_names(&journal_requests, db);
    char *sql = NULL;
    const int n =
        !names                 ? -1
        : filter->takes_oldest ? asprintf(&sql, "SELECT %s " PASSING "LIMIT ?8", names)
        : filter->newest_first
            ? asprintf(&sql, "SELECT %s " NEWEST, names)
            : asprintf(&sql, "SELECT %s FROM (SELECT * " NEWEST ") ORDER BY sequence", names);
    if (n < 0)
        sql = NULL;
    free(names);
    return sql;
}

static void bind(sqlite3_stmt *select, const struct journal_filter *f)
{
    sqlite3_bind_int64(select, 1, f->after_sequence);
    sqlite3_bind_int64(select, 2, f->since_ms);
    sqlite3_bind_text(select, 3, f->key, -1, SQLITE_STATIC); /* NULL stays NULL */
    sqlite3_bind_text(select, 4, f->plan, -1, SQLITE_STATIC);
    sqlite3_bind_int64(select, 5, f->status_min);
    sqlite3_bind_int64(select, 6, f->status_max);
    sqlite3_bind_int(select, 7, f->fallback_only);
    sqlite3_bind_int64(select, 8, (int64_t)f->limit);
    sqlite3_bind_int64(select, 9, f->before_sequence);
}

static int read_rows(sqlite3 *db, const struct journal_filter *filter,
                     int (*take)(const struct journal_row *row, void *arg), void *arg)
{
    sqlite3_stmt *select = NULL;
    char *sql = select_sql(db, filter);
    int result = sql ? sqlite3_prepare_v2(db, sql, -1, &select, NULL) : SQLITE_NOMEM;
    free(sql);
    if (result)
        return -1;
    bind(select, filter);
    while ((result = sqlite3_step(select)) == SQLITE_ROW) {
        struct journal_row row;
        journal_row_take(&journal_requests, select, &row);
        if (take(&row, arg)) {
            result = SQLITE_DONE;
            break;
        }
    }
    sqlite3_finalize(select);
    return result == SQLITE_DONE ? 0 : -1;
}

static int read_span(sqlite3 *db, const struct journal_filter *filter,
                     struct journal_span *ret_span)
{
    sqlite3_stmt *select = NULL;
    int result = sqlite3_prepare_v2(
        db, "SELECT count(*), min(time_ms), max(time_ms) FROM (SELECT * " NEWEST ")", -1, &select,
        NULL);
    if (result)
        return -1;
    bind(select, filter);
    result = sqlite3_step(select);
    if (result == SQLITE_ROW)
        *ret_span = (struct journal_span){.n = (size_t)sqlite3_column_int64(select, 0),
                                          .first_ms = sqlite3_column_int64(select, 1),
                                          .last_ms = sqlite3_column_int64(select, 2)};
    sqlite3_finalize(select);
    return result == SQLITE_ROW ? 0 : -1;
}

/* The rows of a table from `since_ms` until `until_ms`, by time, each in `row` while `take` is
 * called. No such table: none. */
static int read_between(sqlite3 *db, const struct journal_table *table, int64_t since_ms,
                        int64_t until_ms, void *row, int (*take)(void *arg), void *arg)
{
    sqlite3_stmt *select = NULL;
    if (sqlite3_table_column_metadata(db, NULL, table->name, NULL, NULL, NULL, NULL, NULL, NULL))
        return 0;
    char *names = journal_row_names(table, db), *sql = NULL;
    if (!names || asprintf(&sql, "SELECT %s FROM %s WHERE time_ms BETWEEN ? AND ? ORDER BY time_ms",
                           names, table->name) < 0)
        sql = NULL;
    free(names);
    int result = sql ? sqlite3_prepare_v2(db, sql, -1, &select, NULL) : SQLITE_NOMEM;
    free(sql);
    if (result)
        return -1;
    sqlite3_bind_int64(select, 1, since_ms);
    sqlite3_bind_int64(select, 2, until_ms);
    while ((result = sqlite3_step(select)) == SQLITE_ROW) {
        journal_row_take(table, select, row);
        if (take(arg)) {
            result = SQLITE_DONE;
            break;
        }
    }
    sqlite3_finalize(select);
    return result == SQLITE_DONE ? 0 : -1;
}

static int open_file(const char *path, sqlite3 **ret_db)
{
    *ret_db = NULL;
    int result = sqlite3_open_v2(path, ret_db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
    if (!result)
        sqlite3_busy_timeout(*ret_db, BUSY_MS);
    return result;
}

static int close_file(sqlite3 *db, const char *path, int result, char *why, size_t n)
{
    if (result)
        snprintf(why, n, "journal %s: %s", path, db ? sqlite3_errmsg(db) : "out of memory");
    sqlite3_close(db);
    return result ? -1 : 0;
}

int journal_read(const char *path, const struct journal_filter *filter,
                 int (*take)(const struct journal_row *row, void *arg), void *arg, char *why,
                 size_t n)
{
    sqlite3 *db;
    int result = open_file(path, &db);
    if (!result)
        result = read_rows(db, filter, take, arg);
    return close_file(db, path, result, why, n);
}

int journal_read_span(const char *path, const struct journal_filter *filter,
                      struct journal_span *ret_span, char *why, size_t n)
{
    sqlite3 *db;
    int result = open_file(path, &db);
    if (!result)
        result = read_span(db, filter, ret_span);
    return close_file(db, path, result, why, n);
}

struct audit_reading {
    struct journal_audit row;
    int (*take)(const struct journal_audit *audit, void *arg);
    void *arg;
};

static int take_audit(void *arg)
{
    struct audit_reading *r = arg;
    return r->take(&r->row, r->arg);
}

int journal_read_audits(const char *path, int64_t since_ms, int64_t until_ms,
                        int (*take)(const struct journal_audit *audit, void *arg), void *arg,
                        char *why, size_t n)
{
    sqlite3 *db;
    struct audit_reading r = {.take = take, .arg = arg};
    int result = open_file(path, &db);
    if (!result)
        result = read_between(db, &journal_audits, since_ms, until_ms, &r.row, take_audit, &r);
    return close_file(db, path, result, why, n);
}

struct spending_reading {
    struct journal_spending row;
    int (*take)(const struct journal_spending *spending, void *arg);
    void *arg;
};

static int take_spending(void *arg)
{
    struct spending_reading *r = arg;
    return r->take(&r->row, r->arg);
}

int journal_read_spending(const char *path, int64_t since_ms,
                          int (*take)(const struct journal_spending *spending, void *arg),
                          void *arg, char *why, size_t n)
{
    sqlite3 *db;
    struct spending_reading r = {.take = take, .arg = arg};
    int result = open_file(path, &db);
    if (!result)
        result =
            read_between(db, &journal_spendings, since_ms, INT64_MAX, &r.row, take_spending, &r);
    return close_file(db, path, result, why, n);
}
