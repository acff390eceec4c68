/* SPDX-License-Identifier: Apache-2.0
 *
 * study/stats.h: against published or hand-computed figures, and coverage of the intervals.
 */
#include <math.h>

#include "study/stats.h"

#include "test.h"

static void assert_near(double a, double b, double tolerance)
{
    if (!(fabs(a - b) <= tolerance))
        fail_msg("%.6f is not %.6f", a, b);
}

static void wilson_interval_is_as_published(void **unused)
{
    (void)unused;
    struct estimate e = stats_wilson(81, 263); /* Newcombe 1998, table I */
    assert_near(e.low, 0.2553, 5e-5);
    assert_near(e.high, 0.3662, 5e-5);
    e = stats_wilson(0, 20);
    assert_near(e.low, 0.0, 1e-12);
    assert_near(e.high, 0.1611, 5e-5);
    assert_true(isnan(stats_wilson(0, 0).value));
}

static void quantiles_lie_between_order_statistics(void **unused)
{
    (void)unused;
    const double sorted[] = {1, 2, 3, 4, 10};
    assert_near(stats_quantile(sorted, 5, 0.5), 3, 1e-12);
    assert_near(stats_quantile(sorted, 5, 0.9), 7.6, 1e-12);
    assert_near(stats_quantile(sorted, 5, 0.0), 1, 1e-12);
    assert_near(stats_quantile(sorted, 5, 1.0), 10, 1e-12);
    assert_near(stats_quantile(sorted, 1, 0.99), 1, 1e-12);
}

static void area_under_the_curve(void **unused)
{
    (void)unused;
    const double score[] = {0.1, 0.4, 0.35, 0.8};
    const unsigned char label[] = {0, 0, 1, 1};
    assert_near(stats_auc(score, label, 4, 1).value, 0.75, 1e-12);
    const double ties[] = {0.5, 0.5, 0.5, 0.5};
    assert_near(stats_auc(ties, label, 4, 1).value, 0.5, 1e-12);
    const unsigned char one[] = {1, 1, 1, 1};
    assert_true(isnan(stats_auc(score, one, 4, 1).value));
}

/* Of 200 intervals of a mean of 60 exponential values about 95 % hold the truth. */
static void bootstrap_intervals_cover(void **unused)
{
    (void)unused;
    struct rng rng;
    rng_init(&rng, 5);
    int mean_held = 0;
    int median_held = 0;
    for (int i = 0; i < 200; i++) {
        double values[60];
        for (size_t k = 0; k < 60; k++)
            values[k] = rng_exponential(&rng, 2.0);
        const size_t size = 60;
        const struct grouped grouped = {values, &size, 1};
        struct estimate e = stats_bootstrap_mean(&grouped, (uint64_t)i);
        mean_held += e.low <= 2.0 && 2.0 <= e.high;
        e = stats_bootstrap_quantile(&grouped, 0.5, (uint64_t)i);
        median_held += e.low <= 2.0 * log(2.0) && 2.0 * log(2.0) <= e.high;
    }
    assert_in_range(mean_held, 175, 199);
    assert_in_range(median_held, 175, 200);
}

/* Twelve groups of 20, each with a mean of its own: intervals that know the groups hold the common
 * mean, intervals that take the 240 values for independent ones mostly do not. */
static void bootstrap_intervals_know_groups(void **unused)
{
    (void)unused;
    struct rng rng;
    rng_init(&rng, 6);
    int known = 0;
    int median_known = 0;
    int unknown = 0;
    for (int i = 0; i < 100; i++) {
        double values[240];
        size_t sizes[12];
        size_t n = 240;
        for (size_t k = 0; k < 240; k++) {
            static double offset;
            if (k % 20 == 0)
                offset = 10.0 * rng_uniform(&rng);
            values[k] = offset + rng_uniform(&rng);
            sizes[k / 20] = 20;
        }
        const struct grouped groups = {values, sizes, 12};
        struct estimate e = stats_bootstrap_mean(&groups, (uint64_t)i);
        known += e.low <= 5.5 && 5.5 <= e.high;
        e = stats_bootstrap_quantile(&groups, 0.5, (uint64_t)i);
        median_known += e.low <= 5.5 && 5.5 <= e.high;
        e = stats_bootstrap_mean(&(struct grouped){values, &n, 1}, (uint64_t)i);
        unknown += e.low <= 5.5 && 5.5 <= e.high;
    }
    assert_in_range(known, 80, 100);
    assert_in_range(median_known, 80, 100);
    assert_in_range(unknown, 0, 60);
}

static void same_seed_same_numbers(void **unused)
{
    (void)unused;
    struct rng a;
    struct rng b;
    rng_init(&a, 3);
    rng_init(&b, 3);
    double sum = 0.0;
    for (int i = 0; i < 10000; i++) {
        double x = rng_exponential(&a, 0.5);
        assert_true(x == rng_exponential(&b, 0.5));
        sum += x;
    }
    assert_near(sum / 10000.0, 0.5, 0.02);
    for (int i = 0; i < 1000; i++)
        assert_true(rng_below(&a, 7) < 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wilson_interval_is_as_published),
        cmocka_unit_test(quantiles_lie_between_order_statistics),
        cmocka_unit_test(area_under_the_curve),
        cmocka_unit_test(bootstrap_intervals_cover),
        cmocka_unit_test(bootstrap_intervals_know_groups),
        cmocka_unit_test(same_seed_same_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
