/* SPDX-License-Identifier: Apache-2.0
 *
 * study/record.h and study/analysis.h: records survive being written and read, the last word on a
 * question counts, and the computed lines are what one gets by hand.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "study/analysis.h"

#include "test.h"

static const struct condition base = {
    .dataset = "set", .policy = "edge", .load = "rate=1", .link_mbps = NAN, .seed = 1};

static struct record record_of(const char *policy, const char *item, double correct,
                               double total_ms, double pixels)
{
    struct record r = {.condition = base,
                       .item = item,
                       .category = "",
                       .ok = true,
                       .plan = strcmp(policy, "edge") == 0 ? "edge" : "cloud",
                       .correct = correct,
                       .total_ms = total_ms,
                       .ttft_ms = total_ms / 2,
                       .features = {.known = true, .pixels = pixels}};
    r.condition.policy = policy;
    return r;
}

/* A folder with these records, gone again with remove_folder(). */
static void write_folder(char folder[32], const struct record *records, size_t n)
{
    char path[64];
    snprintf(folder, 32, "unit-analysis-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/requests.jsonl", folder);
    FILE *out = fopen(path, "we");
    assert_non_null(out);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(record_write(out, &records[i]), 0);
    fputs("{\"half a li", out);
    fclose(out);
}

static void remove_folder(const char *folder)
{
    char path[64];
    snprintf(path, sizeof(path), "%s/requests.jsonl", folder);
    unlink(path);
    rmdir(folder);
}

static void computed_lines_are_what_one_gets_by_hand(void **unused)
{
    (void)unused;
    char folder[32];
    const struct record written[] = {
        record_of("edge", "a", 1.0, 10, 100),   record_of("edge", "b", 0.0, 20, 400),
        record_of("edge", "c", 1.0, 30, 300),   record_of("edge", "d", 0.0, 40, 200),
        record_of("cloud", "a", 1.0, 100, 100), record_of("cloud", "b", 1.0, 100, 400),
        record_of("cloud", "c", 0.0, 100, 300), record_of("cloud", "d", 0.0, 100, 200),
    };
    write_folder(folder, written, N_TESTS(written));
    struct records records = {0};
    struct analysis analysis;
    assert_int_equal(records_read(folder, &records), 0);
    assert_int_equal(records.n, 8);
    assert_int_equal(records.n_bad, 1);
    assert_int_equal(analysis_make(&records, &analysis), 0);
    assert_int_equal(analysis.n, 1);

    const struct sample *edge = analysis_find(&analysis.settings[0], "edge");
    assert_non_null(edge);
    assert_true(edge->accuracy.value == 0.5 && edge->mean_ms.value == 25.0);
    assert_true(edge->cloud_share == 0.0 && edge->ttft_ms.value == 12.5);

    size_t n;
    struct pair *pairs = analysis_pairs(&analysis.settings[0], &n);
    assert_int_equal(n, 4);
    struct reference r = analysis_oracle(pairs, n);
    assert_true(fabs(r.accuracy - 0.75) < 1e-12 && fabs(r.cloud_share - 0.25) < 1e-12);
    assert_true(fabs(r.mean_ms - (10 + 100 + 30 + 40) / 4.0) < 1e-12);
    r = analysis_random(pairs, n, 0.5);
    assert_true(fabs(r.accuracy - 0.5) < 1e-12 && fabs(r.mean_ms - 62.5) < 1e-12);
    /* The largest two, b and c, to the cloud: b becomes right, c wrong. */
    r = analysis_route(pairs, n, SCORE_PIXELS, 0.5);
    assert_true(fabs(r.accuracy - 0.5) < 1e-12 && fabs(r.mean_ms - 62.5) < 1e-12);
    r = analysis_route(pairs, n, SCORE_PIXELS, 0.25);
    assert_true(fabs(r.accuracy - 0.75) < 1e-12);
    free(pairs);
    analysis_done(&analysis);
    records_done(&records);
    remove_folder(folder);
}

static void threshold_is_judged_on_the_other_half(void **unused)
{
    (void)unused;
    enum { N = 400 };
    static struct record edge[N];
    static struct record cloud[N];
    static char items[N][16];
    static struct pair pairs[2 * N];
    double scores[N];
    struct rng rng;
    rng_init(&rng, 9);
    for (size_t i = 0; i < N; i++) {
        snprintf(items[i], sizeof(items[i]), "item-%zu", i);
        scores[i] = rng_uniform(&rng);
        edge[i] = record_of("edge", items[i], scores[i] < 0.7, 10, 1);
        cloud[i] = record_of("cloud", items[i], 1.0, 10, 1);
        pairs[i] = (struct pair){&edge[i], &cloud[i]};
    }
    struct routed r = analysis_best_tau(pairs, scores, N);
    assert_true(fabs(r.tau[0] - 0.7) < 0.03 && fabs(r.tau[1] - 0.7) < 0.03);
    assert_true(r.accuracy > 0.97 && fabs(r.cloud_share - 0.3) < 0.06);
    /* Of the 30 % that gain, all are found instead of 30 %. */
    assert_true(r.gain.low > 0.1 && fabs(r.gain.value - 0.3 * 0.7) < 0.04);

    for (size_t i = 0; i < N; i++)
        scores[i] = rng_uniform(&rng);
    r = analysis_best_tau(pairs, scores, N);
    assert_true(r.gain.low < 0.0 && fabs(r.gain.value) < 0.06);

    for (size_t i = 0; i < N; i++)
        pairs[N + i] = pairs[i];
    assert_int_equal(analysis_unique(pairs, (size_t)2 * N), N);
}

/* Ten requests a second for ten seconds, each answered `late_ms` after it came in. */
static bool is_behind(double late_ms, double slower_ms)
{
    enum { N = 100 };
    static struct record written[N];
    static char items[N][16];
    char folder[32];
    for (size_t i = 0; i < N; i++) {
        snprintf(items[i], sizeof(items[i]), "%03zu", i);
        written[i] = record_of("edge", items[i], 1.0, late_ms + slower_ms * (double)i, 1);
        written[i].scheduled_s = 0.1 * (double)i;
    }
    write_folder(folder, written, N);
    struct records records = {0};
    struct analysis analysis;
    assert_int_equal(records_read(folder, &records), 0);
    assert_int_equal(analysis_make(&records, &analysis), 0);
    const struct sample s = analysis.settings[0].samples[0];
    assert_true(fabs(s.arrived_per_s - 10.1) < 0.1 && s.answered_per_s <= s.arrived_per_s);
    analysis_done(&analysis);
    records_done(&records);
    remove_folder(folder);
    return s.behind;
}

static void policy_that_does_not_keep_up_is_told_from_a_slow_one(void **unused)
{
    (void)unused;
    assert_false(is_behind(50, 0));
    assert_false(is_behind(900, 0));
    assert_true(is_behind(50, 30));
}

static void last_success_counts_and_failures_are_wrong(void **unused)
{
    (void)unused;
    char folder[32];
    struct record failed = record_of("edge", "a", NAN, NAN, 1);
    failed.ok = false;
    failed.error = "gone";
    struct record lost = failed;
    lost.item = "b";
    const struct record written[] = {failed, record_of("edge", "a", 1.0, 10, 1), failed, lost};
    write_folder(folder, written, N_TESTS(written));
    struct records records = {0};
    struct analysis analysis;
    assert_int_equal(records_read(folder, &records), 0);
    assert_int_equal(records.n, 2);
    assert_int_equal(analysis_make(&records, &analysis), 0);
    const struct sample *edge = &analysis.settings[0].samples[0];
    assert_int_equal(edge->n_failed, 1);
    assert_true(edge->accuracy.value == 0.5 && edge->mean_ms.value == 10.0);
    analysis_done(&analysis);
    records_done(&records);
    remove_folder(folder);
}

static void scores_together_find_what_one_of_them_knows(void **unused)
{
    (void)unused;
    enum { N = 200 };
    static struct record records[N];
    static char items[N][16];
    const struct record *pointers[N];
    unsigned char labels[N];
    double scores[N];
    struct rng rng;
    rng_init(&rng, 4);
    for (size_t i = 0; i < N; i++) {
        snprintf(items[i], sizeof(items[i]), "item-%zu", i);
        records[i] = record_of("edge", items[i], 1.0, 10, 1e6 * rng_uniform(&rng));
        records[i].features.entropy = rng_uniform(&rng);
        labels[i] = records[i].features.entropy + 0.2 * rng_uniform(&rng) > 0.6;
        pointers[i] = &records[i];
    }
    analysis_combine(pointers, labels, N, scores);
    assert_true(stats_auc(scores, labels, N, 1).value > 0.9);
    /* Labels that nothing knows are not learned by heart. */
    for (size_t i = 0; i < N; i++)
        labels[i] = rng_uniform(&rng) > 0.5;
    analysis_combine(pointers, labels, N, scores);
    assert_true(stats_auc(scores, labels, N, 1).value < 0.65);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(computed_lines_are_what_one_gets_by_hand),
        cmocka_unit_test(threshold_is_judged_on_the_other_half),
        cmocka_unit_test(policy_that_does_not_keep_up_is_told_from_a_slow_one),
        cmocka_unit_test(last_success_counts_and_failures_are_wrong),
        cmocka_unit_test(scores_together_find_what_one_of_them_knows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
