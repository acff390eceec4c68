/* SPDX-License-Identifier: Apache-2.0
 *
 * gateway/journal.h: what is written is read back, bounds hold, faults are said, and a killed
 * writer leaves a sound file.
 */
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include "gateway/journal.h"
#include "gateway/journal_clock.h"
#include "gateway/journal_row.h"
#include "gateway/log.h"

#include "journal_file.h"
#include "test.h"

static void a_row_is_read_back_as_written(void **state)
{
    (void)state;
    struct journal *journal = open_fresh();
    struct journal_row row = row_at(1700000000123, 200);
    row.time_ms = now_ms() / 1000 * 1000;
    row.key = "a \"quoted\", name\n";
    journal_add(journal, &row);
    journal_close(journal);

    struct seen seen = read_with(journal_filter_all(10));
    assert_int_equal(seen.n, 1);
    char json[2048], csv[512];
    snprintf(
        json, sizeof(json),
        "{\"sequence\":1,\"time_ms\":%lld,\"id\":\"id-1\",\"trace\":\"0123\",\"key\":\"a "
        "\\\"quoted\\\", "
        "name\\n\",\"policy\":\"paper\",\"settings\":\"paper.tau_text=0.4\",\"plan\":"
        "\"perceive-cloud\","
        "\"decision\":\"text=edge, image0=cloud\",\"reasons\":\"text=simple, image0=complex\","
        "\"scores\":\"text=0.100, image0=0.900\",\"fallback\":\"\",\"error\":\"\","
        "\"calls\":\"edge=answered\",\"dialect\":\"messages\",\"stages\":\"answer=9\","
        "\"status\":200,"
        "\"pinned\":false,\"stream\":false,\"images\":1,\"image_mode\":\"fast\",\"edge_load\":0.25,"
        "\"uplink_mbps\":null,\"confidence\":null,\"threshold\":0.9,\"edge_up\":true,\"cloud_"
        "up\":false,\"edge_bytes_up\":0,"
        "\"cloud_bytes_up\":12345,\"edge_prompt_tokens\":7,\"edge_completion_tokens\":3,"
        "\"cloud_prompt_tokens\":null,\"cloud_completion_tokens\":null,\"cost\":0.25,"
        "\"overhead_us\":500,"
        "\"first_byte_us\":null,\"total_us\":90000}\n",
        (long long)row.time_ms);
    assert_memory_equal(seen.text, json, strlen(json));
    snprintf(
        csv, sizeof(csv),
        "1,%lld,id-1,0123,\"a \"\"quoted\"\", name\n\",paper,paper.tau_text=0.4,perceive-cloud,"
        "\"text=edge, image0=cloud\",\"text=simple, image0=complex\","
        "\"text=0.100, "
        "image0=0.900\",,,edge=answered,messages,answer=9,200,0,0,1,fast,0.25,,,0.9,1,0,0,12345,7,"
        "3,,,0."
        "25,500,,"
        "90000\r\n",
        (long long)row.time_ms);
    assert_string_equal(seen.text + strlen(json), csv);
}

static void filters_choose_rows(void **state)
{
    (void)state;
    struct journal *journal = open_fresh();
    int64_t now = now_ms();
    for (int i = 0; i < 10; i++) {
        struct journal_row row = row_at(now - (10 - i) * 1000, i % 2 ? 200 : 502);
        row.key = i < 3 ? "early" : "late";
        row.fallback = i == 4 ? "edge timeout" : "";
        row.plan = i == 5 ? "edge" : "cloud";
        journal_add(journal, &row);
    }
    journal_close(journal);
    struct journal_filter all = journal_filter_all(100), f = all;
    assert_int_equal(read_with(f).n, 10);
    f.limit = 4;
    assert_int_equal(read_with(f).first, 7); /* the newest four, oldest first */
    assert_int_equal(read_with(f).last, 10);
    f.newest_first = true;
    assert_int_equal(read_with(f).first, 10);
    f = all, f.after_sequence = 8;
    assert_int_equal(read_with(f).n, 2);
    f = all, f.since_ms = now - 5500;
    assert_int_equal(read_with(f).n, 5);
    f = all, f.key = "early";
    assert_int_equal(read_with(f).n, 3);
    f = all, f.plan = "edge";
    assert_int_equal(read_with(f).first, 6);
    f = all, f.status_min = 500, f.status_max = 599;
    assert_int_equal(read_with(f).n, 5);
    f = all, f.fallback_only = true;
    assert_int_equal(read_with(f).first, 5);
}

static void old_rows_are_deleted(void **state)
{
    (void)state;
    remove_file();
    struct journal *journal = open_bounded(1000 * DAY_MS, 1 << 30);
    for (int i = 0; i < 10; i++) {
        struct journal_row row = row_at(now_ms() - i * DAY_MS - 1000, 200);
        journal_add(journal, &row);
    }
    journal_close(journal);
    /* Age is looked at with the first rows that are written, and an eighth goes at most. */
    size_t before = 10;
    for (int i = 0; i < 20; i++) {
        journal = open_bounded(3 * DAY_MS, 1 << 30);
        struct journal_row row = row_at(now_ms(), 200);
        journal_add(journal, &row);
        journal_close(journal);
        const size_t n = read_with(journal_filter_all(100)).n;
        assert_true(n + n / 8 + 1 >= before + 1);
        before = n;
    }
    assert_int_equal(before, 3 + 20);
}

static void ages_are_judged_by_a_clock_that_has_not_jumped(void **state)
{
    (void)state;
    const int64_t hour = JOURNAL_SWEEP_MS, month = 30 * DAY_MS, wall = 20000 * DAY_MS;
    struct journal_clock clock = {0};
    assert_true(journal_clock_due(&clock, wall, 5000));
    assert_false(journal_clock_due(&clock, wall + 1000, 6000)); /* too soon */
    /* Ahead for a moment between two looks: nobody sees it. */
    assert_false(journal_clock_due(&clock, wall + month, 7000));
    assert_true(journal_clock_due(&clock, wall + hour, 5000 + hour));
    /* Ahead at a look: not then, and not when it is set right, but an hour after that. */
    assert_false(journal_clock_due(&clock, wall + month, 5000 + 2 * hour));
    assert_false(journal_clock_due(&clock, wall + 3 * hour, 5000 + 3 * hour));
    assert_true(journal_clock_due(&clock, wall + 4 * hour, 5000 + 4 * hour));
    /* A clock that runs a little fast. */
    assert_true(journal_clock_due(&clock, wall + 5 * hour + 60000, 5000 + 5 * hour));
    /* From 1970 to now, as boards do that have no clock. */
    clock = (struct journal_clock){0};
    assert_true(journal_clock_due(&clock, 0, 5000));
    assert_false(journal_clock_due(&clock, wall, 5000 + hour));
    assert_true(journal_clock_due(&clock, wall + hour, 5000 + 2 * hour));
}

static int64_t file_bytes(void)
{
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    return status.st_size;
}

static void the_file_stays_within_its_size(void **state)
{
    (void)state;
    remove_file();
    int64_t max_bytes = 1 << 20;
    struct journal *journal = open_bounded(DAY_MS, max_bytes);
    struct journal_counts counts;
    uint64_t sent = 0;
    while (sent < 20000) {
        struct journal_row row = row_at(now_ms(), 200);
        journal_add(journal, &row);
        if (++sent % 500)
            continue;
        do { /* let it catch up: this is not about the queue */
            usleep(1000);
            journal_count(journal, &counts);
        } while (counts.written + counts.dropped + counts.failed < sent);
        assert_true(file_bytes() < 2 * max_bytes);
    }
    journal_close(journal);
    assert_int_equal(counts.written, sent);
    struct seen seen = read_with(journal_filter_all(100000));
    assert_int_equal(seen.last, (int64_t)sent);
    assert_true(seen.n > 500 && seen.n < sent);
    assert_int_equal(seen.last - seen.first + 1, (int64_t)seen.n); /* only the oldest went */
}

static void a_full_queue_drops_and_counts(void **state)
{
    (void)state;
    struct journal *journal = open_fresh();
    /* A reader that holds the write lock keeps the writer from getting on. */
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    const uint64_t sent = 20000;
    for (uint64_t i = 0; i < sent; i++) {
        struct journal_row row = row_at(now_ms(), 200);
        journal_add(journal, &row);
    }
    struct journal_counts counts;
    journal_count(journal, &counts);
    assert_true(counts.dropped > 0);
    sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    sqlite3_close(db);
    uint64_t dropped = counts.dropped;
    do {
        usleep(1000);
        journal_count(journal, &counts);
    } while (counts.written + counts.dropped + counts.failed < sent);
    assert_int_equal(counts.dropped, dropped);
    journal_close(journal);
    assert_int_equal(read_with(journal_filter_all(100000)).n, counts.written);
}

static void what_cannot_be_opened_is_said(void **state)
{
    (void)state;
    struct journal_options options = {
        .path = "/nonexistent/journal.db", .max_age_ms = DAY_MS, .max_bytes = 1 << 20};
    struct journal *journal;
    char why[256];
    assert_int_equal(journal_open(&options, &journal, why, sizeof(why)), -1);
    assert_non_null(strstr(why, "/nonexistent/journal.db"));
    remove_file();
    FILE *file = fopen(path, "w");
    fputs("this is not a database, whatever its name says; it is long enough to be read as one",
          file);
    fclose(file);
    options.path = path;
    assert_int_equal(journal_open(&options, &journal, why, sizeof(why)), -1);
    assert_non_null(strstr(why, "not a database"));
    struct journal_filter all = journal_filter_all(1);
    assert_int_equal(journal_read(path, &all, take, NULL, why, sizeof(why)), -1);
    remove_file();
}

/* ---- what is kept beside the rows ---- */

static void keep(struct journal *journal, const char *state, const char *page)
{
    const struct journal_kept kept = {strdup(state), strlen(state), strdup(page)};
    journal_keep(journal, &kept);
}

static void assert_kept(const char *state, const char *page)
{
    struct journal_kept kept;
    char why[256] = "";
    if (journal_read_kept(path, &kept, why, sizeof(why)))
        fail_msg("%s", why);
    assert_int_equal(kept.n_state, strlen(state));
    assert_memory_equal(kept.state, state, kept.n_state);
    assert_string_equal(kept.page, page);
    journal_kept_done(&kept);
}

static void the_newest_that_is_kept_is_read_back(void **state)
{
    (void)state;
    remove_file();
    struct journal *journal = open_bounded(DAY_MS, 1 << 20);
    struct journal_kept none = {.n_state = 7};
    char why[256];
    assert_int_equal(journal_read_kept(path, &none, why, sizeof(why)), 0);
    assert_true(!none.state && none.n_state == 0 && !none.page);
    for (int i = 0; i < 50; i++)
        keep(journal, "of old", "{}"); /* what was not written yet is replaced */
    keep(journal, "a state", "{\"a\":1}");
    journal_close(journal);
    assert_kept("a state", "{\"a\":1}");
    journal = open_bounded(DAY_MS, 1 << 20);
    assert_kept("a state", "{\"a\":1}");
    keep(journal, "", "");
    journal_close(journal);
    assert_kept("", "");
}

static void execute(const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void a_foreign_table_of_that_name_is_no_obstacle(void **state)
{
    (void)state;
    struct journal_kept kept = {0};
    char why[256] = "";
    remove_file();
    execute("CREATE TABLE guarantee (id INTEGER, what TEXT)");
    struct journal *journal = open_bounded(DAY_MS, 1 << 20);
    assert_int_equal(journal_read_kept(path, &kept, why, sizeof(why)), -1);
    assert_non_null(strstr(why, path));
    keep(journal, "a state", "{}");
    const struct journal_row row = row_at(now_ms(), 200);
    journal_add(journal, &row);
    journal_close(journal);
    assert_int_equal(read_with(journal_filter_all(10)).n, 1);
}

static void only_its_owner_can_read_it(void **state)
{
    (void)state;
    struct journal *journal = open_fresh();
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    journal_close(journal);
}

static void write_until_killed(void)
{
    struct journal *journal = open_bounded(DAY_MS, 1 << 20);
    for (;;) {
        struct journal_row row = row_at(now_ms(), 200);
        journal_add(journal, &row);
        usleep(20);
    }
}

static int count_row(const struct journal_row *row, void *arg)
{
    (void)row;
    ++*(size_t *)arg;
    return 0;
}

/* However slow the disk is, the file is there and has rows before its writer is killed. */
static void wait_for_rows(void)
{
    const struct journal_filter filter = journal_filter_all(1);
    size_t n = 0;
    for (int tries = 0; tries < 1200 && n == 0; tries++) {
        char why[256];
        if (journal_read(path, &filter, count_row, &n, why, sizeof(why)))
            n = 0;
        usleep(n == 0 ? 50000 : 0);
    }
    assert_int_equal(n, 1);
}

static void a_killed_writer_leaves_a_sound_file(void **state)
{
    (void)state;
    remove_file();
    for (int round = 0; round < 5; round++) {
        pid_t child = fork();
        if (child == 0)
            write_until_killed();
        wait_for_rows();
        usleep(200000);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        sqlite3 *db;
        sqlite3_stmt *statement;
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &statement, NULL);
        assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
        assert_string_equal(sqlite3_column_text(statement, 0), "ok");
        sqlite3_finalize(statement);
        sqlite3_close(db);
        assert_true(read_with(journal_filter_all(1 << 20)).n > 0);
    }
}

static int take_spending(const struct journal_spending *spending, void *arg)
{
    struct journal_spending *rows = arg;
    size_t i = 0;
    while (rows[i].sequence)
        i++;
    assert_in_range(i, 0, 7);
    rows[i] = *spending;
    rows[i].purpose = strcmp(spending->purpose, "audit") == 0 ? "audit" : "answer";
    return 0;
}

/* 10 answers of a minute are one row; another purpose, or another minute, is another. */
static void what_was_spent_is_added_up_by_the_minute(void **unused)
{
    (void)unused;
    const int64_t minute_ms = now_ms() / JOURNAL_MINUTE_MS * JOURNAL_MINUTE_MS;
    struct journal_spending rows[8] = {{.sequence = 0}};
    char why[256] = "";
    remove_file();
    for (int run = 0; run < 2; run++) {
        struct journal *journal = open_bounded(DAY_MS, 1 << 24);
        for (int64_t i = 0; i < 5; i++) {
            struct journal_spending s = {
                .time_ms = minute_ms + 11 * i, .purpose = "answer", .bytes = 100, .calls = 1};
            s.money = 0.25;
            journal_add_spending(journal, &s);
        }
        const struct journal_spending other[] = {
            {.time_ms = minute_ms, .purpose = "audit", .bytes = 7, .calls = 1, .money = 0.5},
            {.time_ms = minute_ms - 1, .purpose = "answer", .bytes = 1, .calls = 1},
            {.time_ms = minute_ms - 2 * DAY_MS, .purpose = "answer", .bytes = 1, .calls = 1},
        };
        for (size_t i = 0; i < N_TESTS(other); i++)
            journal_add_spending(journal, &other[i]);
        journal_close(journal);
    }
    assert_int_equal(journal_read_spending(path, minute_ms - JOURNAL_SPENDING_MS, take_spending,
                                           rows, why, sizeof(why)),
                     0);
    assert_true(rows[2].sequence && !rows[3].sequence);
    assert_true(rows[0].time_ms == minute_ms - JOURNAL_MINUTE_MS && rows[0].bytes == 2);
    const struct journal_spending *answers =
        strcmp(rows[1].purpose, "answer") ? &rows[2] : &rows[1];
    assert_true(answers->time_ms == minute_ms && answers->bytes == 1000 && answers->calls == 10);
    assert_true(fabs(answers->money - 2.5) < 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_is_read_back_as_written),
        cmocka_unit_test(filters_choose_rows),
        cmocka_unit_test(old_rows_are_deleted),
        cmocka_unit_test(ages_are_judged_by_a_clock_that_has_not_jumped),
        cmocka_unit_test(the_file_stays_within_its_size),
        cmocka_unit_test(a_full_queue_drops_and_counts),
        cmocka_unit_test(what_cannot_be_opened_is_said),
        cmocka_unit_test(the_newest_that_is_kept_is_read_back),
        cmocka_unit_test(a_foreign_table_of_that_name_is_no_obstacle),
        cmocka_unit_test(what_was_spent_is_added_up_by_the_minute),
        cmocka_unit_test(only_its_owner_can_read_it),
        cmocka_unit_test(a_killed_writer_leaves_a_sound_file),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
