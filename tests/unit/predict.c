/* SPDX-License-Identifier: Apache-2.0
 *
 * src/predict.c: waiting, uploading, rates of escalation, what a call to the cloud may cost.
 */
#include <math.h>

#include "predict.h"

#include "test.h"

static bool is(double value, double expected)
{
    return fabs(value - expected) < 1e-9;
}

static void waiting_for_a_slot(void **unused)
{
    (void)unused;
    assert_true(is(moa_predict_wait_ms(0, 1, 100), 0));
    assert_true(is(moa_predict_wait_ms(3, 4, 100), 0));
    /* One in work, half of it over on average; then one more whole for each that waits. */
    assert_true(is(moa_predict_wait_ms(1, 1, 100), 50));
    assert_true(is(moa_predict_wait_ms(3, 1, 100), 250));
    assert_true(is(moa_predict_wait_ms(7, 4, 100), 50));
    double before = 0;
    for (int n = 0; n < 50; n++) {
        const double wait = moa_predict_wait_ms(n, 4, 80);
        assert_true(wait >= before);
        before = wait;
    }
}

static void uploading(void **unused)
{
    (void)unused;
    assert_true(is(moa_predict_upload_ms(1e6, 8, 40, false), 1040));
    assert_true(is(moa_predict_upload_ms(0, 8, 40, true), 80));
    /* 14.6 kB in the first window, then 29.2, 58.4, ... */
    assert_true(is(moa_predict_upload_ms(100e3, 80, 40, true), 40 + 10 + 40 * 3));
    assert_true(is(moa_predict_upload_ms(1e6, NAN, 40, false), 40));
    assert_true(is(moa_predict_upload_ms(1e6, 8, NAN, true), 1000));
    assert_true(is(moa_predict_upload_ms(NAN, 8, NAN, true), 0));
}

static void tell(struct predict *p, unsigned kind, bool escalated)
{
    const struct moa_adaptive_outcome o = {
        .kind = kind, .edge_first = true, .escalated = escalated, .cloud = escalated};
    moa_predict_observe(p, &o, 1.0);
}

static void rates_start_from_that_of_all_and_become_their_own(void **unused)
{
    (void)unused;
    struct predict p = {.kappa_ms = 0};
    assert_true(is(moa_predict_rate(&p, 3), 0.5));
    for (int i = 0; i < 300; i++)
        tell(&p, 0, i % 10 == 0);
    for (int i = 0; i < 3; i++)
        tell(&p, 1, true);
    assert_true(fabs(moa_predict_rate(&p, 0) - 0.1) < 0.03);
    assert_true(fabs(moa_predict_rate(&p, 2) - 0.1) < 0.03);
    assert_true(moa_predict_rate(&p, 1) > 0.3 && moa_predict_rate(&p, 1) < 0.7);
    for (int i = 0; i < 3000; i++)
        tell(&p, 0, i % 2 == 0);
    assert_true(fabs(moa_predict_rate(&p, 0) - 0.5) < 0.05);
}

static const struct moa_question alone = {.edge_up = true,
                                          .cloud_up = true,
                                          .load = {{0, 1, NAN}, {0, 8, NAN}},
                                          .upload_bytes = 100e3,
                                          .uplink_mbps = 8,
                                          .rtt_ms = 20};

/* The edge takes 100 + 2 per token + 10 per token, the cloud 50 + 1 + 5. */
static void teach(struct predict *p, double share_max)
{
    const struct moa_adaptive_outcome o = {
        .edge_first = true,
        .escalated = true,
        .cloud = true,
        .called = {true, true},
        .times = {{100, 200, 100, 50, 5}, {50, 100, 100, 25, 5}},
    };
    moa_predict_observe(p, &o, share_max);
}

static void times_follow_tokens_load_and_uplink(void **unused)
{
    (void)unused;
    struct predict p = {.kappa_ms = 0};
    struct moa_routing r = {.why = MOA_WHY_CERTIFIED};
    moa_predict(&p, &alone, &r);
    assert_true(isnan(r.predicted_ms[MOA_EDGE]) && isnan(r.cost_edge_first));
    for (int i = 0; i < 50; i++)
        teach(&p, 1.0);
    moa_predict(&p, &alone, &r);
    assert_true(is(r.predicted_ms[MOA_EDGE], 350));
    assert_true(is(r.predicted_ms[MOA_CLOUD], 120 + 175));
    assert_true(is(r.cost_cloud, 295));
    assert_true(is(r.cost_edge_first, 350 + r.rate * 295));
    struct moa_question q = alone;
    q.load[MOA_EDGE].prompt_tokens = 300;
    q.load[MOA_EDGE].n_in_flight = 2;
    moa_predict(&p, &q, &r);
    assert_true(is(r.predicted_ms[MOA_EDGE], 350 + 400 + 350 * 2 - 175));
    q.uplink_mbps = NAN; /* then sending is in the fixed time of what was seen */
    moa_predict(&p, &q, &r);
    assert_true(is(r.predicted_ms[MOA_CLOUD], 20 + 175));
}

/* An engine that brings every picture to one size reads all prompts in the same time, whatever we
 * take them for; another one reads as long as they are. */
static void time_follows_tokens_as_far_as_it_does(void **unused)
{
    (void)unused;
    for (int per_token = 0; per_token <= 1; per_token++) {
        struct predict p = {.kappa_ms = 0};
        struct moa_question q = alone;
        struct moa_routing r = {.why = MOA_WHY_CERTIFIED};
        for (int i = 0; i < 300; i++) {
            const double tokens = 50 + 37 * i % 500;
            const struct moa_adaptive_outcome o = {
                .called = {true, false},
                .times = {{10, per_token ? tokens : 100, tokens, 5, 2}, {0, 0, 0, 0, 0}},
            };
            moa_predict_observe(&p, &o, 1.0);
        }
        for (double tokens = 60; tokens < 600; tokens += 100) {
            q.load[MOA_EDGE].prompt_tokens = tokens;
            moa_predict(&p, &q, &r);
            assert_true(fabs(r.predicted_ms[MOA_EDGE] - 15 - (per_token ? tokens : 100)) < 5);
        }
    }
}

/* A tier that takes eight at once, each of which adds 60 ms to the others' 80. */
static void learn_company(struct predict *p)
{
    for (int i = 0; i < 200; i++) {
        const struct moa_adaptive_outcome o = {
            .cloud = true,
            .called = {false, true},
            .times = {[MOA_CLOUD] = {80 + 60 * (i % 3), 0, NAN, 0, 1}},
            .n_ahead = {NAN, i % 3}};
        moa_predict_observe(p, &o, 1.0);
    }
}

static void calls_that_are_there_slow_others_down(void **unused)
{
    (void)unused;
    struct predict p = {.kappa_ms = 0};
    struct moa_routing r = {.why = MOA_WHY_CERTIFIED};
    struct moa_question q = alone;
    learn_company(&p);
    assert_true(fabs(moa_predict_slope_ms(&p.tier[MOA_CLOUD].slope) - 60) < 3);
    assert_true(moa_predict_slope_ms(&p.tier[MOA_EDGE].slope) == 0);
    for (int n = 0; n < 8; n++) {
        q.load[MOA_CLOUD].n_in_flight = n;
        moa_predict(&p, &q, &r);
        assert_true(fabs(r.predicted_ms[MOA_CLOUD] - (120 + 80 + 60 * n)) < 25);
    }
    const double full_ms = r.predicted_ms[MOA_CLOUD];
    q.load[MOA_CLOUD].n_in_flight = 8; /* those that wait for a slot are not at work */
    moa_predict(&p, &q, &r);
    assert_true(is(r.predicted_ms[MOA_CLOUD] - full_ms,
                   moa_predict_wait_ms(8, 8, p.tier[MOA_CLOUD].service_ms.mean)));
    q.load[MOA_CLOUD].n_in_flight = NAN;
    moa_predict(&p, &q, &r);
    assert_true(isfinite(r.predicted_ms[MOA_CLOUD]));
    q.load[MOA_CLOUD] = (struct moa_tier_load){3, NAN, NAN}; /* nobody said how many it takes */
    moa_predict(&p, &q, &r);
    assert_true(fabs(r.predicted_ms[MOA_CLOUD] - (120 + 80 + 180)) < 25);
}

/* What falls while more calls are there does so for another reason. */
static void company_is_never_an_advantage(void **unused)
{
    (void)unused;
    struct predict p = {.kappa_ms = 0};
    for (int i = 0; i < 100; i++) {
        const struct moa_adaptive_outcome o = {.called = {true, false},
                                               .times = {{100 - 20 * (i % 3), 0, NAN, 0, 1}},
                                               .n_ahead = {i % 3, NAN}};
        moa_predict_observe(&p, &o, 1.0);
    }
    assert_true(moa_predict_slope_ms(&p.tier[MOA_EDGE].slope) == 0);
}

/* All calls are of the last hundred, also those that hold the slope back: who is alone for a long
 * time and then once is not, learns as little from that as who has only just begun. */
static void one_odd_call_is_one_call_however_many_came_before(void **unused)
{
    (void)unused;
    double slope_ms[2];
    for (int i = 0; i < 2; i++) {
        struct predict p = {.kappa_ms = 0};
        const int n_alone = i == 0 ? 100 : 20000;
        for (int k = 0; k <= n_alone; k++) {
            const struct moa_adaptive_outcome o = {
                .called = {true, false},
                .times = {{k == n_alone ? 600 : 100, 0, NAN, 0, 1}},
                .n_ahead = {k == n_alone, NAN}};
            moa_predict_observe(&p, &o, 1.0);
        }
        slope_ms[i] = moa_predict_slope_ms(&p.tier[MOA_EDGE].slope);
    }
    assert_true(slope_ms[0] > 0 && slope_ms[0] < 200);
    assert_true(fabs(slope_ms[1] - slope_ms[0]) < 1);
}

static void how_busy_a_tier_is(void **unused)
{
    (void)unused;
    assert_true(is(moa_load_busy(&(struct moa_tier_load){0, 4, 9}), 0));
    assert_true(is(moa_load_busy(&(struct moa_tier_load){3, 4, NAN}), 0.75));
    assert_true(is(moa_load_busy(&(struct moa_tier_load){9, 4, NAN}), 1));
    assert_true(isnan(moa_load_busy(&(struct moa_tier_load){NAN, 4, 9})));
    assert_true(isnan(moa_load_busy(&(struct moa_tier_load){1, NAN, 9})));
    assert_true(isnan(moa_load_busy(NULL)));
}

/* Ten of every ten requests find `n_ten` tenths of the edge busy. */
static void teach_busy(struct predict *p, int n_ten)
{
    const struct moa_adaptive_outcome calls = {.called = {true, true},
                                               .is_again = true,
                                               .times = {{0, 0, NAN, 100, 1}, {0, 0, NAN, 150, 1}}};
    for (int i = 0; i < 50; i++)
        moa_predict_observe(p, &calls, 1.0);
    for (int i = 0; i < 20000; i++) {
        const struct moa_adaptive_outcome o = {.busy = {i % 10 < n_ten, NAN}};
        moa_predict_observe(p, &o, 1.0);
    }
}

/* At light load a call costs what it takes. Near capacity it costs those who come after it more,
 * and what it costs grows with the queue that it joins. */
static void who_comes_after_pays_for_a_queue(void **unused)
{
    (void)unused;
    struct moa_question q = alone;
    q.upload_bytes = q.rtt_ms = 0;
    for (int n_ten = 0; n_ten <= 10; n_ten += 2) {
        struct predict p = {.kappa_ms = 0};
        struct moa_routing r = {.why = MOA_WHY_CERTIFIED};
        teach_busy(&p, n_ten);
        const double busy = fmin(n_ten / 10.0, 0.9), factor = busy / (1 - busy);
        for (int n = 0; n < 4; n++) {
            q.load[MOA_EDGE].n_in_flight = n;
            moa_predict(&p, &q, &r);
            const double wait_ms = n > 0 ? 100 * n - 50 : 0;
            const double others_ms =
                r.cost_edge_first - r.predicted_ms[MOA_EDGE] - r.rate * r.cost_cloud;
            assert_true(is(r.predicted_ms[MOA_EDGE], 100 + wait_ms));
            assert_true(is(r.cost_cloud, 150)); /* nothing is known of how busy it is */
            assert_true(fabs(others_ms - factor * (wait_ms + 50)) <
                        0.1 * factor * (wait_ms + 50) + 1e-9);
        }
        if (n_ten > 0) { /* none of eight slots, that all have to be taken before anybody waits */
            q.load[MOA_EDGE] = (struct moa_tier_load){0, 8, NAN};
            moa_predict(&p, &q, &r);
            assert_true(r.cost_edge_first - 100 - r.rate * 150 < 10 * factor);
            q.load[MOA_EDGE].slots = 1;
        }
    }
}

/* And those that are at work take longer for one more. */
static void who_is_there_already_pays_for_company(void **unused)
{
    (void)unused;
    struct predict p = {.kappa_ms = 0};
    struct moa_routing r = {.why = MOA_WHY_CERTIFIED};
    struct moa_question q = alone;
    learn_company(&p);
    const double slope_ms = moa_predict_slope_ms(&p.tier[MOA_CLOUD].slope);
    for (int n = 0; n < 12; n++) {
        q.load[MOA_CLOUD].n_in_flight = n;
        moa_predict(&p, &q, &r);
        assert_true(is(r.cost_cloud, r.predicted_ms[MOA_CLOUD] + slope_ms * (n < 8 ? n : 8)));
    }
}

static void kappa_rises_while_too_much_goes_to_the_cloud_and_falls_again(void **unused)
{
    (void)unused;
    struct predict p = {.kappa_ms = 0};
    const struct moa_adaptive_outcome at_once = {.cloud = true};
    for (int i = 0; i < 99; i++)
        teach(&p, 0.4);
    assert_true(is(p.kappa_ms, 0));
    teach(&p, 0.4);
    assert_true(is(p.kappa_ms, 0)); /* all of them were escalated: nothing goes there at once */
    for (int i = 0; i < 100; i++)
        moa_predict_observe(&p, &at_once, 0.4);
    assert_true(is(p.kappa_ms, 3 * 0.6 * 175));
    const double before_ms = p.kappa_ms;
    for (int i = 0; i < 100; i++)
        moa_predict_observe(&p, &at_once, 0.9);
    assert_true(is(p.kappa_ms, before_ms + 3 * 0.1 * 175));
    for (int i = 0; i < 10000; i++)
        moa_predict_observe(&p, &at_once, 0.4);
    assert_true(is(p.kappa_ms, 20 * 175));
    for (int i = 0; i < 100; i++)
        teach(&p, 0.4);
    assert_true(is(p.kappa_ms, 20 * 175));
    for (int i = 0; i < 10000; i++)
        tell(&p, 0, false);
    assert_true(is(p.kappa_ms, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waiting_for_a_slot),
        cmocka_unit_test(uploading),
        cmocka_unit_test(rates_start_from_that_of_all_and_become_their_own),
        cmocka_unit_test(times_follow_tokens_load_and_uplink),
        cmocka_unit_test(time_follows_tokens_as_far_as_it_does),
        cmocka_unit_test(calls_that_are_there_slow_others_down),
        cmocka_unit_test(company_is_never_an_advantage),
        cmocka_unit_test(one_odd_call_is_one_call_however_many_came_before),
        cmocka_unit_test(how_busy_a_tier_is),
        cmocka_unit_test(who_comes_after_pays_for_a_queue),
        cmocka_unit_test(who_is_there_already_pays_for_company),
        cmocka_unit_test(kappa_rises_while_too_much_goes_to_the_cloud_and_falls_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
