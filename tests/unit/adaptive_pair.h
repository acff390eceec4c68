/* SPDX-License-Identifier: Apache-2.0
 *
 * A made-up pair of models whose truth is known, and requests to it, for tests of adaptive.h.
 */
#ifndef MOA_TESTS_UNIT_ADAPTIVE_PAIR_H
#define MOA_TESTS_UNIT_ADAPTIVE_PAIR_H

#include <math.h>
#include <string.h>

#include "adaptive.h"

#include "test.h"

static inline uint64_t next(uint64_t *seed)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return *seed * 2685821657736338717u;
}

static inline double uniform(uint64_t *seed)
{
    return (double)(next(seed) >> 11) / 9007199254740992.0;
}

/* The edge is overconfident: with p it differs from the cloud with probability (1 - p)^0.7 / 1.2.
 */
static inline bool differs(double p, uint64_t *seed)
{
    return uniform(seed) < pow(1.0 - p, 0.7) / 1.2;
}

static inline double confidence_of(uint64_t *seed)
{
    const double u = uniform(seed);
    return 0.3 + 0.7 * (1.0 - u * u);
}

static inline struct moa_answer answer_of(double p)
{
    return (struct moa_answer){
        .form = MOA_ANSWER_LETTER, .n_tokens = 1, .p_min = p, .p_first = p, .p_top5 = 1.0};
}

/* The true share that is kept by p >= threshold and lost, by integrating over u. */
static inline double true_share(double threshold)
{
    double sum = 0.0;
    for (int i = 0; i < 20000; i++) {
        const double u = (i + 0.5) / 20000.0;
        const double p = 0.3 + 0.7 * (1.0 - u * u);
        sum += p >= threshold ? pow(1.0 - p, 0.7) / 1.2 : 0.0;
    }
    return sum / 20000.0;
}

static inline struct moa_adaptive *adaptive_of(const struct moa_policy_setting *settings)
{
    static const uint64_t key[2] = {11, 13};
    struct moa_adaptive *a;
    assert_int_equal(moa_adaptive_new(settings, key, &a), MOA_OK);
    return a;
}

static const struct moa_question anything = {.edge_up = true,
                                             .cloud_up = true,
                                             .load = {{0, 1, NAN}, {0, 8, NAN}},
                                             .uplink_mbps = NAN,
                                             .rtt_ms = NAN};

struct told {
    struct moa_routing routing;
    unsigned audit; /* what counting it led to; 0: it was none */
    bool kept;
};

/* A request about `scene` that the edge answers with confidence p, and all that follows. */
static inline struct told tell(struct moa_adaptive *a, uint64_t scene, double p, bool lost)
{
    struct told t = {.audit = 0};
    struct moa_question q = anything;
    q.scene = scene;
    moa_adaptive_coins(a, scene, 0, q.coins);
    assert_int_equal(moa_adaptive_decide(a, &q, &t.routing), MOA_OK);
    const struct moa_answer answer = answer_of(p);
    const bool first = t.routing.route == MOA_ROUTE_EDGE_FIRST;
    t.kept = t.routing.route == MOA_ROUTE_EDGE ||
             (first && moa_adaptive_score(a, &answer) >= t.routing.threshold);
    const bool audited = t.routing.audit_of[0] || t.routing.audit_of[1];
    const struct moa_adaptive_outcome outcome = {.edge_first = first,
                                                 .escalated = first && !t.kept,
                                                 .cloud = !t.kept || audited,
                                                 .busy = {NAN, NAN}};
    assert_int_equal(moa_adaptive_observe(a, &outcome), MOA_OK);
    struct moa_audit audit = {.scene = scene, .answer = answer, .lost = lost};
    memcpy(audit.audit_of, t.routing.audit_of, sizeof(audit.audit_of));
    if (audited)
        t.audit = moa_adaptive_audit(a, &audit);
    return t;
}

static inline struct told tell_any(struct moa_adaptive *a, uint64_t *seed)
{
    const double p = confidence_of(seed);
    const bool lost = differs(p, seed);
    return tell(a, next(seed), p, lost);
}

static inline struct moa_guarantee guarantee_of(const struct moa_adaptive *a)
{
    struct moa_guarantee g;
    moa_adaptive_guarantee(a, &g);
    return g;
}

/* Requests until something is certified. */
static inline int certify(struct moa_adaptive *a, uint64_t *seed)
{
    int n = 1;
    while (!(tell_any(a, seed).audit & MOA_AUDIT_CERTIFIED))
        assert_true(++n < 5000);
    return n;
}

#endif
