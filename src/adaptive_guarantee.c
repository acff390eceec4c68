/* SPDX-License-Identifier: Apache-2.0
 *
 * What the policy `adaptive` promises now, and what is missing: numbers for the eye, made from what
 * adaptive.c has counted. Changes nothing.
 */
#include <math.h>

#include "adaptive.h"

static void describe(const struct moa_adaptive *a, const struct generation *g, size_t i,
                     struct moa_threshold *t)
{
    const double n = (double)g->n_tested;
    t->threshold = g->threshold[i];
    t->kept = n > 0 ? g->kept[i] / n : 0.0;
    t->lost = n > 0 ? g->kept_lost[i] / n : 0.0;
    t->bound =
        n > 0 ? moa_binomial_bound(g->kept_lost[i], g->n_tested, moa_adaptive_delta_kept(a)) : 1.0;
    t->evidence = exp(g->process[i].best);
}

/* The audits that a certificate would take at least, if none of them were lost. */
static void count_missing(const struct moa_adaptive *a, const struct generation *g,
                          struct moa_guarantee *r)
{
    const unsigned n = moa_certify_missing(&g->process[0], &a->bets, a->bar, GENERATION_LAST);
    r->n_missing = n + (g->has_grid ? 0 : GENERATION_SCORES - g->n_scores);
    r->is_reachable = g->n_audits + r->n_missing <= GENERATION_LAST;
}

static void describe_small(const struct moa_adaptive *a, const struct generation_small *small,
                           struct moa_small_guarantee *r)
{
    const double delta = SMALL_DELTA * a->params.delta;
    *r = (struct moa_small_guarantee){
        .is_asked = true,
        .certified = moa_adaptive_small_holds(a),
        .alpha = SMALL_ALPHA * a->params.alpha,
        .delta = delta,
        .n_audits = small->n_audits,
        .n_lost = small->n_lost,
        .n_missing = moa_certify_missing(&small->process, &a->small_bets, a->bar, GENERATION_LAST),
        .bound =
            small->n_audits > 0 ? moa_binomial_bound(small->n_lost, small->n_audits, delta) : 1.0,
        .evidence = exp(small->process.best),
        .drift = moa_drift_mean(&a->small_drift),
        .n_alarms = a->n_small_alarms,
    };
}

/* The share that could be kept if what was seen were the truth. */
static double reach_of(const struct moa_guarantee *r)
{
    double reach = 0.0;
    for (size_t i = 0; i < r->n_curve && r->curve[i].lost <= r->alpha_kept; i++)
        reach = r->curve[i].kept;
    return reach;
}

static void describe_group(const struct moa_adaptive *a, const struct generation *current,
                           struct moa_group_guarantee *r)
{
    const struct adaptive_group *group = &a->group;
    *r = (struct moa_group_guarantee){
        .is_joined = group->counts.plan != 0,
        .in_force = a->in_force && current->n_group > 0,
        .n_boxes = group->n_boxes,
        .n_audits = group->n_audits,
        .n_lost = group->n_lost,
    };
    for (size_t i = 0; i < MOA_GENERATIONS; i++)
        r->is_counting |= group->serial && a->generations[i].serial == group->serial;
}

void moa_adaptive_guarantee(const struct moa_adaptive *adaptive,
                            struct moa_guarantee *ret_guarantee)
{
    const struct moa_adaptive *a = adaptive;
    struct moa_guarantee *r = ret_guarantee;
    if (!r)
        return;
    *r = (struct moa_guarantee){.threshold = INFINITY};
    if (!a)
        return;
    const struct generation *g = moa_adaptive_current(a);
    const uint32_t used = moa_adaptive_used(a);
    *r = (struct moa_guarantee){
        .certified = a->in_force != 0,
        .alpha = a->params.alpha,
        .delta = a->params.delta,
        .alpha_kept = moa_adaptive_alpha_kept(a),
        .delta_kept = moa_adaptive_delta_kept(a),
        .threshold = used > 0 ? g->threshold[used - 1] : INFINITY,
        .generation = g->serial,
        .n_audits = g->n_tested,
        .n_lost = g->n_lost,
        .standing = moa_adaptive_standing(a),
        .n_requests = a->n_requests,
        .n_scores = g->n_audits - g->n_tested,
        .is_reachable = true,
        .audit = moa_adaptive_share(a),
        .n_shifts = a->n_shifts,
        .is_hastened = a->hastened != 0,
        .drift = moa_drift_mean(&a->drift),
        .n_alarms = a->n_alarms,
        .n_curve = g->has_grid ? MOA_THRESHOLDS : 0,
    };
    for (size_t i = 0; i < r->n_curve; i++)
        describe(a, g, i, &r->curve[i]);
    r->reach = reach_of(r);
    describe_group(a, g, &r->group);
    if (a->params.resolution)
        describe_small(a, &g->small, &r->small);
    if (r->certified)
        r->kept = r->curve[used - 1].kept;
    else
        count_missing(a, g, r);
}
