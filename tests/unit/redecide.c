/* SPDX-License-Identifier: Apache-2.0
 *
 * study/redecide.c: what of a journal is read for the rows that are decided again.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "study/redecide.h"

#include "test.h"

#define N_ROWS 20

static char folder[] = "unit-redecide-XXXXXX";
static char path[64];
static int64_t begin_ms;

/* A request a second, each with an audit; they carry no docket, so that nothing is decided. */
static int write_journal(void **state)
{
    (void)state;
    char why[256] = "", id[N_ROWS][16];
    struct journal *journal;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/journal.db", folder);
    const struct journal_options options = {
        .path = path, .max_age_ms = INT64_C(86400000), .max_bytes = 1 << 30};
    assert_int_equal(journal_open(&options, &journal, why, sizeof(why)), 0);
    begin_ms = ((int64_t)time(NULL) - 100) * 1000;
    for (int i = 0; i < N_ROWS; i++) {
        snprintf(id[i], sizeof(id[i]), "request-%d", i);
        journal_add(journal, &(struct journal_row){.time_ms = begin_ms + 1000 * i,
                                                   .id = id[i],
                                                   .plan = "edge",
                                                   .status = 200});
        journal_add_audit(journal,
                          &(struct journal_audit){.time_ms = begin_ms + 1000 * i, .id = id[i]});
    }
    journal_close(journal);
    return 0;
}

static int remove_journal(void **state)
{
    (void)state;
    static const char *const ends[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < N_TESTS(ends); i++) {
        char name[80];
        snprintf(name, sizeof(name), "%s%s", path, ends[i]);
        unlink(name);
    }
    return rmdir(folder);
}

static void reads(struct journal_filter filter, size_t n_rows, size_t n_audits)
{
    static const struct budget_terms no_prices;
    struct redecision r;
    char why[256] = "";
    assert_int_equal(redecision_init(&r, &no_prices), 0);
    if (redecision_read(&r, path, &filter, why, sizeof(why)))
        fail_msg("%s", why);
    assert_int_equal(r.n_rows, n_rows);
    assert_int_equal(r.n_audits, n_audits);
    redecision_done(&r);
}

static void audits_are_read_of_the_rows_that_are(void **state)
{
    (void)state;
    struct journal_filter f = journal_filter_all(100);
    reads(f, N_ROWS, N_ROWS);
    f.after_sequence = 4; /* one row in the middle: its own audit, and not all that came later */
    f.before_sequence = 6;
    reads(f, 1, 1);
    f = journal_filter_all(3);
    reads(f, 3, 3);
    f = journal_filter_all(100);
    f.since_ms = begin_ms + 1000 * 15;
    f.before_sequence = 18;
    reads(f, 2, 2);
    f.after_sequence = 17; /* none */
    reads(f, 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(audits_are_read_of_the_rows_that_are),
    };
    return cmocka_run_group_tests(tests, write_journal, remove_journal);
}
