/* SPDX-License-Identifier: Apache-2.0
 *
 * Twenty days of cameras: a hundred walls seen again and again, easy ones, and scenes that come
 * once, harder ones, harder still at night. With one coin a scene the bound holds for the distinct
 * requests and day and night void nothing; with one a request the walls would certify the rest.
 */
#include "adaptive_pair.h"

enum { DAYS = 20, A_DAY = 3000, WALLS = 100 };

struct frame {
    uint64_t scene; /* 1 to WALLS, or above */
    double p;       /* of the edge's answer */
    bool lost;
};

/* `dim` is what has become of the pictures. */
static struct frame look(long i, double dim, uint64_t *seed)
{
    const bool night = i % A_DAY > A_DAY / 2;
    if (uniform(seed) < 0.7)
        return (struct frame){.scene = 1 + next(seed) % WALLS, .p = 0.97};
    const double u = uniform(seed);
    const double p = (0.3 + 0.7 * (1.0 - u * u) * (night ? 0.95 : 1.0)) * dim;
    return (struct frame){.scene = 1000 + (uint64_t)i,
                          .p = p,
                          .lost = uniform(seed) < pow(1.0 - p, 0.7) / (night ? 1.1 : 1.3)};
}

/* True if the edge's answer was kept. */
static bool ask(struct moa_adaptive *a, const struct frame *frame, uint64_t scene, long hour)
{
    struct moa_question q = {.scene = scene,
                             .edge_up = true,
                             .cloud_up = true,
                             .load = {{0, 1, NAN}, {0, 1, NAN}},
                             .uplink_mbps = NAN,
                             .rtt_ms = NAN};
    struct moa_routing r;
    const struct moa_answer answer = {.form = MOA_ANSWER_SHORT,
                                      .n_tokens = 2,
                                      .p_min = frame->p,
                                      .p_first = frame->p,
                                      .p_top5 = 1.0};
    moa_adaptive_coins(a, q.scene, q.text, q.coins);
    assert_int_equal(moa_adaptive_decide(a, &q, &r), MOA_OK);
    const bool first = r.route == MOA_ROUTE_EDGE_FIRST;
    const bool kept =
        r.route == MOA_ROUTE_EDGE || (first && moa_adaptive_score(a, &answer) >= r.threshold);
    const struct moa_sighting sighting = {
        .scene = scene, .score = moa_adaptive_score(a, &answer), .hour = 480000 + hour};
    if (first && r.why == MOA_WHY_CERTIFIED)
        moa_adaptive_see(a, &sighting);
    const struct moa_adaptive_outcome o = {
        .edge_first = first, .escalated = first && !kept, .cloud = !kept};
    assert_int_equal(moa_adaptive_observe(a, &o), MOA_OK);
    struct moa_audit audit = {.scene = scene, .answer = answer, .lost = frame->lost};
    memcpy(audit.audit_of, r.audit_of, sizeof(audit.audit_of));
    if (r.audit_of[0] || r.audit_of[1])
        moa_adaptive_audit(a, &audit);
    moa_adaptive_tend(a);
    return kept;
}

struct days {
    double distinct, lost, kept; /* distinct requests after the first day */
    uint64_t n_alarms, n_shifts;
    bool certified;
};

static struct days live(bool coin_a_request, uint64_t seed)
{
    static const uint64_t key[2] = {17, 19};
    struct days d = {.distinct = 0};
    struct moa_adaptive *a;
    struct moa_guarantee g;
    bool seen[WALLS + 1];
    assert_int_equal(moa_adaptive_new(NULL, key, &a), MOA_OK);
    for (long i = 0; i < (long)DAYS * A_DAY; i++) {
        if (i % A_DAY == 0)
            memset(seen, 0, sizeof(seen));
        const struct frame frame = look(i, 1.0, &seed);
        const bool kept =
            ask(a, &frame, coin_a_request ? 1000 + (uint64_t)i : frame.scene, i * 24 / A_DAY);
        const bool again = frame.scene <= WALLS && seen[frame.scene];
        if (frame.scene <= WALLS)
            seen[frame.scene] = true;
        if (i < A_DAY || again)
            continue;
        d.distinct++;
        d.kept += kept;
        d.lost += kept && frame.lost;
    }
    moa_adaptive_guarantee(a, &g);
    d.certified = g.certified;
    d.n_alarms = g.n_alarms;
    d.n_shifts = g.n_shifts;
    moa_adaptive_free(a);
    return d;
}

static void the_bound_is_about_distinct_requests(void **unused)
{
    (void)unused;
    unsigned n_broken = 0;
    uint64_t n_shifts = 0;
    for (uint64_t run = 0; run < 8; run++) {
        const struct days scene = live(false, 300 + run);
        const struct days request = live(true, 300 + run);
        assert_true(scene.certified && request.certified);
        assert_true(scene.kept / scene.distinct > 0.1);
        assert_int_equal(scene.n_alarms, 0);
        n_shifts += scene.n_shifts;
        n_broken += scene.lost / scene.distinct > 0.03;
        assert_true(request.lost / request.distinct > 0.03);
    }
    assert_true(n_broken <= 2);
    assert_true(n_shifts <= 1);
}

/* On the eighth day the lenses are dirty: within 1,000 distinct scenes that is found, nothing is
 * void, a quarter of the scenes is audited, and a certificate that was counted since takes over.
 * Where losses had raised an alarm before, there are no days yet to compare with. */
static void dirty_lenses_are_found(void **unused)
{
    (void)unused;
    static const uint64_t key[2] = {17, 19};
    unsigned n_found = 0;
    for (uint64_t run = 0; run < 4; run++) {
        struct moa_adaptive *a;
        struct moa_guarantee g = {.n_shifts = 0};
        uint64_t seed = 500 + run, before = 0;
        double n_until = 0;
        bool was_hastened = false;
        assert_int_equal(moa_adaptive_new(NULL, key, &a), MOA_OK);
        for (long i = 0; i < (long)DAYS * A_DAY; i++) {
            const bool is_dirty = i >= 8L * A_DAY;
            const struct frame frame = look(i, is_dirty ? 0.8 : 1.0, &seed);
            ask(a, &frame, frame.scene, i * 24 / A_DAY);
            if (i % 300 != 0)
                continue;
            moa_adaptive_guarantee(a, &g);
            before = is_dirty ? before : g.generation;
            assert_true(is_dirty || (g.n_shifts == 0 && !g.is_hastened));
            n_until += is_dirty && g.n_shifts == 0 ? 300 : 0;
            was_hastened |= g.is_hastened && g.audit == 0.25 && g.certified;
        }
        moa_adaptive_free(a);
        if (g.n_alarms > 0)
            continue;
        n_found++;
        assert_true(n_until <= 3300); /* of which a third are new to their day */
        assert_true(was_hastened && g.certified && g.generation > before);
        assert_true(g.n_shifts == 1 && !g.is_hastened && g.audit == 0.05);
    }
    assert_true(n_found >= 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bound_is_about_distinct_requests),
        cmocka_unit_test(dirty_lenses_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
