/* SPDX-License-Identifier: Apache-2.0
 *
 * src/group.c: sums of bets over boxes, in any order and any number of times; counts that lie; the
 * group's certificate as soon as one box with as many audits would have one, and how often it is
 * wrong. Sums of anything else than fixed bets would fail here, and are shown to break the bound.
 */
#include <stdlib.h>

#include "group_boxes.h"

/* ---- what is added ---- */

/* What the code must not add: evidence that each box has mixed, or maximised, for itself. */
static double added_of(const struct moa_group_counts *boxes, size_t n, size_t t, bool best)
{
    struct certify_bets bets;
    double sum = 0.0;
    moa_certify_bets(0.03, &bets);
    for (size_t i = 0; i < n; i++) {
        struct eprocess e = {.best = -INFINITY};
        if (best) /* at best: all that was lost came at the end */
            moa_eprocess_set(&e, &bets, boxes[i].n_audits - boxes[i].lost[t], 0);
        moa_eprocess_set(&e, &bets, boxes[i].n_audits, boxes[i].lost[t]);
        sum += e.best;
    }
    return sum;
}

/* From a program of its own: the logarithm of the mean over m of
 * prod_b (r_m / alpha)^k_b ((1 - r_m) / (1 - alpha))^(n_b - k_b). */
static void fixed_bets_are_added_before_they_are_mixed(void **unused)
{
    (void)unused;
    static const uint32_t n[] = {60, 40, 90, 70}, k[] = {0, 1, 2, 0};
    const struct moa_group_plan plan = plan_of(1);
    struct moa_group *g = group_of(&plan);
    struct moa_group_counts boxes[4];
    for (unsigned i = 0; i < 4; i++)
        boxes[i] = counted(&plan, i, n[i], k[i]);
    hear(g, &boxes[2]);
    hear(g, &boxes[1]);
    hear(g, &boxes[0]);
    hear(g, &boxes[3]);
    const struct moa_group_certificate c = certificate_of(g);
    assert_int_equal(c.n_audits, 260);
    assert_int_equal(c.n_lost, 3);
    assert_int_equal(c.n_boxes, 4);
    assert_true(fabs(c.largest - 90.0 / 260.0) < 1e-12);
    assert_false(c.certified);
    assert_true(isinf(c.threshold));
    for (size_t t = 0; t < MOA_THRESHOLDS; t++) {
        assert_true(fabs(log(c.curve[t].evidence) - 1.3342339388343976) < 1e-12);
        /* These are far away, so that code which adds them fails above. */
        assert_true(fabs(added_of(boxes, 4, t, false) - 1.8619631251815356) < 1e-12);
        assert_true(added_of(boxes, 4, t, true) > 3.0);
    }
    moa_group_free(g);
}

/* Boxes at no risk and boxes at twice alpha and a little: on average above alpha. How often each
 * way of adding certifies what is wrong. */
static void other_sums_break_the_bound(void **unused)
{
    (void)unused;
    enum { BOXES = 20, RUNS = 60, ROUNDS = 60 };
    const struct moa_group_plan plan = plan_of(1);
    const double bar = log(10.0);
    uint64_t seed = 17;
    unsigned n_wrong = 0, n_mixed = 0, n_best = 0;
    for (int run = 0; run < RUNS; run++) {
        struct moa_group *g = group_of(&plan);
        struct moa_group_counts boxes[BOXES];
        bool mixed = false, best = false;
        for (unsigned b = 0; b < BOXES; b++)
            boxes[b] = box_of(&plan, b);
        for (int round = 0; round < ROUNDS; round++) {
            for (unsigned b = 0; b < BOXES; b++) {
                for (int i = 0; i < 5; i++)
                    audit(&boxes[b], &plan, 1.0, uniform(&seed) < (b % 2 ? 0.062 : 0.0));
            }
            for (unsigned b = 0; b < BOXES; b++)
                hear(g, &boxes[b]);
            moa_group_look(g);
            mixed |= added_of(boxes, BOXES, 0, false) >= bar;
            best |= added_of(boxes, BOXES, 0, true) >= bar;
        }
        n_wrong += certificate_of(g).certified;
        n_mixed += mixed;
        n_best += best;
        moa_group_free(g);
    }
    assert_true(n_wrong <= 0.1 * RUNS + 3.0 * sqrt(RUNS * 0.09));
    assert_true(n_mixed > 0.9 * RUNS);
    assert_true(n_best > 0.9 * RUNS);
}

/* ---- hearing ---- */

static bool is_same(struct moa_group *a, struct moa_group *b)
{
    moa_group_look(a);
    moa_group_look(b);
    double w[2][MOA_GROUP_WEIGHTS];
    moa_group_weights(a, w[0]);
    moa_group_weights(b, w[1]);
    return a->n == b->n && a->n_audits == b->n_audits &&
           memcmp(a->kept, b->kept, sizeof(a->kept)) == 0 &&
           memcmp(a->lost, b->lost, sizeof(a->lost)) == 0 &&
           memcmp(a->process[7].log_e, b->process[7].log_e, sizeof(a->process[7].log_e)) == 0 &&
           memcmp(w[0], w[1], sizeof(w[0])) == 0;
}

/* Older counts, newer ones, the same again: whatever comes last, the newest count, once each. */
static void no_order_and_no_repetition_makes_another_sum(void **unused)
{
    (void)unused;
    enum { BOXES = 7, TIMES = 4, MESSAGES = BOXES * TIMES };
    const struct moa_group_plan plan = plan_of(3);
    struct moa_group *once = group_of(&plan);
    static struct moa_group_counts said[MESSAGES];
    uint64_t seed = 5;
    for (unsigned b = 0; b < BOXES; b++) {
        struct moa_group_counts c = box_of(&plan, b);
        for (unsigned time = 0; time < TIMES; time++) {
            for (int i = 0; i < 30; i++) {
                audit(&c, &plan, uniform(&seed), uniform(&seed) < 0.1);
                c.gradient[0] += uniform(&seed) - 0.5;
                c.curvature[0] += 0.2 * uniform(&seed);
            }
            said[b * TIMES + time] = c;
        }
        hear(once, &c);
    }
    for (int run = 0; run < 50; run++) {
        struct moa_group *g = group_of(&plan);
        bool heard[BOXES] = {false};
        for (int i = 0; i < 3 * MESSAGES; i++) {
            const size_t at = (size_t)(uniform(&seed) * MESSAGES);
            hear(g, &said[at]);
        }
        for (int i = 0; i < BOXES; i++) {
            size_t b = (size_t)(uniform(&seed) * BOXES);
            while (heard[b])
                b = (b + 1) % BOXES;
            heard[b] = true;
            hear(g, &said[b * TIMES + TIMES - 1]);
            hear(g, &said[b * TIMES]); /* replayed */
        }
        assert_true(is_same(g, once));
        moa_group_free(g);
    }
    struct moa_group_box box;
    for (size_t i = 0; i < BOXES; i++) {
        assert_true(moa_group_box(once, i, &box));
        assert_int_equal(box.n_refused, 0);
        assert_true(fabs(box.share - 1.0 / BOXES) < 1e-12);
    }
    assert_false(moa_group_box(once, BOXES, &box));
    moa_group_free(once);
}

static void refused(struct moa_group *g, const struct moa_group_counts *c, enum moa_err err,
                    const char *why)
{
    struct moa_error error = {.code = MOA_OK};
    const uint64_t n = certificate_of(g).n_audits;
    assert_int_equal(moa_group_hear(g, c, &error), err);
    assert_int_equal(error.code, err);
    assert_non_null(strstr(error.message, why));
    assert_int_equal(certificate_of(g).n_audits, n);
}

static void counts_that_cannot_be_are_refused(void **unused)
{
    (void)unused;
    const struct moa_group_plan plan = plan_of(1);
    struct moa_group *g = group_of(&plan);
    const struct moa_group_counts fine = counted(&plan, 1, 100, 2);
    struct moa_group_counts c = fine;
    c.lost[MOA_THRESHOLDS - 1] = 101; /* k > n */
    refused(g, &c, MOA_ERR_ARGUMENT, "more lost than kept");
    c = fine;
    c.kept[10] = 99; /* a looser threshold that keeps less */
    refused(g, &c, MOA_ERR_ARGUMENT, "less by a looser");
    c = fine;
    c.n_audits = 99;
    refused(g, &c, MOA_ERR_ARGUMENT, "more kept than audited");
    c = fine;
    c.gradient[3] = NAN;
    refused(g, &c, MOA_ERR_ARGUMENT, "equations");
    c = fine;
    c.curvature[2] = INFINITY;
    refused(g, &c, MOA_ERR_ARGUMENT, "equations");
    c = fine;
    c.curvature[1] = 5.0; /* off the diagonal, and nothing on it */
    refused(g, &c, MOA_ERR_ARGUMENT, "equations");
    c = fine;
    for (int i = 0; i < MOA_GROUP_WEIGHTS; i++) /* each pair may be, all of them cannot */
        c.curvature[i * (i + 1) / 2 + i] = 10.0;
    c.curvature[1] = c.curvature[3] = 9.0;
    c.curvature[4] = -9.0;
    refused(g, &c, MOA_ERR_ARGUMENT, "equations");
    c = fine;
    c.curvature[0] = -1.0;
    refused(g, &c, MOA_ERR_ARGUMENT, "equations");
    c = fine;
    c.times[1].prompt_ms = NAN;
    refused(g, &c, MOA_ERR_ARGUMENT, "times");
    c = fine;
    memset(c.box, 'x', sizeof(c.box)); /* no end */
    refused(g, &c, MOA_ERR_ARGUMENT, "name");
    c = fine;
    strcpy(c.box, "../x");
    refused(g, &c, MOA_ERR_ARGUMENT, "name");
    c = fine;
    c.instance = 0;
    refused(g, &c, MOA_ERR_ARGUMENT, "instance");
    c = fine;
    c.plan ^= 2;
    refused(g, &c, MOA_ERR_FORMAT, "another generation");
    assert_int_equal(moa_group_hear(g, NULL, NULL), MOA_ERR_ARGUMENT);
    assert_int_equal(moa_group_hear(NULL, &fine, NULL), MOA_ERR_ARGUMENT);
    moa_group_free(g);
}

static void counts_that_contradict_earlier_ones_are_refused(void **unused)
{
    (void)unused;
    const struct moa_group_plan plan = plan_of(1);
    struct moa_group *g = group_of(&plan);
    const struct moa_group_counts first = counted(&plan, 1, 100, 2);
    struct moa_group_box box;
    hear(g, &first);
    struct moa_group_counts c = counted(&plan, 1, 200, 1); /* more audits and fewer lost */
    refused(g, &c, MOA_ERR_CORRUPT, "contradict");
    c = counted(&plan, 1, 100, 3); /* another loss and no audit */
    refused(g, &c, MOA_ERR_CORRUPT, "contradict");
    c = counted(&plan, 1, 101, 4); /* two losses and one audit */
    refused(g, &c, MOA_ERR_CORRUPT, "contradict");
    c = counted(&plan, 1, 110, 2);
    c.instance++; /* another box of the same name */
    refused(g, &c, MOA_ERR_CORRUPT, "two boxes have one name");
    assert_true(moa_group_box(g, 0, &box));
    assert_true(box.is_two);
    assert_int_equal(box.n_refused, 4);
    assert_string_equal(box.counts->box, "box-1");
    hear(g, &first); /* and what is true goes on */
    c = counted(&plan, 1, 101, 3);
    hear(g, &c);
    assert_int_equal(certificate_of(g).n_audits, 101);
    moa_group_free(g);
}

static void counts_of_any_size_do_not_overflow(void **unused)
{
    (void)unused;
    const struct moa_group_plan plan = plan_of(1);
    struct moa_group *g = group_of(&plan);
    for (unsigned b = 0; b < 300; b++) {
        struct moa_group_counts c = box_of(&plan, b);
        c.n_audits = UINT32_MAX;
        for (size_t t = 0; t < MOA_THRESHOLDS; t++)
            c.kept[t] = c.lost[t] = t < 25 ? 0 : UINT32_MAX;
        hear(g, &c);
    }
    const struct moa_group_certificate c = certificate_of(g);
    assert_int_equal(c.n_audits, 300 * (uint64_t)UINT32_MAX);
    assert_int_equal(c.n_lost, c.n_audits);
    assert_int_equal(c.n_certified, 25); /* which lost nothing, and keep nothing */
    assert_true(c.kept == 0.0);
    for (size_t t = 0; t < MOA_THRESHOLDS; t++)
        assert_true(c.curve[t].evidence >= 0.0);
    moa_group_free(g);
}

static void a_group_has_as_many_boxes_as_it_may(void **unused)
{
    (void)unused;
    const struct moa_group_plan plan = plan_of(1);
    struct moa_group *g;
    struct moa_group_plan wrong = plan;
    assert_int_equal(moa_group_new(&plan, 0, &g), MOA_ERR_ARGUMENT);
    assert_int_equal(moa_group_new(&plan, MOA_GROUP_BOXES_MAX + 1, &g), MOA_ERR_ARGUMENT);
    assert_int_equal(moa_group_new(NULL, 1, &g), MOA_ERR_ARGUMENT);
    wrong.threshold[3] = NAN;
    assert_int_equal(moa_group_new(&wrong, 1, &g), MOA_ERR_ARGUMENT);
    assert_int_equal(moa_group_new(&plan, 2, &g), MOA_OK);
    const struct moa_group_counts boxes[] = {counted(&plan, 2, 5, 0), counted(&plan, 1, 5, 0),
                                             counted(&plan, 3, 5, 0)};
    hear(g, &boxes[0]);
    hear(g, &boxes[1]);
    refused(g, &boxes[2], MOA_ERR_LIMIT, "more boxes");
    hear(g, &boxes[0]);
    moa_group_free(g);
    moa_group_free(NULL);
    assert_false(certificate_of(NULL).certified);
    assert_false(moa_group_differs(NULL, "x"));
    assert_int_equal(moa_group_due(NULL), MOA_GROUP_NOT_DUE);
}

/* ---- the certificate ---- */

/* 104 audits of one box certify alpha 3 %; so do 104 of twenty boxes, and 194 with a loss. */
static void twenty_boxes_certify_as_soon_as_one_would(void **unused)
{
    (void)unused;
    static const struct {
        unsigned k, n;
    } cases[] = {{0, 104}, {1, 194}, {3, 316}, {10, 676}};
    const struct moa_group_plan plan = plan_of(1);
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        struct moa_group *g = group_of(&plan);
        struct moa_group_counts boxes[20];
        unsigned n = 0;
        for (unsigned b = 0; b < 20; b++)
            boxes[b] = box_of(&plan, b);
        for (bool certified = false; !certified; n++) {
            assert_true(n < 2000);
            if (n % 100 == 0 && n >= cases[i].k)
                assert_true(certificate_of(g).n_missing <= cases[i].n - n);
            audit(&boxes[n % 20], &plan, 1.0, n < cases[i].k);
            hear(g, &boxes[n % 20]);
            certified = moa_group_look(g);
        }
        assert_int_equal(n, cases[i].n);
        const struct moa_group_certificate c = certificate_of(g);
        assert_int_equal(c.n_certified, MOA_THRESHOLDS); /* all of them saw the same */
        assert_true(c.threshold == 0.0 && c.kept == 1.0 && c.n_missing == 0);
        assert_true(c.alpha == 0.03 && c.delta == 0.1);
        assert_true(c.plan == moa_group_plan_id(&plan));
        moa_group_free(g);
    }
}

/* Good boxes that are heard first and looked at with all others certify nothing of their own. */
static void one_look_is_about_all_that_were_heard(void **unused)
{
    (void)unused;
    const struct moa_group_plan plan = plan_of(1);
    struct moa_group *g = group_of(&plan);
    struct moa_group_counts c;
    for (unsigned b = 0; b < 10; b++) {
        c = counted(&plan, b, 200, b < 5 ? 0 : 20);
        hear(g, &c);
    }
    moa_group_certificate(g, NULL);
    assert_true(moa_group_look(NULL) == false);
    assert_false(moa_group_look(g));
    assert_false(certificate_of(g).certified);
    moa_group_free(g);
}

/* What is lost later does not take back what is certified, but is no longer kept by. */
static void what_was_lost_since_makes_it_stricter(void **unused)
{
    (void)unused;
    const struct moa_group_plan plan = plan_of(1);
    struct moa_group *g = group_of(&plan);
    struct moa_group_counts one = counted(&plan, 1, 100, 0), two = counted(&plan, 2, 50, 0);
    hear(g, &one);
    hear(g, &two);
    assert_true(moa_group_look(g));
    assert_int_equal(certificate_of(g).n_used, MOA_THRESHOLDS);
    moa_group_free(g);
    g = group_of(&plan);
    one = box_of(&plan, 1);
    for (int i = 0; i < 120; i++) /* the last threshold fails, all others hold */
        audit(&one, &plan, i < 20 ? 0.01 : 0.99, i < 20);
    hear(g, &one);
    assert_int_equal(certificate_of(g).n_certified, MOA_THRESHOLDS - 1);
    two = box_of(&plan, 2);
    for (int i = 0; i < 100; i++)
        audit(&two, &plan, i < 10 ? 0.5 : 0.99, i < 10);
    hear(g, &two);
    const struct moa_group_certificate c = certificate_of(g);
    assert_int_equal(c.n_certified, MOA_THRESHOLDS - 1);
    assert_true(c.n_used < c.n_certified);
    assert_true(c.threshold > 0.5 && c.threshold <= 0.99);
    assert_true(c.curve[c.n_used - 1].lost <= 0.75 * 0.03);
    assert_true(c.curve[c.n_used].lost > 0.75 * 0.03);
    moa_group_free(g);
}

/* Twenty boxes of very different risk, on average a little above alpha, which publish now and then,
 * late, and in any order: at most one in ten is ever certified. */
static void wrong_certificates_are_rare_in_a_mixture(void **unused)
{
    (void)unused;
    enum { BOXES = 20, RUNS = 300, ROUNDS = 60 };
    const struct moa_group_plan plan = plan_of(1);
    uint64_t seed = 29;
    unsigned n_wrong = 0;
    for (int run = 0; run < RUNS; run++) {
        struct moa_group *g = group_of(&plan);
        struct moa_group_counts boxes[BOXES];
        double risk[BOXES];
        for (unsigned b = 0; b < BOXES; b++) {
            boxes[b] = box_of(&plan, b);
            risk[b] = 0.0301 * 2.0 * (b + 0.5) / BOXES; /* 0.0301 on average */
        }
        for (int round = 0; round < ROUNDS; round++) {
            for (unsigned b = 0; b < BOXES; b++) {
                audit(&boxes[b], &plan, 1.0, uniform(&seed) < risk[b]);
                if (uniform(&seed) < 0.15)
                    hear(g, &boxes[b]);
            }
            moa_group_look(g);
        }
        n_wrong += certificate_of(g).certified;
        moa_group_free(g);
    }
    assert_true(n_wrong <= 0.1 * RUNS + 3.0 * sqrt(RUNS * 0.09));
    assert_true(n_wrong > 0.01 * RUNS); /* a bound that is never reached would be a weak one */
}

/* ---- the next generation ---- */

/* Answers whose fate depends on their tokens as `truth` says; boxes derive at the plan's weights.
 */
static void the_next_weights_are_those_of_all_audits(void **unused)
{
    (void)unused;
    enum { N = 2000 };
    static const struct confidence truth = {.w = {-0.5, 0.6, 0.8, 0.1, -0.3}};
    static struct confidence_sample samples[N];
    const struct moa_group_plan plan = plan_of(1);
    struct moa_group *g = group_of(&plan);
    struct confidence from, fitted, step;
    struct confidence_newton q[4] = {{.gradient = {0}}};
    struct moa_group_counts boxes[4];
    uint64_t seed = 41;
    memcpy(from.w, plan.weights, sizeof(from.w));
    for (unsigned b = 0; b < 4; b++)
        boxes[b] = box_of(&plan, b);
    for (int i = 0; i < N; i++) {
        const double p = 0.05 + 0.94 * uniform(&seed);
        samples[i].answer = (struct moa_answer){.form = MOA_ANSWER_SHORT,
                                                .n_tokens = 1 + (size_t)(8 * uniform(&seed)),
                                                .p_min = p,
                                                .p_first = p + (1.0 - p) * uniform(&seed),
                                                .p_top5 = 1.0};
        const double s = moa_confidence_score(&truth, &samples[i].answer);
        samples[i].lost = uniform(&seed) >= s;
        moa_confidence_derive(&from, &samples[i], &q[i % 4]);
        audit(&boxes[i % 4], &plan, s, samples[i].lost);
    }
    for (unsigned b = 0; b < 4; b++) {
        for (int row = 0, at = 0; row < MOA_GROUP_WEIGHTS; row++) {
            boxes[b].gradient[row] = q[b].gradient[row];
            for (int column = 0; column <= row; column++)
                boxes[b].curvature[at++] = q[b].hessian[row][column];
        }
        hear(g, &boxes[3 - b]);
    }
    for (unsigned b = 0; b < 4; b++)
        hear(g, &boxes[b]);
    moa_group_weights(g, step.w);
    moa_confidence_fit(samples, N, &fitted);
    double before = 0.0, after = 0.0;
    for (int i = 0; i < N; i++) {
        const double s = moa_confidence_score(&fitted, &samples[i].answer);
        before += fabs(moa_confidence_score(&from, &samples[i].answer) - s) / N;
        after += fabs(moa_confidence_score(&step, &samples[i].answer) - s) / N;
    }
    assert_true(before > 0.05);
    assert_true(after < before / 3.0); /* one step of what takes several */
    struct moa_group_plan next;
    assert_int_equal(moa_group_next(g, &next), MOA_OK);
    assert_int_equal(next.serial, 2);
    assert_int_equal(next.n_left_out, 0);
    assert_memory_equal(next.weights, step.w, sizeof(step.w));
    double scores[N];
    for (int i = 0; i < N; i++)
        scores[i] = moa_confidence_score(&step, &samples[i].answer);
    assert_int_equal(moa_group_plan_grid(&next, scores, 199), MOA_ERR_ARGUMENT);
    assert_int_equal(moa_group_plan_grid(&next, scores, N), MOA_OK);
    assert_int_not_equal(moa_group_plan_id(&next), 0);
    moa_group_free(g);
}

static void a_generation_is_over_when_a_box_is_full(void **unused)
{
    (void)unused;
    const struct moa_group_plan plan = plan_of(1);
    struct moa_group *g = group_of(&plan);
    struct moa_group_counts c = counted(&plan, 1, 2399, 0);
    hear(g, &c);
    assert_int_equal(moa_group_due(g), MOA_GROUP_NOT_DUE);
    c = counted(&plan, 1, 2400, 0);
    hear(g, &c);
    assert_int_equal(moa_group_due(g), MOA_GROUP_DUE_FULL);
    assert_string_equal(moa_group_due_name(moa_group_due(g)), "full");
    assert_string_equal(moa_group_due_name((enum moa_group_due)9), "unknown");
    moa_group_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fixed_bets_are_added_before_they_are_mixed),
        cmocka_unit_test(other_sums_break_the_bound),
        cmocka_unit_test(no_order_and_no_repetition_makes_another_sum),
        cmocka_unit_test(counts_that_cannot_be_are_refused),
        cmocka_unit_test(counts_that_contradict_earlier_ones_are_refused),
        cmocka_unit_test(counts_of_any_size_do_not_overflow),
        cmocka_unit_test(a_group_has_as_many_boxes_as_it_may),
        cmocka_unit_test(twenty_boxes_certify_as_soon_as_one_would),
        cmocka_unit_test(one_look_is_about_all_that_were_heard),
        cmocka_unit_test(what_was_lost_since_makes_it_stricter),
        cmocka_unit_test(wrong_certificates_are_rare_in_a_mixture),
        cmocka_unit_test(the_next_weights_are_those_of_all_audits),
        cmocka_unit_test(a_generation_is_over_when_a_box_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
