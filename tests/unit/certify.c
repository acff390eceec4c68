/* SPDX-License-Identifier: Apache-2.0
 *
 * src/certify.c: the counts that certify, Ville's inequality, the fixed sequence, drift, binomial
 * bounds.
 */
#include <math.h>

#include "certify.h"

#include "test.h"

/* xorshift64*: uniform in [0, 1). */
static double uniform(uint64_t *seed)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return (double)((*seed * 2685821657736338717u) >> 11) / 9007199254740992.0;
}

static const struct eprocess fresh = {.best = -INFINITY};

/* The audits after which k losses, seen first, no longer stand in the way. */
static unsigned audits_to_certify(double alpha, double delta, unsigned k)
{
    struct certify_bets bets;
    struct eprocess e = fresh;
    unsigned n = 0;
    moa_certify_bets(alpha, &bets);
    while (e.best < log(1.0 / delta)) {
        moa_eprocess_add(&e, &bets, n < k);
        n++;
    }
    return n;
}

static void smallest_number_of_audits_that_certifies(void **unused)
{
    (void)unused;
    static const struct {
        double alpha;
        unsigned n[3]; /* after 0, 1 and 3 losses */
    } cases[] = {{0.01, {315, 587, 953}},
                 {0.02, {157, 292, 475}},
                 {0.03, {104, 194, 316}},
                 {0.05, {62, 116, 188}}};
    static const unsigned losses[3] = {0, 1, 3};
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        for (size_t k = 0; k < 3; k++)
            assert_int_equal(audits_to_certify(cases[i].alpha, 0.1, losses[k]), cases[i].n[k]);
    }
    /* The same, from where it stands. */
    struct certify_bets bets;
    struct eprocess e = fresh;
    moa_certify_bets(0.03, &bets);
    assert_int_equal(moa_certify_missing(&e, &bets, log(10.0), 1000), 104);
    assert_int_equal(moa_certify_missing(&e, &bets, log(10.0), 50), 50);
    moa_eprocess_add(&e, &bets, true);
    assert_int_equal(moa_certify_missing(&e, &bets, log(10.0), 1000), 193);
    /* What a resolution has to show: a quarter of alpha, half of delta; and what is left. */
    assert_int_equal(audits_to_certify(0.0075, 0.05, 0), 530);
    assert_int_equal(audits_to_certify(0.0225, 0.05, 0), 176);
}

static unsigned trials_to_certify(double alpha, double delta, unsigned k)
{
    unsigned n = k + 1;
    while (moa_binomial_cdf(k, n, alpha) > delta)
        n++;
    return n;
}

static void exact_binomial_is_the_yardstick(void **unused)
{
    (void)unused;
    static const unsigned losses[3] = {0, 1, 3};
    static const unsigned at_1[3] = {230, 388, 667}, at_3[3] = {76, 129, 221};
    for (size_t k = 0; k < 3; k++) {
        assert_int_equal(trials_to_certify(0.01, 0.1, losses[k]), at_1[k]);
        assert_int_equal(trials_to_certify(0.03, 0.1, losses[k]), at_3[k]);
    }
    assert_true(fabs(moa_binomial_cdf(2, 4, 0.5) - 11.0 / 16.0) < 1e-12);
    assert_true(moa_binomial_cdf(5, 5, 0.5) == 1.0);
    /* Against the sum of its terms. */
    for (unsigned k = 0; k < 60; k += 7) {
        double term = pow(0.9, 200), sum = term;
        for (unsigned i = 1; i <= k; i++) {
            term *= (200.0 - i + 1) / i * (0.1 / 0.9);
            sum += term;
        }
        assert_true(fabs(moa_binomial_cdf(k, 200, 0.1) - sum) < 1e-11);
    }
    for (unsigned k = 0; k < 20; k += 3) {
        const double bound = moa_binomial_bound(k, 300, 0.1);
        assert_true(fabs(moa_binomial_cdf(k, 300, bound) - 0.1) < 1e-6);
    }
    assert_true(moa_binomial_bound(7, 7, 0.1) == 1.0);
    assert_true(fabs(moa_binomial_bound(0, 100, 0.1) - (1.0 - pow(0.1, 0.01))) < 1e-9);
}

/* Looked at after each of 2,000 audits: while the share is alpha, at most one in ten is certified
 * ever. Three standard deviations of 1,000 runs are 2.8 %. */
static void wrong_certificates_are_rare_however_often_one_looks(void **unused)
{
    (void)unused;
    static const double alphas[] = {0.01, 0.03, 0.2};
    for (size_t i = 0; i < N_TESTS(alphas); i++) {
        struct certify_bets bets;
        uint64_t seed = 5 + i;
        unsigned n_wrong = 0;
        moa_certify_bets(alphas[i], &bets);
        for (int run = 0; run < 1000; run++) {
            struct eprocess e = fresh;
            for (int n = 0; n < 2000 && e.best < log(10.0); n++)
                moa_eprocess_add(&e, &bets, uniform(&seed) < alphas[i]);
            n_wrong += e.best >= log(10.0);
        }
        assert_true(n_wrong <= 100 + 28);
        assert_true(n_wrong > 10); /* a bound that is never reached would be a weak one */
    }
}

/* Share lost 0.2 alpha at the strictest of ten thresholds, twice alpha at the last: nested. */
static void sequence_stops_before_the_first_bad_threshold(void **unused)
{
    (void)unused;
    const double alpha = 0.05;
    struct certify_bets bets;
    uint64_t seed = 99;
    unsigned n_broken = 0;
    unsigned n_some = 0;
    moa_certify_bets(alpha, &bets);
    for (int run = 0; run < 500; run++) {
        struct eprocess e[10];
        unsigned certified = 0;
        for (size_t g = 0; g < 10; g++)
            e[g] = fresh;
        for (int n = 0; n < 1500; n++) {
            const double u = uniform(&seed);
            for (int g = 0; g < 10; g++)
                moa_eprocess_add(&e[g], &bets, u < 0.2 * (g + 1) * alpha);
            const unsigned before = certified;
            certified = moa_certify_sequence(e, 10, log(10.0), certified);
            assert_true(certified >= before);
        }
        n_broken += certified > 5; /* the fifth loses alpha itself */
        n_some += certified > 0;
    }
    assert_true(n_broken <= 50 + 20);
    assert_true(n_some > 490);
}

static void a_certified_threshold_needs_all_stricter_ones(void **unused)
{
    (void)unused;
    const struct eprocess e[4] = {{.best = 3.0}, {.best = 1.0}, {.best = 9.0}, {.best = 9.0}};
    assert_int_equal(moa_certify_sequence(e, 4, 2.3, 0), 1);
    assert_int_equal(moa_certify_sequence(e, 4, 0.5, 0), 4);
    assert_int_equal(moa_certify_sequence(e, 4, 5.0, 0), 0);
    assert_int_equal(moa_certify_sequence(e, 4, 5.0, 2), 4); /* what was certified stays */
}

/* The chance of an alarm within n audits is at most n / 5,000 while the bound holds. */
static void alarms_are_rare_while_the_bound_holds_and_come_soon_when_not(void **unused)
{
    (void)unused;
    struct certify_bets bets;
    uint64_t seed = 3;
    unsigned n_false = 0;
    moa_certify_bets(0.03, &bets);
    for (int run = 0; run < 1000; run++) {
        struct drift d = {.r = {0}};
        bool alarm = false;
        for (int n = 0; n < 500 && !alarm; n++) {
            moa_drift_add(&d, &bets, uniform(&seed) < 0.03);
            alarm = moa_drift_mean(&d) >= CERTIFY_ALARM;
        }
        n_false += alarm;
    }
    assert_true(n_false <= 100 + 29);
    double n_all = 0;
    for (int run = 0; run < 200; run++) {
        struct drift d = {.r = {0}};
        int n = 0;
        for (; n < 1000 && moa_drift_mean(&d) < CERTIFY_ALARM; n++)
            moa_drift_add(&d, &bets, uniform(&seed) < 0.4);
        assert_true(n < 100);
        n_all += n;
    }
    assert_true(n_all / 200 < 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(smallest_number_of_audits_that_certifies),
        cmocka_unit_test(exact_binomial_is_the_yardstick),
        cmocka_unit_test(wrong_certificates_are_rare_however_often_one_looks),
        cmocka_unit_test(sequence_stops_before_the_first_bad_threshold),
        cmocka_unit_test(a_certified_threshold_needs_all_stricter_ones),
        cmocka_unit_test(alarms_are_rare_while_the_bound_holds_and_come_soon_when_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
