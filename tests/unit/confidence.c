/* SPDX-License-Identifier: Apache-2.0
 *
 * src/confidence.c: the score before and after a fit.
 */
#include <math.h>

#include "confidence.h"

#include "test.h"

static double uniform(uint64_t *seed)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return (double)((*seed * 2685821657736338717u) >> 11) / 9007199254740992.0;
}

static double sigmoid(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

static struct moa_answer answer_of(enum moa_answer_form form, double p)
{
    return (struct moa_answer){
        .form = form, .n_tokens = 1, .p_min = p, .p_first = p, .p_top5 = fmin(1.0, p + 0.1)};
}

static void before_anything_is_known_the_score_is_the_probability(void **unused)
{
    (void)unused;
    struct confidence c;
    moa_confidence_prior(&c);
    for (int i = 1; i < 20; i++) {
        const struct moa_answer a = answer_of((enum moa_answer_form)(i % 7), i / 20.0);
        assert_true(fabs(moa_confidence_score(&c, &a) - i / 20.0) < 1e-12);
    }
    const struct moa_answer sure = answer_of(MOA_ANSWER_SHORT, 1.0);
    const struct moa_answer lost = answer_of(MOA_ANSWER_SHORT, 0.0);
    assert_true(moa_confidence_score(&c, &sure) > 0.99999);
    assert_true(moa_confidence_score(&c, &lost) < 0.00001);
    /* An engine that gives no probabilities: nothing speaks for the answer, nothing against it. */
    const struct moa_answer mute = {.form = MOA_ANSWER_LONG, .p_min = NAN};
    assert_true(moa_confidence_score(&c, &mute) == 0.0);
}

static void what_cannot_be_has_no_score(void **unused)
{
    (void)unused;
    struct confidence c;
    moa_confidence_prior(&c);
    static const double wrong[] = {NAN, -0.1, 1.1, INFINITY};
    for (size_t i = 0; i < N_TESTS(wrong); i++) {
        struct moa_answer a = answer_of(MOA_ANSWER_LETTER, 0.9);
        a.p_min = wrong[i];
        assert_true(moa_confidence_score(&c, &a) == 0.0);
        a = answer_of(MOA_ANSWER_LETTER, 0.9);
        a.p_top5 = wrong[i];
        assert_true(moa_confidence_score(&c, &a) == 0.0);
    }
    struct moa_answer a = answer_of((enum moa_answer_form)77, 0.9);
    assert_true(moa_confidence_score(&c, &a) == 0.0);
}

enum { N = 2000 };

/* Answers that are right with the probability sigmoid(a + b logit(p)). */
static void make(struct confidence_sample *samples, double a, double b, enum moa_answer_form form,
                 uint64_t seed)
{
    for (size_t i = 0; i < N; i++) {
        const double p = 0.02 + 0.96 * uniform(&seed);
        samples[i].answer = answer_of(form, p);
        samples[i].lost = uniform(&seed) >= sigmoid(a + b * log(p / (1.0 - p)));
    }
}

static void a_fit_finds_how_confidence_and_truth_hang_together(void **unused)
{
    (void)unused;
    static struct confidence_sample samples[N];
    static const double bs[][2] = {{0.0, 1.0}, {1.0, 0.5}, {-2.0, 1.5}};
    for (size_t k = 0; k < N_TESTS(bs); k++) {
        struct confidence c;
        make(samples, bs[k][0], bs[k][1], MOA_ANSWER_NUMBER, 17 + k);
        moa_confidence_fit(samples, N, &c);
        double error = 0.0;
        for (int i = 1; i < 20; i++) {
            const struct moa_answer a = answer_of(MOA_ANSWER_NUMBER, i / 20.0);
            const double truth = sigmoid(bs[k][0] + bs[k][1] * log(a.p_min / (1.0 - a.p_min)));
            error += fabs(moa_confidence_score(&c, &a) - truth) / 19.0;
        }
        assert_true(error < 0.03);
    }
}

static void without_samples_a_fit_is_the_prior(void **unused)
{
    (void)unused;
    struct confidence c, prior;
    moa_confidence_prior(&prior);
    moa_confidence_fit(NULL, 0, &c);
    for (size_t i = 0; i < CONFIDENCE_N; i++)
        assert_true(fabs(c.w[i] - prior.w[i]) < 1e-6);
}

/* Answers without any loss would be separable: the ridge keeps the weights finite. */
static void a_fit_of_nothing_but_successes_is_finite(void **unused)
{
    (void)unused;
    static struct confidence_sample samples[N];
    struct confidence c;
    make(samples, 100.0, 0.0, MOA_ANSWER_LETTER, 23);
    moa_confidence_fit(samples, N, &c);
    for (size_t i = 0; i < CONFIDENCE_N; i++)
        assert_true(fabs(c.w[i]) < 20.0);
    const struct moa_answer a = answer_of(MOA_ANSWER_LETTER, 0.5);
    assert_true(moa_confidence_score(&c, &a) > 0.95);
}

static void forms_have_offsets_of_their_own(void **unused)
{
    (void)unused;
    static struct confidence_sample samples[2 * N];
    struct confidence c;
    make(samples, 2.0, 1.0, MOA_ANSWER_YES_NO, 31);
    make(samples + N, -2.0, 1.0, MOA_ANSWER_LONG, 37);
    moa_confidence_fit(samples, N * 2, &c);
    const struct moa_answer yes = answer_of(MOA_ANSWER_YES_NO, 0.5);
    const struct moa_answer tale = answer_of(MOA_ANSWER_LONG, 0.5);
    assert_true(moa_confidence_score(&c, &yes) > 0.75);
    assert_true(moa_confidence_score(&c, &tale) < 0.25);
}

/* Whatever follows, whole answers never score above what was said to be within reach. */
static void what_is_within_reach_bounds_every_continuation(void **unused)
{
    (void)unused;
    uint64_t seed = 43;
    for (int run = 0; run < 2000; run++) {
        struct confidence c;
        moa_confidence_prior(&c);
        for (size_t i = 0; run % 3 && i < CONFIDENCE_N; i++)
            c.w[i] += 2.0 * uniform(&seed) - 1.0;
        struct moa_answer so_far = answer_of(MOA_ANSWER_LONG, uniform(&seed));
        so_far.n_tokens = 1 + (size_t)(4 * uniform(&seed));
        const double reach = moa_confidence_reach(&c, &so_far, 64);
        struct moa_answer whole = so_far;
        for (int k = 0; k < 20; k++) {
            whole.form = (enum moa_answer_form)(7 * uniform(&seed));
            whole.n_tokens = so_far.n_tokens + (size_t)((64 - 5) * uniform(&seed));
            whole.p_min = so_far.p_min * uniform(&seed);
            assert_true(moa_confidence_score(&c, &whole) <= reach + 1e-12);
        }
        if (run % 3 == 0) /* with the prior weights it is p_min */
            assert_true(fabs(reach - fmax(so_far.p_min, 1e-6)) < 1e-6);
    }
    struct confidence c;
    moa_confidence_prior(&c);
    const struct moa_answer mute = {.form = MOA_ANSWER_LONG};
    assert_true(moa_confidence_reach(&c, &mute, 64) == 1.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(before_anything_is_known_the_score_is_the_probability),
        cmocka_unit_test(what_cannot_be_has_no_score),
        cmocka_unit_test(a_fit_finds_how_confidence_and_truth_hang_together),
        cmocka_unit_test(without_samples_a_fit_is_the_prior),
        cmocka_unit_test(a_fit_of_nothing_but_successes_is_finite),
        cmocka_unit_test(what_is_within_reach_bounds_every_continuation),
        cmocka_unit_test(forms_have_offsets_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
