/* SPDX-License-Identifier: Apache-2.0
 *
 * study/stats.h: against published or hand-computed figures and those of SciPy 1.x, NumPy and
 * scikit-learn (computed beforehand), and coverage of the intervals.
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

static void wilson_interval_is_scipys(void **unused)
{
    (void)unused;
    static const struct {
        double right;
        size_t n;
        double low, high;
    } cases[] = {
        {1, 1, 0.206549314, 1.000000000},       {0, 1, 0.000000000, 0.793450686},
        {5, 7, 0.358934452, 0.917781076},       {50, 100, 0.403831530, 0.596168470},
        {999, 1000, 0.994357441, 0.999823454},  {3165, 4377, 0.709650479, 0.736154287},
        {3673, 4377, 0.827978761, 0.849744920}, {7, 214354, 0.000015819, 0.000067413},
    };
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        struct estimate e = stats_wilson(cases[i].right, cases[i].n);
        assert_near(e.value, cases[i].right / (double)cases[i].n, 1e-12);
        assert_near(e.low, cases[i].low, 2e-6); /* 1.96 for 1.959964 */
        assert_near(e.high, cases[i].high, 2e-6);
    }
}

static void quantiles_are_numpys(void **unused)
{
    (void)unused;
    static const double p[] = {0.01, 0.05, 0.25, 0.5, 0.9, 0.95, 0.99};
    static const double two[] = {-0.22, 18.16};
    static const double of_two[] = {-0.0362, 0.699, 4.375, 8.97, 16.322, 17.241, 17.9762};
    static const double three[] = {7.73, 8.19, 11.67};
    static const double of_three[] = {7.7392, 7.776, 7.96, 8.19, 10.974, 11.322, 11.6004};
    static const double ten[] = {1.92, 5.78, 6.54, 7.33, 8.59, 8.87, 9.07, 9.14, 10.9, 23.29};
    static const double of_ten[] = {2.2674, 3.657, 6.7375, 8.73, 12.139, 17.7145, 22.1749};
    for (size_t i = 0; i < N_TESTS(p); i++) {
        assert_near(stats_quantile(two, 2, p[i]), of_two[i], 1e-9);
        assert_near(stats_quantile(three, 3, p[i]), of_three[i], 1e-9);
        assert_near(stats_quantile(ten, 10, p[i]), of_ten[i], 1e-9);
    }
    double mixed[] = {3, -1, 2, 2, 0};
    stats_sort(mixed, 5);
    for (size_t i = 1; i < 5; i++)
        assert_true(mixed[i - 1] <= mixed[i]);
    assert_near(stats_mean(mixed, 5), 1.2, 1e-12);
}

static void area_is_scikit_learns(void **unused)
{
    (void)unused;
    static const double nine[] = {-2.2, -0.5, 0.3, -0.6, 1.6, -1.2, 0.4, -1.0, 1.4};
    static const unsigned char of_nine[] = {0, 0, 0, 1, 1, 0, 1, 0, 1};
    static const double more[] = {-0.8, -0.8, 1.4,  -1.5, -0.6, -0.3, 0.2,
                                  0.6,  -1.2, -1.7, 0.0,  1.2,  0.8,  0.2};
    static const unsigned char of_more[] = {0, 0, 1, 0, 0, 0, 1, 1, 0, 1, 1, 1, 0, 0};
    static const double most[] = {-0.6, 0.5,  -2.3, 1.2, 1.1,  -1.3, -1.0, -0.8, 0.0,
                                  0.6,  2.0,  -0.2, 0.8, 0.2,  1.8,  0.7,  1.4,  -1.1,
                                  -0.2, -0.8, 1.5,  0.7, -0.3, -0.5, 0.5};
    static const unsigned char of_most[] = {0, 0, 0, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1,
                                            1, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 1};
    assert_near(stats_auc(nine, of_nine, 9, 1).value, 0.9, 1e-12);
    assert_near(stats_auc(more, of_more, 14, 1).value, 0.739583333333, 1e-9);
    struct estimate e = stats_auc(most, of_most, 25, 1);
    assert_near(e.value, 0.897435897436, 1e-9);
    assert_true(e.low < e.value && e.value < e.high && e.high <= 1.0 && e.low > 0.6);
}

static void random_numbers_and_hashes_are_the_published_ones(void **unused)
{
    (void)unused;
    struct rng rng;
    rng_init(&rng, 0); /* splitmix64 from 0, then xoshiro256** */
    assert_true(rng.s[0] == 0xe220a8397b1dcdafu && rng.s[3] == 0xf88bb8a8724c81ecu);
    assert_true(rng_next(&rng) == 0x99ec5f36cb75f2b4u);
    assert_true(stats_hash("") == 0xcbf29ce484222325u);
    assert_true(stats_hash("a") == 0xaf63dc4c8601ec8cu);
    assert_true(stats_hash("foobar") == 0x85944171f73967e8u);
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
        cmocka_unit_test(wilson_interval_is_scipys),
        cmocka_unit_test(quantiles_are_numpys),
        cmocka_unit_test(area_is_scikit_learns),
        cmocka_unit_test(random_numbers_and_hashes_are_the_published_ones),
        cmocka_unit_test(quantiles_lie_between_order_statistics),
        cmocka_unit_test(area_under_the_curve),
        cmocka_unit_test(bootstrap_intervals_cover),
        cmocka_unit_test(bootstrap_intervals_know_groups),
        cmocka_unit_test(same_seed_same_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
