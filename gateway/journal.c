/* SPDX-License-Identifier: Apache-2.0
 *
 * The writing side of the journal; see journal.h. The queue and its counts are under one lock; the
 * database belongs to the thread alone. WAL and synchronous=NORMAL: a killed process or a power
 * failure may cost the last rows, never the file.
 */
#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include "journal_clock.h"
#include "journal_row.h"
#include "log.h"

#define QUEUE_ROWS 8192
#define BATCH_ROWS 512
#define BUSY_MS 2000 /* another process writes to the file: SQLite waits so long, */
#define BUSY_TRIES 5 /* this many tries, while further rows queue up */
#define GATHER_MS 50 /* rows that come close together are one transaction */
#define DELETE_ROUNDS_MAX 16

enum { REQUESTS, AUDITS, SPENDING, LABELS, TABLES };
static const struct journal_table *const tables[TABLES] = {&journal_requests, &journal_audits,
                                                           &journal_spendings, &journal_labels};

struct journal_item {
    int table;
    void *row; /* a copy */
};

struct journal {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct journal_item queue[QUEUE_ROWS]; /* a ring */
    size_t first, n;
    bool ending, full;
    struct journal_counts counts;
    struct journal_kept kept; /* to be written */
    bool keeps, acknowledges;
    int64_t acknowledged; /* to be written */
    int64_t max_age_ms, max_bytes;

    sqlite3 *db; /* the thread's */
    int64_t written_acknowledged;
    bool is_outbox;
    sqlite3_stmt *insert[TABLES];
    bool failing; /* said once, until a batch is written again */
    struct journal_clock clock;
};

static int64_t now_ms(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- the thread: rows to SQLite ---- */

static int64_t pragma(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement;
    int64_t value = 0;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return value;
}

static void delete_where(sqlite3 *db, const char *sql, int64_t value)
{
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK) {
        sqlite3_bind_int64(statement, 1, value);
        sqlite3_step(statement);
    }
    sqlite3_finalize(statement);
}

static int64_t used_bytes(sqlite3 *db)
{
    int64_t pages = pragma(db, "PRAGMA page_count") - pragma(db, "PRAGMA freelist_count");
    return pages * pragma(db, "PRAGMA page_size");
}

/* Audits of requests that are gone. */
static void delete_orphans(sqlite3 *db)
{
    sqlite3_exec(db, "DELETE FROM audits WHERE time_ms < (SELECT min(time_ms) FROM requests)", NULL,
                 NULL, NULL);
}

/* An eighth of all rows at most, in case that the clock is wrong. */
static void delete_old(struct journal *j, int64_t now, int64_t max_age_ms)
{
    delete_where(j->db,
                 "DELETE FROM requests WHERE sequence IN (SELECT sequence FROM requests "
                 "WHERE time_ms < ? ORDER BY time_ms "
                 "LIMIT (SELECT max(1, count(*) / 8) FROM requests))",
                 now - max_age_ms);
    delete_orphans(j->db);
    delete_where(j->db, "DELETE FROM spending WHERE time_ms < ?", now - JOURNAL_SPENDING_MS);
}

/* The oldest eighth as long as there is too much. */
static void delete_surplus(struct journal *j, int64_t max_bytes)
{
    for (int round = 0; round < DELETE_ROUNDS_MAX && used_bytes(j->db) > max_bytes; round++) {
        delete_where(j->db,
                     "DELETE FROM requests WHERE sequence <= "
                     "(SELECT min(sequence) + (max(sequence) - min(sequence)) / ? FROM requests)",
                     8);
        delete_orphans(j->db);
    }
    sqlite3_exec(j->db, "PRAGMA incremental_vacuum", NULL, NULL, NULL);
}

static int64_t n_waiting(struct journal *j)
{
    return j->is_outbox ? journal_outbox_waiting(j->db, j->written_acknowledged) : 0;
}

/* Returns how many rows were deleted before they were acknowledged. */
static int64_t keep_bounds(struct journal *j, int64_t max_age_ms, int64_t max_bytes)
{
    const int64_t now = now_ms(CLOCK_REALTIME);
    const bool is_due = journal_clock_due(&j->clock, now, now_ms(CLOCK_BOOTTIME));
    const bool is_full = used_bytes(j->db) > max_bytes;
    if (!is_due && !is_full)
        return 0;
    const int64_t before = n_waiting(j);
    if (is_due)
        delete_old(j, now, max_age_ms);
    if (is_full)
        delete_surplus(j, max_bytes);
    return before - n_waiting(j);
}

static int insert(struct journal *j, const struct journal_item *item)
{
    sqlite3_stmt *statement = j->insert[item->table];
    journal_row_bind(tables[item->table], item->row, statement);
    int result = sqlite3_step(statement);
    sqlite3_reset(statement);
    return result == SQLITE_DONE ? 0 : -1;
}

static int write_batch(struct journal *j, const struct journal_item *items, size_t n)
{
    int err = SQLITE_BUSY;
    for (int i = 0; i < BUSY_TRIES && err == SQLITE_BUSY; i++)
        err = sqlite3_exec(j->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    for (size_t i = 0; i < n && !err; i++)
        err = insert(j, &items[i]);
    if (!err)
        err = sqlite3_exec(j->db, "COMMIT", NULL, NULL, NULL);
    if (!err) {
        j->failing = false;
        return 0;
    }
    if (!j->failing)
        log_event(LOG_LEVEL_ERROR, "journal-failed", "rows=%zu error=%s", n,
                  log_quote(sqlite3_errmsg(j->db)).s);
    j->failing = true;
    if (!sqlite3_get_autocommit(j->db))
        sqlite3_exec(j->db, "ROLLBACK", NULL, NULL, NULL);
    return -1;
}

static size_t pop_batch(struct journal *j, struct journal_item *items)
{
    size_t n = j->n < BATCH_ROWS ? j->n : BATCH_ROWS;
    for (size_t i = 0; i < n; i++)
        items[i] = j->queue[(j->first + i) % QUEUE_ROWS];
    j->first = (j->first + n) % QUEUE_ROWS;
    j->n -= n;
    return n;
}

/* Said once, until the disk takes it again. */
static void write_kept(struct journal *j, const struct journal_kept *kept)
{
    int err = SQLITE_BUSY;
    for (int i = 0; i < BUSY_TRIES && err == SQLITE_BUSY; i++)
        err = journal_kept_write(j->db, kept, now_ms(CLOCK_REALTIME));
    if (err && !j->failing)
        log_event(LOG_LEVEL_ERROR, "journal-failed", "table=guarantee error=%s",
                  log_quote(sqlite3_errmsg(j->db)).s);
    j->failing = err != SQLITE_OK;
}

/* Waits with the lock held until there is something to write, or it is time to sweep. */
static void wait_for_rows(struct journal *j)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += JOURNAL_SWEEP_MS / 1000;
    int err = 0;
    while (j->n == 0 && !j->keeps && !j->acknowledges && !j->ending && !err)
        err = pthread_cond_timedwait(&j->work, &j->lock, &until);
    if (j->n == 0 || j->n >= BATCH_ROWS || j->ending)
        return;
    pthread_mutex_unlock(&j->lock);
    nanosleep(&(struct timespec){.tv_nsec = GATHER_MS * 1000000L}, NULL);
    pthread_mutex_lock(&j->lock);
}

/* If it fails, rows are sent twice at worst. */
static void write_acknowledged(struct journal *j, int64_t sequence)
{
    if (!journal_outbox_write(j->db, sequence))
        j->written_acknowledged = sequence;
}

static void *write_rows(void *arg)
{
    struct journal *j = arg;
    struct journal_item items[BATCH_ROWS];
    pthread_mutex_lock(&j->lock);
    for (;;) {
        wait_for_rows(j);
        size_t n = pop_batch(j, items);
        struct journal_kept kept = j->kept;
        const bool keeps = j->keeps, acknowledges = j->acknowledges;
        const int64_t acknowledged = j->acknowledged;
        j->kept = (struct journal_kept){0};
        j->keeps = j->acknowledges = false;
        int64_t max_age_ms = j->max_age_ms, max_bytes = j->max_bytes;
        bool over = j->ending && n == 0 && !keeps && !acknowledges;
        pthread_mutex_unlock(&j->lock);
        if (over)
            return NULL;
        bool failed = n > 0 && write_batch(j, items, n);
        size_t n_rows = 0;
        for (size_t i = 0; i < n; i++) {
            n_rows += items[i].table == REQUESTS || items[i].table == AUDITS;
            free(items[i].row);
        }
        if (keeps)
            write_kept(j, &kept);
        journal_kept_done(&kept);
        if (acknowledges)
            write_acknowledged(j, acknowledged);
        const int64_t lost = keep_bounds(j, max_age_ms, max_bytes);
        pthread_mutex_lock(&j->lock);
        j->counts.lost += lost > 0 ? (uint64_t)lost : 0;
        j->counts.written += failed ? 0 : n_rows;
        j->counts.failed += failed ? n_rows : 0;
    }
}

/* ---- opening and closing ---- */

static int fail(struct journal *j, char *why, size_t n, const char *path)
{
    const char *reason = j->db ? sqlite3_errmsg(j->db) : "out of memory";
    snprintf(why, n, "journal %s: %s", path, reason);
    return -1;
}

/* The file is made here, readable for its owner only; SQLite gives its other files the same mode.
 */
static int make_file(const char *path, char *why, size_t n)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        snprintf(why, n, "journal %s: %s", path, strerror(errno));
        return -1;
    }
    close(fd);
    return 0;
}

/* Makes the table unless it is there, adds the columns that it lacks, and prepares its insertion.
 */
static int prepare_table(struct journal *j, int i, bool is_old)
{
    const bool is_change = tables[i]->change != NULL; /* of a table that is there */
    char *schema = is_change ? strdup("") : journal_row_schema(tables[i]);
    char *sql = journal_row_insert(tables[i]);
    int err = schema && sql ? sqlite3_exec(j->db, schema, NULL, NULL, NULL) : SQLITE_NOMEM;
    if (!err && is_old && !is_change)
        err = journal_row_upgrade(tables[i], j->db);
    if (!err)
        err = sqlite3_prepare_v2(j->db, sql, -1, &j->insert[i], NULL);
    free(schema);
    free(sql);
    return err;
}

static int open_database(struct journal *j, const char *path, char *why, size_t n)
{
    if (make_file(path, why, n))
        return -1;
    if (sqlite3_open_v2(path, &j->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL))
        return fail(j, why, n, path);
    sqlite3_busy_timeout(j->db, BUSY_MS);
    static const char setup[] = "PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=WAL;"
                                "PRAGMA synchronous=NORMAL; PRAGMA journal_size_limit=4194304;"
                                "PRAGMA cache_size=-512;";
    if (sqlite3_exec(j->db, setup, NULL, NULL, NULL))
        return fail(j, why, n, path);
    int64_t version = pragma(j->db, "PRAGMA user_version");
    if (version > JOURNAL_VERSION) {
        snprintf(why, n, "journal %s: version %lld, this program writes version %d", path,
                 (long long)version, JOURNAL_VERSION);
        return -1;
    }
    int err = 0;
    for (int i = 0; i < TABLES && !err; i++)
        err = prepare_table(j, i, version > 0 && version < JOURNAL_VERSION);
    err = err ? err : journal_kept_schema(j->db);
    struct journal_outbox outbox = {.acknowledged = 0};
    if (!err && j->is_outbox && !(err = journal_outbox_schema(j->db)))
        err = journal_outbox_read(j->db, &outbox);
    j->written_acknowledged = outbox.acknowledged;
    char sql[48];
    snprintf(sql, sizeof(sql), "PRAGMA user_version=%d", JOURNAL_VERSION);
    err = err ? err : sqlite3_exec(j->db, sql, NULL, NULL, NULL);
    return err ? fail(j, why, n, path) : 0;
}

static int start_thread(struct journal *j)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int err = pthread_create(&j->thread, NULL, write_rows, j);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return err;
}

static void journal_free(struct journal *j)
{
    for (int i = 0; i < TABLES; i++)
        sqlite3_finalize(j->insert[i]);
    sqlite3_close(j->db);
    pthread_cond_destroy(&j->work);
    pthread_mutex_destroy(&j->lock);
    free(j);
}

int journal_open(const struct journal_options *options, struct journal **ret_journal, char *why,
                 size_t n)
{
    struct journal *j = calloc(1, sizeof(*j));
    if (!j) {
        snprintf(why, n, "out of memory");
        return -1;
    }
    pthread_mutex_init(&j->lock, NULL);
    pthread_condattr_t by_monotonic_clock;
    pthread_condattr_init(&by_monotonic_clock);
    pthread_condattr_setclock(&by_monotonic_clock, CLOCK_MONOTONIC);
    pthread_cond_init(&j->work, &by_monotonic_clock);
    pthread_condattr_destroy(&by_monotonic_clock);
    journal_set_bounds(j, options);
    j->is_outbox = options->is_outbox;
    int result = open_database(j, options->path, why, n);
    int err = result ? 0 : start_thread(j);
    if (err)
        snprintf(why, n, "journal: cannot start its thread: %s", strerror(err));
    if (result || err) {
        journal_free(j);
        return -1;
    }
    *ret_journal = j;
    return 0;
}

void journal_close(struct journal *j)
{
    if (!j)
        return;
    pthread_mutex_lock(&j->lock);
    j->ending = true;
    pthread_cond_signal(&j->work);
    pthread_mutex_unlock(&j->lock);
    pthread_join(j->thread, NULL);
    journal_free(j);
}

/* ---- from the loop ---- */

static void add(struct journal *j, int table, const void *row)
{
    void *copy = journal_row_copy(tables[table], row);
    pthread_mutex_lock(&j->lock);
    bool taken = copy && j->n < QUEUE_ROWS;
    bool say = false;
    if (taken) {
        j->queue[(j->first + j->n++) % QUEUE_ROWS] = (struct journal_item){table, copy};
        if (j->n == 1) {
            j->full = false;
            pthread_cond_signal(&j->work);
        }
    } else {
        j->counts.dropped++;
        say = !j->full;
        j->full = true;
    }
    pthread_mutex_unlock(&j->lock);
    if (!taken)
        free(copy);
    if (say)
        log_event(LOG_LEVEL_ERROR, "journal-full", "rows=%d error=\"the disk does not follow\"",
                  QUEUE_ROWS);
}

void journal_keep(struct journal *j, const struct journal_kept *kept)
{
    pthread_mutex_lock(&j->lock);
    struct journal_kept former = j->kept;
    j->kept = *kept;
    j->keeps = true;
    pthread_cond_signal(&j->work);
    pthread_mutex_unlock(&j->lock);
    journal_kept_done(&former);
}

void journal_acknowledge(struct journal *j, int64_t sequence)
{
    pthread_mutex_lock(&j->lock);
    j->acknowledged = sequence;
    j->acknowledges = true;
    pthread_cond_signal(&j->work);
    pthread_mutex_unlock(&j->lock);
}

void journal_add(struct journal *j, const struct journal_row *row)
{
    add(j, REQUESTS, row);
}

void journal_add_audit(struct journal *j, const struct journal_audit *audit)
{
    add(j, AUDITS, audit);
}

void journal_add_label(struct journal *j, const struct journal_label *label)
{
    add(j, LABELS, label);
}

void journal_add_spending(struct journal *j, const struct journal_spending *spending)
{
    struct journal_spending of_minute = *spending;
    of_minute.time_ms -= of_minute.time_ms % JOURNAL_MINUTE_MS;
    add(j, SPENDING, &of_minute);
}

void journal_set_bounds(struct journal *j, const struct journal_options *options)
{
    pthread_mutex_lock(&j->lock);
    j->max_age_ms = options->max_age_ms;
    j->max_bytes = options->max_bytes;
    pthread_mutex_unlock(&j->lock);
}

void journal_count(struct journal *j, struct journal_counts *ret_counts)
{
    pthread_mutex_lock(&j->lock);
    *ret_counts = j->counts;
    pthread_mutex_unlock(&j->lock);
}
