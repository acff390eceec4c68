/* SPDX-License-Identifier: Apache-2.0
 *
 * Decisions of moaoff/adaptive.h: pins and outages, what is quicker, what a budget allows; and that
 * deciding changes and allocates nothing.
 */
#include <stdlib.h>

#include "adaptive_pair.h"

/* ---- allocations are counted ---- */

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

static size_t n_allocations;

void *__wrap_malloc(size_t n)
{
    n_allocations++;
    return __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    n_allocations++;
    return __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
    n_allocations++;
    return __real_realloc(p, n);
}

static void pins_and_outages_come_first_and_are_never_audited(void **unused)
{
    (void)unused;
    struct moa_adaptive *a = adaptive_of(NULL);
    static const struct {
        bool pinned, edge_up, cloud_up;
        enum moa_route route;
        enum moa_why why;
    } cases[] = {
        {true, true, true, MOA_ROUTE_EDGE, MOA_WHY_PINNED},
        {true, false, true, MOA_ROUTE_EDGE, MOA_WHY_PINNED},
        {false, true, false, MOA_ROUTE_EDGE, MOA_WHY_CLOUD_DOWN},
        {false, false, false, MOA_ROUTE_EDGE, MOA_WHY_CLOUD_DOWN},
        {false, false, true, MOA_ROUTE_CLOUD, MOA_WHY_EDGE_DOWN},
    };
    uint64_t seed = 91;
    for (int certified = 0; certified < 2; certified++) {
        for (size_t i = 0; i < N_TESTS(cases); i++) {
            struct moa_question q = anything;
            struct moa_routing r;
            q.pinned = cases[i].pinned;
            q.edge_up = cases[i].edge_up;
            q.cloud_up = cases[i].cloud_up;
            assert_int_equal(moa_adaptive_decide(a, &q, &r), MOA_OK);
            assert_string_equal(moa_route_name(r.route), moa_route_name(cases[i].route));
            assert_string_equal(moa_why_name(r.why), moa_why_name(cases[i].why));
            assert_true(!r.audit_of[0] && !r.audit_of[1]);
        }
        if (!certified)
            certify(a, &seed);
    }
    moa_adaptive_free(a);
}

/* The edge has a queue, so that the cloud is quicker: what goes there is what the budget allows. */
static void a_budget_makes_the_cloud_dear(void **unused)
{
    (void)unused;
    static const double shares[] = {1.0, 0.3};
    for (size_t i = 0; i < N_TESTS(shares); i++) {
        struct moa_adaptive *a = adaptive_of(NULL);
        uint64_t seed = 103;
        certify(a, &seed);
        struct moa_adaptive_outcome o = {
            .edge_first = true,
            .called = {true, true},
            .times = {{0, 100, 100, 100, 5}, {0, 100, 100, 100, 5}},
        };
        for (int n = 0; n < 500; n++)
            assert_int_equal(moa_adaptive_observe(a, &o), MOA_OK);
        struct moa_question q = anything;
        struct moa_routing r;
        q.coins[0] = q.coins[1] = 1.0;
        q.upload_bytes = 1e5;
        q.rtt_ms = q.uplink_mbps = 20;
        q.load[MOA_EDGE].n_in_flight = 3;
        o.edge_first = false;
        assert_int_equal(moa_adaptive_aim(a, shares[i]), MOA_OK);
        double n_cloud = 0;
        for (int n = 0; n < 4000; n++) {
            assert_int_equal(moa_adaptive_decide(a, &q, &r), MOA_OK);
            o.cloud = r.route == MOA_ROUTE_CLOUD;
            n_cloud += o.cloud;
            assert_int_equal(moa_adaptive_observe(a, &o), MOA_OK);
        }
        assert_true(shares[i] == 0.3 ? fabs(n_cloud / 4000 - 0.3) < 0.05 : n_cloud == 4000);
        assert_int_equal(moa_adaptive_aim(a, 1.1), MOA_ERR_ARGUMENT);
        assert_int_equal(moa_adaptive_aim(a, NAN), MOA_ERR_ARGUMENT);
        moa_adaptive_free(a);
    }
}

static void the_cloud_is_taken_at_once_where_it_is_clearly_quicker(void **unused)
{
    (void)unused;
    struct moa_adaptive *a = adaptive_of(NULL);
    uint64_t seed = 101;
    certify(a, &seed);
    const struct moa_adaptive_outcome o = {
        .edge_first = true,
        .called = {true, true},
        .times = {{0, 100, 100, 100, 5}, {0, 100, 100, 100, 5}},
    };
    for (int i = 0; i < 1000; i++)
        assert_int_equal(moa_adaptive_observe(a, &o), MOA_OK);
    struct moa_question q = anything;
    struct moa_routing r;
    q.coins[0] = q.coins[1] = 1.0;
    q.upload_bytes = 1e5;
    q.rtt_ms = 20;
    assert_int_equal(moa_adaptive_decide(a, &q, &r), MOA_OK);
    assert_int_equal(r.route, MOA_ROUTE_EDGE_FIRST); /* the uplink is unknown: no obstacle */
    q.uplink_mbps = 20;
    assert_int_equal(moa_adaptive_decide(a, &q, &r), MOA_OK);
    assert_int_equal(r.route, MOA_ROUTE_EDGE_FIRST);
    q.load[MOA_EDGE].n_in_flight = 3; /* 500 ms of waiting */
    assert_int_equal(moa_adaptive_decide(a, &q, &r), MOA_OK);
    assert_int_equal(r.route, MOA_ROUTE_CLOUD);
    assert_int_equal(r.why, MOA_WHY_QUICKER);
    assert_true(r.cost_cloud < 0.9 * r.cost_edge_first);
    /* As long a queue before the cloud, and it is not. */
    q.load[MOA_CLOUD].n_in_flight = 40;
    assert_int_equal(moa_adaptive_decide(a, &q, &r), MOA_OK);
    assert_int_equal(r.route, MOA_ROUTE_EDGE_FIRST);
    moa_adaptive_free(a);
}

static void deciding_and_scoring_change_nothing_and_nothing_allocates(void **unused)
{
    (void)unused;
    const struct moa_policy_setting settings[] = {{"adaptive.audit", 0.5}, {NULL, 0}};
    struct moa_adaptive *a = adaptive_of(settings);
    uint64_t seed = 111;
    certify(a, &seed);
    const size_t n = moa_adaptive_save_bytes(a);
    unsigned char *before = malloc(n);
    unsigned char *after = malloc(n);
    moa_adaptive_save(a, before, n);
    struct moa_routing first, r;
    struct moa_question q = anything;
    assert_int_equal(moa_adaptive_decide(a, &q, &first), MOA_OK);
    const size_t n_before = n_allocations;
    for (int i = 0; i < 1000; i++) {
        const struct moa_answer answer = answer_of(uniform(&seed));
        moa_adaptive_score(a, &answer);
        assert_int_equal(moa_adaptive_decide(a, &q, &r), MOA_OK);
    }
    moa_adaptive_save(a, after, n);
    assert_memory_equal(before, after, n);
    assert_true(r.route == first.route && r.threshold == first.threshold);
    for (int i = 0; i < 60000 && a->n_serials < 3; i++) {
        tell_any(a, &seed);
        moa_adaptive_tend(a);
    }
    assert_int_equal(a->n_serials, 3);
    assert_int_equal(n_allocations, n_before);
    free(before);
    free(after);
    moa_adaptive_free(a);
}

static void what_makes_no_sense_is_refused(void **unused)
{
    (void)unused;
    static const uint64_t key[2] = {1, 2};
    static const struct moa_policy_setting wrong[] = {{"adaptive.alpha", 0.0},
                                                      {"adaptive.delta", NAN},
                                                      {"adaptive.before", 3.0},
                                                      {"adaptive.audit", 1.5},
                                                      {"adaptive.shadow", -1.0}};
    struct moa_adaptive *a = NULL;
    for (size_t i = 0; i < N_TESTS(wrong); i++) {
        const struct moa_policy_setting settings[] = {wrong[i], {NULL, 0}};
        assert_int_equal(moa_adaptive_new(settings, key, &a), MOA_ERR_ARGUMENT);
    }
    assert_null(a);
    const struct moa_policy_param *param;
    size_t n = 0;
    for (; (param = moa_adaptive_param(n)); n++)
        assert_true(param->fallback >= param->min && param->fallback <= param->max);
    assert_true(n >= 7);

    struct moa_routing r;
    struct moa_question q = anything;
    struct moa_guarantee g;
    double coins[MOA_GENERATIONS];
    unsigned char byte;
    assert_int_equal(moa_adaptive_new(NULL, NULL, &a), MOA_ERR_ARGUMENT);
    assert_int_equal(moa_adaptive_new(NULL, key, NULL), MOA_ERR_ARGUMENT);
    assert_int_equal(moa_adaptive_configure(NULL, NULL), MOA_ERR_ARGUMENT);
    assert_int_equal(moa_adaptive_decide(NULL, &q, &r), MOA_ERR_ARGUMENT);
    assert_int_equal(moa_adaptive_observe(NULL, NULL), MOA_ERR_ARGUMENT);
    assert_int_equal(moa_adaptive_load(NULL, (struct moa_bytes){NULL, 0}), MOA_ERR_ARGUMENT);
    assert_int_equal(moa_adaptive_save(NULL, &byte, 1), 0);
    assert_int_equal(moa_adaptive_audit(NULL, NULL), 0);
    assert_false(moa_adaptive_identity(NULL, 1) || moa_adaptive_tend(NULL));
    assert_true(moa_adaptive_score(NULL, NULL) == 0.0);
    moa_adaptive_coins(NULL, 1, 2, coins);
    moa_adaptive_guarantee(NULL, &g);
    assert_true(coins[0] == 1.0 && coins[1] == 1.0 && !g.certified);

    a = adaptive_of(NULL);
    assert_int_equal(moa_adaptive_load(a, (struct moa_bytes){NULL, 0}), MOA_ERR_TRUNCATED);
    assert_int_equal(moa_adaptive_decide(a, NULL, &r), MOA_ERR_ARGUMENT);
    assert_int_equal(moa_adaptive_decide(a, &q, NULL), MOA_ERR_ARGUMENT);
    q.kind = MOA_QUESTION_KINDS;
    assert_int_equal(moa_adaptive_decide(a, &q, &r), MOA_ERR_ARGUMENT);
    q = anything;
    q.load[0].slots = 0.0;
    assert_int_equal(moa_adaptive_decide(a, &q, &r), MOA_ERR_ARGUMENT);
    q = anything;
    q.rtt_ms = -1.0;
    assert_int_equal(moa_adaptive_decide(a, &q, &r), MOA_ERR_ARGUMENT);
    struct moa_adaptive_outcome o = {.kind = 99};
    assert_int_equal(moa_adaptive_observe(a, &o), MOA_ERR_ARGUMENT);
    o = (struct moa_adaptive_outcome){.called = {true}, .times = {{.prompt_ms = INFINITY}}};
    assert_int_equal(moa_adaptive_observe(a, &o), MOA_ERR_ARGUMENT);
    const struct moa_answer unsure = answer_of(0.4);
    assert_true(moa_adaptive_hopeless(a, &unsure, 64, 0.5));
    assert_false(moa_adaptive_hopeless(a, &unsure, 64, 0.4 - 1e-9));
    assert_string_equal(moa_route_name((enum moa_route)99), "unknown");
    assert_string_equal(moa_why_name((enum moa_why)99), "unknown");
    moa_adaptive_free(a);
    moa_adaptive_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pins_and_outages_come_first_and_are_never_audited),
        cmocka_unit_test(the_cloud_is_taken_at_once_where_it_is_clearly_quicker),
        cmocka_unit_test(a_budget_makes_the_cloud_dear),
        cmocka_unit_test(deciding_and_scoring_change_nothing_and_nothing_allocates),
        cmocka_unit_test(what_makes_no_sense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
