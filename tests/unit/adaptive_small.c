/* SPDX-License-Identifier: Apache-2.0
 *
 * src/adaptive_small.c: smaller pictures are certified by their own audits, the sum of both claims
 * holds, they are taken where they are quicker and never in an audit, and whoever does not ask for
 * them notices nothing of them.
 */
#include <stdlib.h>

#include "adaptive_pair.h"
#include "siphash.h"

static const struct moa_policy_setting half[] = {{"adaptive.resolution", RESOLUTION_HALF},
                                                 {NULL, 0}};

/* A picture of 400 kB over 2 Mbit/s: half of its pixels save most of a second. */
static struct moa_question question_of(uint64_t scene)
{
    struct moa_question q = anything;
    q.scene = scene;
    q.upload_bytes = 400e3;
    q.uplink_mbps = 2;
    q.rtt_ms = 20;
    q.load[MOA_EDGE].prompt_tokens = q.load[MOA_CLOUD].prompt_tokens = 1000;
    q.has_small = true;
    q.small_upload_bytes = 200e3;
    q.small_prompt_tokens = 500;
    return q;
}

static struct moa_routing decided(const struct moa_adaptive *a, struct moa_question q)
{
    struct moa_routing r;
    moa_adaptive_coins(a, q.scene, q.text, q.coins);
    assert_int_equal(moa_adaptive_decide(a, &q, &r), MOA_OK);
    return r;
}

static bool is_same(double one, double other)
{
    return one == other || (isnan(one) && isnan(other));
}

static void assert_same_routing(const struct moa_routing *one, const struct moa_routing *other)
{
    assert_int_equal(one->route, other->route);
    assert_int_equal(one->why, other->why);
    assert_true(one->small == other->small && is_same(one->threshold, other->threshold));
    assert_true(is_same(one->rate, other->rate));
    assert_true(is_same(one->cost_edge_first, other->cost_edge_first));
    assert_true(is_same(one->cost_cloud, other->cost_cloud));
    for (int i = 0; i < 2; i++) {
        assert_true(one->audit_of[i] == other->audit_of[i]);
        assert_true(is_same(one->predicted_ms[i], other->predicted_ms[i]));
    }
}

/* Each tier takes 100 ms to read and 50 to write. */
static void observe(struct moa_adaptive *a, bool edge_first, bool escalated)
{
    const struct moa_call_times times = {0, 100, 1000, 50, 2};
    const struct moa_adaptive_outcome o = {.edge_first = edge_first,
                                           .escalated = escalated,
                                           .cloud = true,
                                           .called = {true, true},
                                           .times = {times, times},
                                           .n_ahead = {NAN, NAN},
                                           .busy = {NAN, NAN}};
    assert_int_equal(moa_adaptive_observe(a, &o), MOA_OK);
}

/* A request with a picture and what follows; bits of its audit, 0 if it was none. */
static unsigned ask(struct moa_adaptive *a, uint64_t scene, double p, bool lost, bool small_lost)
{
    const struct moa_routing r = decided(a, question_of(scene));
    const struct moa_answer answer = answer_of(p);
    const bool first = r.route == MOA_ROUTE_EDGE_FIRST;
    struct moa_audit audit = {.scene = scene,
                              .answer = answer,
                              .lost = lost,
                              .has_small = true,
                              .small_lost = small_lost};
    memcpy(audit.audit_of, r.audit_of, sizeof(audit.audit_of));
    observe(a, first, first && moa_adaptive_score(a, &answer) < r.threshold);
    assert_false(r.small && (r.audit_of[0] || r.audit_of[1]));
    return r.audit_of[0] || r.audit_of[1] ? moa_adaptive_audit(a, &audit) : 0;
}

/* The counts of the sum at alpha 3 %, delta 10 %, without a loss: 176 for the edge's answers behind
 * the 200 of the grid, 530 for the smaller pictures, which need no grid. */
static void both_are_certified_when_they_should_be(void **unused)
{
    (void)unused;
    struct moa_adaptive *a = adaptive_of(half);
    for (uint64_t i = 1; i <= 530; i++) {
        const struct moa_guarantee before = guarantee_of(a);
        assert_int_equal(before.small.n_missing, 530 - (i - 1));
        assert_false(before.small.certified);
        assert_int_equal(before.certified, i > 376);
        unsigned done = 0; /* from the certificate on one in four is an audit */
        for (uint64_t scene = i << 20; !done; scene++)
            done = ask(a, scene, 0.5 + (double)(i % 199) / 1000.0, false, false);
        assert_int_equal(done & MOA_AUDIT_CERTIFIED, i == 376 ? MOA_AUDIT_CERTIFIED : 0);
        assert_int_equal(done & MOA_AUDIT_SMALL_CERTIFIED,
                         i == 530 ? MOA_AUDIT_SMALL_CERTIFIED : 0);
    }
    const struct moa_guarantee g = guarantee_of(a);
    assert_true(g.small.is_asked && g.small.certified && g.small.n_audits == 530);
    assert_true(g.small.alpha == 0.25 * 0.03 && g.small.delta == 0.05);
    assert_true(g.alpha_kept == 0.75 * 0.03 && g.delta_kept == 0.05);
    assert_true(fabs(g.alpha_kept + g.small.alpha - g.alpha) < 1e-15);
    assert_true(fabs(g.delta_kept + g.small.delta - g.delta) < 1e-15);
    assert_true(g.small.n_lost == 0 && g.small.bound < 0.0075 && g.small.evidence >= 20);
    moa_adaptive_free(a);
}

/* As many owners as there are runs, a cloud that says another thing of smaller pictures in `wrong`
 * of the cases; how many ever got more differing answers than the sum allows, and how many took
 * smaller pictures. */
static unsigned count_broken(double wrong, unsigned n_runs, unsigned *ret_small)
{
    unsigned n_broken = 0;
    *ret_small = 0;
    for (unsigned run = 0; run < n_runs; run++) {
        struct moa_adaptive *a = adaptive_of(half);
        uint64_t seed = 5000 + 77 * run;
        bool broken = false, small = false;
        for (int i = 0; i < 4000; i++) {
            const double p = confidence_of(&seed);
            const bool lost = differs(p, &seed), small_lost = uniform(&seed) < wrong;
            const unsigned done = ask(a, next(&seed), p, lost, small_lost);
            small |= done & MOA_AUDIT_SMALL_CERTIFIED;
            if (!(done & (MOA_AUDIT_CERTIFIED | MOA_AUDIT_SMALL_CERTIFIED)))
                continue;
            const struct moa_guarantee g = guarantee_of(a);
            const double kept = g.certified ? true_share(g.threshold) : 0.0;
            broken |= kept + (g.small.certified ? wrong : 0.0) > 0.03;
        }
        n_broken += broken;
        *ret_small += small;
        moa_adaptive_free(a);
    }
    return n_broken;
}

/* At most one in ten, and a share of errors above its part is certified once in twenty, each give
 * or take three sigma. */
static void the_sum_holds_as_often_as_it_says(void **unused)
{
    (void)unused;
    unsigned n_small;
    assert_true(count_broken(0.0008, 40, &n_small) <= 4 + 6);
    assert_true(n_small > 15);
    assert_true(count_broken(0.0076, 60, &n_small) <= 6 + 7);
    assert_true(n_small <= 3 + 6);
    assert_true(count_broken(0.02, 40, &n_small) <= 4 + 6);
    assert_true(n_small <= 2 + 5);
}

static struct moa_adaptive *certified(uint64_t *ret_next)
{
    struct moa_adaptive *a = adaptive_of(half);
    uint64_t i = 1;
    while (!(ask(a, i, 0.5 + (double)(i % 199) / 1000.0, i % 40 == 0, false) &
             MOA_AUDIT_SMALL_CERTIFIED))
        assert_true(++i < 20000);
    *ret_next = i + 1;
    return a;
}

static bool is_audit(const struct moa_routing *r)
{
    return r->audit_of[0] || r->audit_of[1];
}

static void smaller_pictures_are_taken_where_they_are_quicker(void **unused)
{
    (void)unused;
    uint64_t begin;
    struct moa_adaptive *a = certified(&begin);
    unsigned n_audits = 0;
    for (uint64_t i = begin; i < begin + 400; i++) {
        struct moa_question q = question_of(i);
        const struct moa_routing slow = decided(a, q);
        n_audits += is_audit(&slow);
        assert_int_equal(slow.small, !is_audit(&slow));
        q.has_small = false;
        const struct moa_routing whole = decided(a, q);
        assert_false(whole.small);
        if (slow.small) /* half of what is sent saves 800 ms, and the costs are of that */
            assert_true(whole.predicted_ms[MOA_CLOUD] - slow.predicted_ms[MOA_CLOUD] >= 800 &&
                        whole.cost_edge_first > slow.cost_edge_first &&
                        whole.cost_cloud > slow.cost_cloud);
        q.has_small = true;
        q.uplink_mbps = 1000; /* 1.6 ms */
        q.small_prompt_tokens = 1000;
        assert_false(decided(a, q).small);
        q.uplink_mbps = NAN; /* what is not known of the link saves nothing */
        assert_false(decided(a, q).small);
    }
    assert_true(n_audits > 5 && n_audits < 200);
    moa_adaptive_free(a);
}

/* The engine behind the cloud's address begins to make them smaller itself, say. */
static void what_no_longer_holds_is_noticed_and_voids_nothing_else(void **unused)
{
    (void)unused;
    uint64_t i;
    struct moa_adaptive *a = certified(&i);
    assert_true(guarantee_of(a).certified);
    const uint64_t n_before = guarantee_of(a).n_audits;
    unsigned done = 0, n_audits = 0;
    for (; !(done & MOA_AUDIT_SMALL_ALARM); i++) {
        done = ask(a, i, 0.5 + (double)(i % 199) / 1000.0, i % 40 == 0, i % 5 == 0);
        n_audits += done != 0;
        assert_true(n_audits < 200);
    }
    const struct moa_guarantee g = guarantee_of(a);
    assert_true(g.certified && g.n_audits > n_before);
    assert_true(!g.small.certified && g.small.n_audits == 0 && g.small.n_alarms == 1);
    assert_false(decided(a, question_of(i)).small);
    moa_adaptive_free(a);
}

/* Two owners who did not ask for it: one is told all about smaller pictures. */
static void who_does_not_ask_for_it_notices_nothing(void **unused)
{
    (void)unused;
    struct moa_adaptive *one = adaptive_of(NULL), *other = adaptive_of(NULL);
    uint64_t seed = 31;
    for (int i = 0; i < 4000; i++) {
        struct moa_question q = question_of(next(&seed));
        const struct moa_routing r = decided(one, q);
        q.has_small = false;
        const struct moa_routing r_other = decided(other, q);
        assert_same_routing(&r, &r_other);
        const double p = confidence_of(&seed);
        struct moa_audit audit = {
            .scene = q.scene, .answer = answer_of(p), .lost = differs(p, &seed)};
        memcpy(audit.audit_of, r.audit_of, sizeof(audit.audit_of));
        const unsigned done = moa_adaptive_audit(other, &audit);
        audit.has_small = true;
        audit.small_lost = i % 2;
        assert_int_equal(moa_adaptive_audit(one, &audit), done);
        observe(one, r.route == MOA_ROUTE_EDGE_FIRST, p < r.threshold);
        observe(other, r.route == MOA_ROUTE_EDGE_FIRST, p < r.threshold);
        moa_adaptive_tend(one);
        moa_adaptive_tend(other);
    }
    const struct moa_guarantee g = guarantee_of(one);
    assert_true(g.certified && g.alpha_kept == 0.03 && g.delta_kept == 0.1 && !g.small.is_asked);
    const size_t n = moa_adaptive_save_bytes(one);
    unsigned char *saved = malloc(n), *saved_other = malloc(n);
    assert_int_equal(moa_adaptive_save(one, saved, n), n);
    assert_int_equal(moa_adaptive_save(other, saved_other, n), n);
    assert_memory_equal(saved, saved_other, n);
    free(saved);
    free(saved_other);
    moa_adaptive_free(one);
    moa_adaptive_free(other);
}

static uint64_t word_at(const unsigned char *p)
{
    uint64_t word = 0;
    for (int i = 7; i >= 0; i--)
        word = word << 8 | p[i];
    return word;
}

static void put_word(unsigned char *p, uint64_t word)
{
    for (int i = 0; i < 8; i++)
        p[i] = (unsigned char)(word >> 8 * i);
}

/* The word behind the way long answers are compared, and how busy each tier is, behind 23 words. */
static bool is_newer_than_version_4(size_t at)
{
    const size_t predict = 8 * (12 + CERTIFY_DRIFTS), tier = 8 * 25, busy = 8 * 23;
    return at == 32 || (at >= predict && at < predict + 2 * tier && (at - predict) % tier >= busy);
}

/* What the program wrote before it knew of smaller pictures, nor how busy tiers are. */
static size_t as_version_4(const unsigned char *saved, size_t n, unsigned char *out)
{
    uint64_t sum = 0;
    size_t at = 0;
    for (size_t i = 0; i + 8 < n; i += 8) {
        uint64_t word = word_at(saved + i);
        if (is_newer_than_version_4(i) || i + 16 == n) /* the last: no group */
            continue;
        if (i == 0)
            word = (word & ~(UINT64_C(0xff) << 48)) | (uint64_t)'4' << 48;
        put_word(out + at, word);
        sum = moa_siphash((const uint64_t[]){sum, at}, &word, 1);
        at += 8;
    }
    put_word(out + at, sum);
    return at + 8;
}

static void it_outlives_a_restart_and_older_states_are_read(void **unused)
{
    (void)unused;
    uint64_t i;
    struct moa_adaptive *a = certified(&i), *b = adaptive_of(half);
    assert_int_equal(ask(a, i, 0.6, false, true) & MOA_AUDIT_SMALL_CERTIFIED, 0);
    size_t n = moa_adaptive_save_bytes(a);
    unsigned char *saved = malloc(n), *again = malloc(n);
    assert_int_equal(moa_adaptive_save(a, saved, n), n);
    assert_int_equal(moa_adaptive_load(b, (struct moa_bytes){saved, n}), MOA_OK);
    assert_int_equal(moa_adaptive_save(b, again, n), n);
    assert_memory_equal(saved, again, n);
    const struct moa_small_guarantee x = guarantee_of(a).small, y = guarantee_of(b).small;
    assert_true(x.n_audits == y.n_audits && x.n_lost == y.n_lost && x.evidence == y.evidence);
    assert_true(x.drift == y.drift && x.n_alarms == y.n_alarms && y.certified);
    for (; i < 12000; i++) {
        const struct moa_routing one = decided(a, question_of(i)), two = decided(b, question_of(i));
        assert_same_routing(&one, &two);
        assert_int_equal(ask(a, i, 0.6, i % 50 == 0, i % 300 == 0),
                         ask(b, i, 0.6, i % 50 == 0, i % 300 == 0));
    }
    /* Another claim: what was certified of the sum is no certificate of the whole, and back. */
    struct moa_adaptive *whole = adaptive_of(NULL);
    assert_int_equal(moa_adaptive_load(whole, (struct moa_bytes){saved, n}), MOA_OK);
    assert_false(guarantee_of(whole).certified);
    uint64_t seed = 3;
    certify(whole, &seed);
    n = moa_adaptive_save_bytes(whole);
    saved = realloc(saved, n);
    again = realloc(again, n);
    assert_int_equal(moa_adaptive_save(whole, saved, n), n);
    const size_t n_old = as_version_4(saved, n, again);
    assert_int_equal(n_old, n - 8 * 6);
    struct moa_adaptive *old = adaptive_of(NULL);
    assert_int_equal(moa_adaptive_load(old, (struct moa_bytes){again, n_old}), MOA_OK);
    assert_true(guarantee_of(old).certified);
    assert_int_equal(moa_adaptive_save(old, again, n), n);
    assert_memory_equal(saved, again, n);
    assert_int_equal(moa_adaptive_configure(old, half), MOA_OK);
    assert_false(guarantee_of(old).certified);
    free(saved);
    free(again);
    moa_adaptive_free(a);
    moa_adaptive_free(b);
    moa_adaptive_free(whole);
    moa_adaptive_free(old);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_are_certified_when_they_should_be),
        cmocka_unit_test(the_sum_holds_as_often_as_it_says),
        cmocka_unit_test(smaller_pictures_are_taken_where_they_are_quicker),
        cmocka_unit_test(what_no_longer_holds_is_noticed_and_voids_nothing_else),
        cmocka_unit_test(who_does_not_ask_for_it_notices_nothing),
        cmocka_unit_test(it_outlives_a_restart_and_older_states_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
