/* SPDX-License-Identifier: Apache-2.0
 *
 * moaoff/adaptive.h: certificates on a made-up pair of models whose truth is known, what voids
 * them, and what may not happen to scores and shares.
 */
#include <stdlib.h>

#include "adaptive_pair.h"

/* ---- before and after a certificate ---- */

static void at_first_the_cloud_answers_and_the_edge_is_watched(void **unused)
{
    (void)unused;
    struct moa_adaptive *a = adaptive_of(NULL);
    for (uint64_t i = 1; i <= 304; i++) {
        const struct told t = tell(a, i, 0.5 + (double)i / 1000.0, false);
        assert_int_equal(t.routing.route, MOA_ROUTE_CLOUD);
        assert_int_equal(t.routing.why, MOA_WHY_SHADOW);
        assert_true(t.audit & MOA_AUDIT_COUNTED);
        assert_int_equal(t.audit & MOA_AUDIT_CERTIFIED, i == 304 ? MOA_AUDIT_CERTIFIED : 0);
    }
    /* 200 for the grid and 104 without a loss: everything is certified at once. */
    const struct told t = tell(a, 305, 0.01, false);
    assert_int_equal(t.routing.route, MOA_ROUTE_EDGE);
    assert_int_equal(t.routing.why, MOA_WHY_CERTIFIED);
    const struct moa_guarantee g = guarantee_of(a);
    assert_true(g.certified && g.n_audits == 104 && g.n_lost == 0 && g.kept == 1.0);
    moa_adaptive_free(a);
}

/* An edge that is always wrong: after 600 requests as `before` says. */
static void what_happens_if_nothing_can_be_certified(void **unused)
{
    (void)unused;
    for (int before = BEFORE_THRESHOLD; before <= BEFORE_PAPER; before++) {
        const struct moa_policy_setting settings[] = {{"adaptive.before", before}, {NULL, 0}};
        struct moa_adaptive *a = adaptive_of(settings);
        unsigned n_audits = 0;
        for (uint64_t i = 1; i <= 2600; i++) {
            const struct told t = tell(a, i, i % 2 ? 0.95 : 0.85, true);
            n_audits += i > 600 && t.audit;
            if (i <= 600 || before == BEFORE_CLOUD) {
                assert_int_equal(t.routing.why, MOA_WHY_SHADOW);
            } else {
                assert_int_equal(t.routing.why, MOA_WHY_UNCERTIFIED);
                assert_int_equal(t.routing.route,
                                 before == BEFORE_PAPER ? MOA_ROUTE_PAPER : MOA_ROUTE_EDGE_FIRST);
                assert_int_equal(t.kept, before != BEFORE_PAPER && i % 2);
            }
        }
        assert_false(guarantee_of(a).certified);
        assert_true(before == BEFORE_CLOUD ? n_audits == 2000 : n_audits > 400 && n_audits < 600);
        moa_adaptive_free(a);
    }
}

/* While the edge is watched the cloud must not be buried: nothing would end it. */
static void a_busy_cloud_is_not_asked_to_watch_the_edge(void **unused)
{
    (void)unused;
    for (int before = BEFORE_THRESHOLD; before <= BEFORE_PAPER; before++) {
        const struct moa_policy_setting settings[] = {{"adaptive.before", before}, {NULL, 0}};
        struct moa_adaptive *a = adaptive_of(settings);
        for (int n = 0; n <= 40; n++) {
            struct moa_question q = anything; /* whose cloud has eight slots */
            struct moa_routing r;
            q.load[MOA_CLOUD].n_in_flight = n == 40 ? (double)NAN : n;
            moa_adaptive_coins(a, q.scene, q.text, q.coins);
            assert_int_equal(moa_adaptive_decide(a, &q, &r), MOA_OK);
            const bool busy = n >= 24 && n < 40 && before == BEFORE_THRESHOLD;
            assert_int_equal(r.why, busy ? MOA_WHY_UNCERTIFIED : MOA_WHY_SHADOW);
            assert_int_equal(r.route, busy ? MOA_ROUTE_EDGE_FIRST : MOA_ROUTE_CLOUD);
            assert_true(busy ? r.threshold == 0.9 : isinf(r.threshold));
            assert_true(r.audit_of[0] != 0);
        }
        moa_adaptive_free(a);
    }
}

static void without_audits_there_is_no_shadow_and_no_certificate(void **unused)
{
    (void)unused;
    const struct moa_policy_setting settings[] = {{"adaptive.audit", 0}, {NULL, 0}};
    struct moa_adaptive *a = adaptive_of(settings);
    for (uint64_t i = 1; i <= 1000; i++) {
        const struct told t = tell(a, i, 0.95, false);
        assert_true(t.kept && !t.audit && t.routing.why == MOA_WHY_UNCERTIFIED);
    }
    moa_adaptive_free(a);
}

/* 200 scores make the grid, and 104 audits without a loss certify. */
static void it_says_how_much_is_missing_and_what_can_be_reached(void **unused)
{
    (void)unused;
    struct moa_adaptive *a = adaptive_of(NULL);
    for (uint64_t i = 1; i <= 210; i++) {
        const struct moa_guarantee before = guarantee_of(a);
        const uint64_t changes = moa_adaptive_changes(a);
        assert_int_equal(before.standing, MOA_STANDING_SHADOW);
        assert_int_equal(before.n_missing, 304 - (i - 1));
        assert_int_equal(before.n_scores, i > 200 ? 200 : i - 1);
        assert_true(before.is_reachable && before.audit == 1.0);
        tell(a, i, (double)i / 1000.0, false);
        assert_true(moa_adaptive_changes(a) != changes);
    }
    /* The surest tenth was always right; of the others one in two was. */
    for (uint64_t i = 0; i < 80; i++)
        tell(a, 1000 + i, i % 10 ? 0.1 : 0.9, i % 2);
    const struct moa_guarantee some = guarantee_of(a);
    assert_true(some.reach > 0.05 && some.reach < 0.25 && !some.certified);
    assert_int_equal(some.n_lost, 40);
    for (uint64_t i = 0; i < 20; i++)
        tell(a, 2000 + i, 1.0, true);
    assert_true(guarantee_of(a).reach == 0.0 && guarantee_of(a).n_missing > 104);
    moa_adaptive_free(a);

    const struct moa_policy_setting settings[] = {
        {"adaptive.alpha", 0.001}, {"adaptive.delta", 0.01}, {NULL, 0}};
    a = adaptive_of(settings);
    assert_false(guarantee_of(a).is_reachable); /* in one generation */
    moa_adaptive_free(a);
}

static void the_key_is_set_before_anything_is_counted(void **unused)
{
    (void)unused;
    static const uint64_t key[2] = {1, 2};
    double coins[2][MOA_GENERATIONS];
    struct moa_adaptive *a = adaptive_of(NULL);
    moa_adaptive_coins(a, 5, 6, coins[0]);
    assert_int_equal(moa_adaptive_set_key(a, key), MOA_OK);
    moa_adaptive_coins(a, 5, 6, coins[1]);
    assert_true(coins[0][0] != coins[1][0]);
    tell(a, 1, 0.5, false);
    assert_int_equal(moa_adaptive_set_key(a, key), MOA_ERR_ARGUMENT);
    assert_int_equal(moa_adaptive_set_key(NULL, key), MOA_ERR_ARGUMENT);
    moa_adaptive_free(a);
}

/* Sixty owners: at most one in ten may ever have a threshold in force that loses more than alpha.
 */
static void the_bound_holds_as_often_as_it_says(void **unused)
{
    (void)unused;
    unsigned n_broken = 0;
    double cloud = 0.0;
    for (uint64_t run = 0; run < 60; run++) {
        struct moa_adaptive *a = adaptive_of(NULL);
        uint64_t seed = 1000 + run * 77;
        bool broken = false;
        for (int i = 0; i < 4000; i++) {
            const struct told t = tell_any(a, &seed);
            if (t.audit & MOA_AUDIT_CERTIFIED)
                broken |= true_share(guarantee_of(a).threshold) > 0.03;
            cloud += !t.kept;
        }
        assert_true(isfinite(guarantee_of(a).threshold));
        n_broken += broken;
        moa_adaptive_free(a);
    }
    assert_true(n_broken <= 6 + 7);
    assert_true(cloud / (60 * 4000) < 0.8);
}

/* ---- the score is never fitted on the audits that certify it ---- */

static void weights_are_frozen_and_come_from_earlier_audits_alone(void **unused)
{
    (void)unused;
    const struct moa_policy_setting settings[] = {{"adaptive.audit", 1}, {NULL, 0}};
    struct moa_adaptive *a = adaptive_of(settings);
    static struct confidence_sample seen[ADAPTIVE_REMEMBERED];
    uint64_t seed = 7;
    size_t n = 0;
    struct confidence expected, first, second = {.w = {0}};
    bool began = false;
    moa_confidence_prior(&first);
    while (!began) {
        const double p = confidence_of(&seed);
        const bool lost = differs(p, &seed);
        const struct told t = tell(a, next(&seed), p, lost);
        if (t.audit)
            seen[n++] = (struct confidence_sample){answer_of(p), lost};
        assert_memory_equal(&a->generations[0].confidence, &first, sizeof(first));
        began = moa_adaptive_tend(a);
    }
    assert_int_equal(n, GENERATION_AUDITS / 2);
    moa_confidence_fit(seen, n, &expected);
    second = a->generations[1].confidence;
    assert_memory_equal(&second, &expected, sizeof(expected));
    assert_int_equal(a->generations[1].n_audits, 0);
    assert_true(a->generations[1].has_grid);

    /* Until both have ended, whatever is audited, neither set of weights moves. */
    const uint64_t serial = a->generations[1].serial;
    bool handed_over = false;
    while (a->generations[0].serial <= serial) {
        tell_any(a, &seed);
        moa_adaptive_tend(a);
        handed_over |= a->generations[0].serial == serial;
        if (a->generations[0].serial == serial)
            assert_memory_equal(&a->generations[0].confidence, &second, sizeof(second));
        else if (a->generations[0].serial < serial)
            assert_memory_equal(&a->generations[1].confidence, &second, sizeof(second));
    }
    assert_true(handed_over);
    moa_adaptive_free(a);
}

/* Every threshold and every bit of the weights stays while audits are counted. */
static void grid_is_frozen_and_knows_no_losses(void **unused)
{
    (void)unused;
    struct moa_adaptive *a = adaptive_of(NULL);
    struct moa_adaptive *b = adaptive_of(NULL);
    uint64_t seed = 19;
    double grid[MOA_THRESHOLDS];
    for (int i = 0; i < 2000; i++) {
        const double p = confidence_of(&seed);
        const uint64_t scene = next(&seed);
        tell(a, scene, p, false);
        tell(b, scene, p, i < 200 && i % 2);
        if (i == 199)
            memcpy(grid, a->generations[0].threshold, sizeof(grid));
        if (i >= 199)
            assert_memory_equal(grid, a->generations[0].threshold, sizeof(grid));
    }
    assert_memory_equal(grid, b->generations[0].threshold, sizeof(grid));
    /* What was lost while the grid was made counts neither for nor against. */
    assert_int_equal(guarantee_of(b).n_lost, 0);
    for (size_t g = 1; g < MOA_THRESHOLDS; g++)
        assert_true(grid[g] <= grid[g - 1]);
    moa_adaptive_free(a);
    moa_adaptive_free(b);
}

/* ---- what voids a certificate ---- */

/* Its scores are what they were, its answers have nothing to do with them. */
static void garbage_in_place_of_the_edge_is_noticed(void **unused)
{
    (void)unused;
    /* At 10 % half of the answers are kept; garbage among 4 % would not break the claim. */
    const struct moa_policy_setting settings[] = {{"adaptive.alpha", 0.1}, {NULL, 0}};
    for (uint64_t run = 0; run < 20; run++) {
        struct moa_adaptive *a = adaptive_of(settings);
        uint64_t seed = 31 + run;
        certify(a, &seed);
        for (int i = 0; i < 3000; i++)
            tell_any(a, &seed);
        assert_true(guarantee_of(a).kept > 0.3);
        int n = 1;
        while (!(tell(a, next(&seed), confidence_of(&seed), uniform(&seed) < 0.8).audit &
                 MOA_AUDIT_ALARM))
            assert_true(++n < 4000);
        const struct moa_guarantee g = guarantee_of(a);
        assert_true(!g.certified && g.n_alarms == 1 && g.n_audits == 0);
        assert_int_equal(tell_any(a, &seed).routing.why, MOA_WHY_SHADOW);
        moa_adaptive_free(a);
    }
}

/* Evidence is a maximum, and never taken back but by an alarm. What came after it counts all the
 * same: where more than three quarters of alpha was lost so far a stricter threshold is kept by,
 * which is certified as well, and the looser one again once losses are fewer. */
static void what_came_after_a_certificate_is_not_forgotten(void **unused)
{
    (void)unused;
    const struct moa_policy_setting settings[] = {{"adaptive.alpha", 0.1}, {NULL, 0}};
    struct moa_adaptive *a = adaptive_of(settings);
    const struct generation *g = &a->generations[0];
    uint64_t seed = 1234;
    unsigned n_stricter = 0, n_looser_again = 0;
    certify(a, &seed);
    for (int i = 0; i < 12000 && !a->generations[1].serial; i++) {
        const uint32_t used = moa_adaptive_used(a);
        const double loosest = moa_generation_threshold(g), p = confidence_of(&seed);
        const bool is_bad = i > 800 && i < 2400 && p >= loosest && p < loosest + 0.1;
        assert_true(used >= 1 && used <= g->n_certified && g->n_certified < MOA_THRESHOLDS);
        assert_true(used == 1 || (double)g->kept_lost[used - 1] <= 0.075 * (double)g->n_tested);
        const bool lost = is_bad ? uniform(&seed) < 0.5 : differs(p, &seed);
        const struct told t = tell(a, next(&seed), p, lost);
        assert_int_equal(t.audit & MOA_AUDIT_ALARM, 0);
        assert_true(t.routing.threshold == g->threshold[used - 1]);
        n_stricter += used < g->n_certified;
        n_looser_again += n_stricter > 0 && used == g->n_certified;
        /* What is certified is heard to its end, so that its score is known. */
        const struct moa_answer so_far = answer_of(fmin(1, loosest + 1e-9));
        assert_false(moa_adaptive_hopeless(a, &so_far, 1, t.routing.threshold));
        if (i % 500 == 0)
            assert_true(guarantee_of(a).threshold == g->threshold[moa_adaptive_used(a) - 1]);
    }
    assert_true(n_stricter > 100 && n_looser_again > 100);
    moa_adaptive_free(a);
}

static void another_engine_voids_at_once(void **unused)
{
    (void)unused;
    struct moa_adaptive *a = adaptive_of(NULL);
    uint64_t seed = 41;
    assert_false(moa_adaptive_identity(a, 1234));
    certify(a, &seed);
    const struct moa_audit old = {.scene = 5, .audit_of = {1}, .answer = answer_of(0.9)};
    assert_false(moa_adaptive_identity(a, 1234));
    assert_true(guarantee_of(a).certified);
    assert_true(moa_adaptive_identity(a, 4321));
    assert_false(guarantee_of(a).certified);
    /* An audit of the engine that is gone comes too late. */
    assert_int_equal(moa_adaptive_audit(a, &old), 0);
    const struct told late = tell_any(a, &seed);
    assert_int_equal(late.routing.why, MOA_WHY_SHADOW);
    assert_true(late.routing.audit_of[0] > 1);
    moa_adaptive_free(a);
}

static void another_claim_starts_again_and_another_budget_does_not(void **unused)
{
    (void)unused;
    struct moa_adaptive *a = adaptive_of(NULL);
    uint64_t seed = 43;
    const struct moa_policy_setting share[] = {
        {"adaptive.audit", 0.5}, {"adaptive.cloud_share_max", 0.4}, {NULL, 0}};
    const struct moa_policy_setting claim[] = {{"adaptive.alpha", 0.05}, {NULL, 0}};
    const struct moa_policy_setting wrong[] = {{"adaptive.alpha", 0.9}, {NULL, 0}};
    certify(a, &seed);
    assert_int_equal(moa_adaptive_configure(a, wrong), MOA_ERR_ARGUMENT);
    assert_int_equal(moa_adaptive_configure(a, share), MOA_OK);
    assert_true(guarantee_of(a).certified);
    tell_any(a, &seed);
    assert_true(a->generations[0].share == 0.25); /* never raised */
    assert_int_equal(moa_adaptive_configure(a, claim), MOA_OK);
    assert_false(guarantee_of(a).certified);
    moa_adaptive_free(a);
}

/* ---- coins ---- */

/* A camera: three frames in four are the same wall, which is easy; the others are new and hard. */
static void a_scene_has_one_coin(void **unused)
{
    (void)unused;
    struct moa_adaptive *a = adaptive_of(NULL);
    uint64_t seed = 51;
    unsigned n_wall = 0;
    uint64_t n = 0;
    for (uint64_t i = 1; i <= 20000; i++) {
        const bool wall = i % 4;
        const bool lost = !wall && uniform(&seed) < 0.2;
        const struct told t = tell(a, wall ? 1 : 1000 + i, wall ? 0.99 : 0.4, lost);
        n_wall += wall && t.audit;
        n += t.audit != 0;
    }
    assert_int_equal(n_wall, 1);
    /* One distinct request in five is lost, though of all requests it is one in twenty: the audits
     * say what is claimed, the share of distinct ones. */
    const struct moa_guarantee g = guarantee_of(a);
    assert_true((double)g.n_lost / (double)g.n_audits > 0.12);
    assert_true(n < 1500);

    /* With a coin a request the wall would certify the rest. */
    struct moa_adaptive *b = adaptive_of(NULL);
    for (uint64_t i = 1; i <= 20000; i++) {
        const bool wall = i % 4;
        const bool lost = !wall && uniform(&seed) < 0.2;
        tell(b, 1000000 + i, wall ? 0.99 : 0.4, lost);
    }
    const struct moa_guarantee all = guarantee_of(b);
    assert_true((double)all.n_lost / (double)all.n_audits < 0.08);
    moa_adaptive_free(a);
    moa_adaptive_free(b);
}

/* Two frames of one new scene, both on their way when the first answer comes. */
static void a_scene_counts_once_however_many_audits_of_it_are_on_their_way(void **unused)
{
    (void)unused;
    struct moa_adaptive *a = adaptive_of(NULL);
    struct moa_routing r;
    struct moa_question q = anything;
    moa_adaptive_coins(a, q.scene, q.text, q.coins);
    assert_int_equal(moa_adaptive_decide(a, &q, &r), MOA_OK);
    struct moa_audit audit = {.answer = answer_of(0.7)};
    memcpy(audit.audit_of, r.audit_of, sizeof(audit.audit_of));
    assert_int_equal(moa_adaptive_audit(a, &audit), MOA_AUDIT_COUNTED);
    assert_int_equal(moa_adaptive_audit(a, &audit), 0);
    audit.text = 1;
    assert_int_equal(moa_adaptive_audit(a, &audit), MOA_AUDIT_COUNTED);
    assert_int_equal(moa_adaptive_decide(a, &q, &r), MOA_OK);
    assert_true(!r.audit_of[0] && !r.audit_of[1]);
    moa_adaptive_free(a);
}

static void coins_are_fair_and_of_their_generation(void **unused)
{
    (void)unused;
    struct moa_adaptive *a = adaptive_of(NULL);
    double coins[MOA_GENERATIONS], again[MOA_GENERATIONS];
    double first[2000];
    unsigned n_low = 0, n_both = 0;
    for (uint64_t i = 0; i < 2000; i++) {
        moa_adaptive_coins(a, i, 7, coins);
        moa_adaptive_coins(a, i, 7, again);
        assert_true(coins[0] == again[0] && coins[0] >= 0.0 && coins[0] < 1.0);
        assert_true(coins[1] == 1.0);
        first[i] = coins[0];
        n_low += coins[0] < 0.25;
    }
    assert_true(n_low > 420 && n_low < 580);
    moa_adaptive_begin_again(a);
    for (uint64_t i = 0; i < 2000; i++) {
        moa_adaptive_coins(a, i, 7, coins);
        n_both += first[i] < 0.25 && coins[0] < 0.25;
    }
    assert_true(n_both > 75 && n_both < 175);
    moa_adaptive_free(a);
}

/* Few audits certify little: a first certificate goes on to be audited more, until it rests on as
 * many as the owner says, then as the owner says. */
static void a_young_certificate_is_audited_more(void **unused)
{
    (void)unused;
    for (int early = 0; early <= 600; early += 600) {
        const struct moa_policy_setting settings[] = {{"adaptive.audits_early", early}, {NULL, 0}};
        struct moa_adaptive *a = adaptive_of(settings);
        uint64_t seed = 71;
        certify(a, &seed);
        const double first = guarantee_of(a).threshold;
        while (guarantee_of(a).n_audits < 600) {
            assert_true(guarantee_of(a).audit == (early ? 0.25 : 0.05));
            assert_true(a->generations[0].share == (early ? 0.25 : 0.05));
            tell_any(a, &seed);
        }
        assert_true(guarantee_of(a).audit == 0.05 && guarantee_of(a).threshold <= first);
        tell_any(a, &seed);
        assert_true(a->generations[0].share == 0.05);
        moa_adaptive_free(a);
    }
    /* Whoever wants no audits gets none. */
    static const struct moa_policy_setting none[] = {{"adaptive.audit", 0}, {NULL, 0}};
    struct moa_adaptive *a = adaptive_of(NULL);
    uint64_t seed = 73;
    certify(a, &seed);
    assert_int_equal(moa_adaptive_configure(a, none), MOA_OK);
    for (int i = 0; i < 200; i++)
        assert_int_equal(tell_any(a, &seed).audit, 0);
    assert_true(guarantee_of(a).certified);
    moa_adaptive_free(a);
}

/* Two generations live together: between them they audit what the owner allows. */
static void generations_share_the_audits(void **unused)
{
    (void)unused;
    const struct moa_policy_setting settings[] = {{"adaptive.audit", 0.2}, {NULL, 0}};
    struct moa_adaptive *a = adaptive_of(settings);
    uint64_t seed = 61;
    unsigned n_audits = 0;
    bool certified = true;
    double shares[2] = {1.0, 1.0};
    while (a->n_serials < 4) {
        tell_any(a, &seed);
        if (moa_adaptive_tend(a))
            shares[0] = shares[1] = 1.0;
        for (size_t i = 0; i < 2; i++) {
            assert_true(a->generations[i].share <= shares[i]);
            shares[i] = a->generations[i].share;
        }
        certified &= a->n_serials == 1 || a->in_force != 0;
    }
    assert_true(certified);
    for (int i = 0; i < 4000; i++)
        n_audits += tell_any(a, &seed).audit != 0;
    assert_true(n_audits > 640 && n_audits < 880); /* 4,000 times 0.19 */
    moa_adaptive_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_first_the_cloud_answers_and_the_edge_is_watched),
        cmocka_unit_test(what_happens_if_nothing_can_be_certified),
        cmocka_unit_test(a_busy_cloud_is_not_asked_to_watch_the_edge),
        cmocka_unit_test(without_audits_there_is_no_shadow_and_no_certificate),
        cmocka_unit_test(it_says_how_much_is_missing_and_what_can_be_reached),
        cmocka_unit_test(the_key_is_set_before_anything_is_counted),
        cmocka_unit_test(the_bound_holds_as_often_as_it_says),
        cmocka_unit_test(weights_are_frozen_and_come_from_earlier_audits_alone),
        cmocka_unit_test(grid_is_frozen_and_knows_no_losses),
        cmocka_unit_test(garbage_in_place_of_the_edge_is_noticed),
        cmocka_unit_test(what_came_after_a_certificate_is_not_forgotten),
        cmocka_unit_test(another_engine_voids_at_once),
        cmocka_unit_test(another_claim_starts_again_and_another_budget_does_not),
        cmocka_unit_test(a_scene_has_one_coin),
        cmocka_unit_test(a_scene_counts_once_however_many_audits_of_it_are_on_their_way),
        cmocka_unit_test(coins_are_fair_and_of_their_generation),
        cmocka_unit_test(a_young_certificate_is_audited_more),
        cmocka_unit_test(generations_share_the_audits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
