/* SPDX-License-Identifier: Apache-2.0
 *
 * gateway/journal.h: the journal as outbox, and what of a row is told to a fleet.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "gateway/journal.h"
#include "gateway/journal_row.h"

#include "journal_file.h"
#include "test.h"

static struct journal *open_outbox(int64_t max_bytes)
{
    return open_with(
        (struct journal_options){.max_age_ms = DAY_MS, .max_bytes = max_bytes, .is_outbox = true});
}

static struct journal_outbox read_outbox(void)
{
    struct journal_outbox outbox;
    char why[256] = "";
    if (journal_read_outbox(path, &outbox, why, sizeof(why)))
        fail_msg("%s", why);
    return outbox;
}

static void add_rows(struct journal *journal, int n)
{
    struct journal_row row = row_at(now_ms(), 200);
    for (int i = 0; i < n; i++)
        journal_add(journal, &row);
}

static void an_outbox_knows_what_is_acknowledged(void **state)
{
    (void)state;
    char why[256];
    struct journal_outbox outbox;
    remove_file();
    journal_close(open_bounded(DAY_MS, 1 << 30));
    assert_int_equal(journal_read_outbox(path, &outbox, why, sizeof(why)), -1);
    struct journal *journal = open_outbox(1 << 30);
    add_rows(journal, 5);
    journal_acknowledge(journal, 2);
    journal_acknowledge(journal, 3);
    journal_close(journal);
    outbox = read_outbox();
    assert_int_equal(outbox.acknowledged, 3);
    assert_int_equal(outbox.first, 1);
    assert_int_equal(outbox.last, 5);
    assert_int_equal(strlen(outbox.file), 16);
    /* The file keeps its name, another has another. */
    journal_close(open_outbox(1 << 30));
    assert_string_equal(read_outbox().file, outbox.file);
    assert_int_equal(read_outbox().acknowledged, 3);
    remove_file();
    journal_close(open_outbox(1 << 30));
    assert_string_not_equal(read_outbox().file, outbox.file);
    assert_int_equal(read_outbox().last, 0);
}

static void the_oldest_rows_behind_one_are_read(void **state)
{
    (void)state;
    struct journal *journal = open_fresh();
    add_rows(journal, 9);
    journal_close(journal);
    struct journal_filter filter = journal_filter_all(3);
    filter.after_sequence = 4;
    filter.takes_oldest = true;
    const struct seen seen = read_with(filter);
    assert_int_equal(seen.n, 3);
    assert_int_equal(seen.first, 5);
    assert_int_equal(seen.last, 7);
}

static void rows_that_go_before_they_are_acknowledged_are_counted(void **state)
{
    (void)state;
    enum { BATCH = 500, MOST = 40 };
    struct journal_counts counts = {0};
    remove_file();
    struct journal *journal = open_outbox(1 << 20);
    int64_t n = 0;
    for (int i = 0; i < MOST && counts.lost == 0; i++, n += BATCH) {
        add_rows(journal, BATCH);
        for (int tries = 0; tries < 1000 && counts.written < (uint64_t)(n + BATCH); tries++) {
            nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
            journal_count(journal, &counts);
        }
    }
    journal_close(journal);
    struct journal_outbox outbox = read_outbox();
    assert_true(counts.lost > 0);
    assert_int_equal(outbox.last, n);
    assert_int_equal((int64_t)counts.lost, outbox.first - 1);

    /* What is acknowledged is not lost when it goes. */
    journal = open_outbox(1 << 20);
    journal_acknowledge(journal, n);
    journal_close(journal);
    journal = open_outbox(1 << 20);
    add_rows(journal, BATCH);
    counts.written = 0;
    for (int tries = 0; tries < 1000 && counts.written < BATCH; tries++) {
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
        journal_count(journal, &counts);
    }
    journal_close(journal);
    assert_int_equal(counts.lost, 0);
}

static void what_is_told_of_a_row_is_decided_for_every_column(void **state)
{
    (void)state;
    static const char *const kept[] = {"id", "trace", "key", "settings", "docket"};
    size_t n_kept = 0;
    for (size_t i = 0; i < journal_requests.n_columns; i++) {
        const char *name = journal_requests.columns[i].name;
        bool is_kept = false;
        for (size_t k = 0; k < N_TESTS(kept); k++)
            is_kept |= strcmp(kept[k], name) == 0;
        n_kept += is_kept;
        bool is_told = false;
        for (size_t k = 0; journal_told_name(k); k++)
            is_told |= strcmp(journal_told_name(k), name) == 0;
        assert_int_equal(is_told, !is_kept);
    }
    assert_int_equal(n_kept, N_TESTS(kept));
}

static void what_is_told_of_a_row_has_words_of_ours_alone(void **state)
{
    (void)state;
    char text[2048] = "";
    struct journal_row row = row_at(1700000000123, 200);
    row.sequence = 7;
    row.id = row.trace = row.key = row.settings = "secret";
    row.docket = (struct moa_bytes){"secret", 6};
    row.error = "http://secret.example/?a=b";
    row.calls = "edge=\"secret\"";
    row.fallback = "secret\nsecret";
    FILE *out = fmemopen(text, sizeof(text), "w");
    journal_print_told(&row, "b1", "0123456789abcdef", out);
    fclose(out);
    assert_null(strstr(text, "secret"));
    assert_null(strstr(text, "error"));
    assert_non_null(
        strstr(text, "{\"box\":\"b1\",\"journal\":\"0123456789abcdef\",\"sequence\":7,"));
    assert_non_null(strstr(text, "\"scores\":\"text=0.100, image0=0.900\""));
    assert_non_null(strstr(text, "\"edge_up\":true,\"cloud_up\":false"));
    assert_null(strstr(text, "uplink_mbps")); /* unknown */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_outbox_knows_what_is_acknowledged),
        cmocka_unit_test(the_oldest_rows_behind_one_are_read),
        cmocka_unit_test(rows_that_go_before_they_are_acknowledged_are_counted),
        cmocka_unit_test(what_is_told_of_a_row_is_decided_for_every_column),
        cmocka_unit_test(what_is_told_of_a_row_has_words_of_ours_alone),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
