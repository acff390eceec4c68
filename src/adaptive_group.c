/* SPDX-License-Identifier: Apache-2.0
 *
 * The policy `adaptive` in a group: it joins a plan, counts for it beside what it counts for
 * itself, and keeps by the group's certificate where there is one; see moaoff/group.h. What it has
 * counted outlives the generation that counted it, since a box that stopped at a loss and kept
 * silent about it would make the group look better than it is.
 */
#include "adaptive.h"

#include <string.h>

#include "group.h"
#include "siphash.h"

struct generation *moa_adaptive_group_generation(struct moa_adaptive *a)
{
    for (size_t i = 0; i < MOA_GENERATIONS; i++) {
        if (a->group.serial && a->generations[i].serial == a->group.serial)
            return &a->generations[i];
    }
    return NULL;
}

/* ---- counting ---- */

void moa_adaptive_group_see(struct moa_adaptive *a, uint64_t mark, double score)
{
    const struct generation *g = moa_adaptive_group_generation(a);
    uint32_t *place = &a->group.marks[mark % ADAPTIVE_GROUP_MARKS];
    const uint32_t rest = (uint32_t)(mark >> 32) | 1;
    if (!g || *place == rest)
        return;
    *place = rest;
    uint32_t *cell = &a->group.counts.cells[moa_group_cell_of(g->threshold, score)];
    *cell += *cell < UINT32_MAX;
    a->n_changes++;
}

static void add_equations(const struct generation *g, const struct moa_audit *audit,
                          struct moa_group_counts *c)
{
    struct confidence_newton q = {.gradient = {0}};
    const struct confidence_sample sample = {audit->answer, audit->lost};
    if (!moa_confidence_valid(&audit->answer))
        return;
    moa_confidence_derive(&g->confidence, &sample, &q);
    for (int row = 0, at = 0; row < CONFIDENCE_N; row++) {
        c->gradient[row] += q.gradient[row];
        for (int column = 0; column <= row; column++)
            c->curvature[at++] += q.hessian[row][column];
    }
}

void moa_adaptive_group_count(struct moa_adaptive *a, const struct generation *g,
                              const struct moa_audit *audit, uint64_t mark, double score)
{
    struct moa_group_counts *c = &a->group.counts;
    c->n_audits++;
    for (size_t i = 0; i < MOA_THRESHOLDS; i++) {
        const bool kept = score >= g->threshold[i];
        c->kept[i] += kept;
        c->lost[i] += kept && audit->lost;
    }
    add_equations(g, audit, c);
    moa_adaptive_group_see(a, mark, score);
}

static void tell_times(const struct predict_tier *t, struct moa_group_times *ret_times)
{
    *ret_times = (struct moa_group_times){
        .n = t->service_ms.n,
        .fixed_ms = t->fixed_ms.mean,
        .prompt_ms = t->prompt_ms.mean,
        .prompt_tokens = t->prompt_tokens.mean,
        .answer_ms = t->answer_ms.mean,
        .answer_tokens = t->answer_tokens.mean,
    };
}

bool moa_adaptive_group_counts(const struct moa_adaptive *adaptive,
                               struct moa_group_counts *ret_counts)
{
    if (!adaptive || !ret_counts || !adaptive->group.counts.plan)
        return false;
    *ret_counts = adaptive->group.counts;
    for (int tier = MOA_EDGE; tier <= MOA_CLOUD; tier++)
        tell_times(&adaptive->predict.tier[tier], &ret_counts->times[tier]);
    return true;
}

bool moa_adaptive_group_recall(struct moa_adaptive *adaptive,
                               const struct moa_group_counts *published)
{
    if (!adaptive || !published || moa_group_counts_wrong(published))
        return false;
    struct moa_group_counts *ours = &adaptive->group.counts;
    if (!ours->plan || published->plan != ours->plan || published->instance != ours->instance ||
        strcmp(published->box, ours->box) != 0 || !moa_group_counts_follow(ours, published) ||
        moa_group_counts_follow(published, ours))
        return false;
    *ours = *published;
    adaptive->n_changes++;
    return true;
}

/* ---- plans ---- */

enum moa_err moa_adaptive_group_propose(const struct moa_adaptive *adaptive,
                                        const struct moa_group *group,
                                        struct moa_group_plan *ret_plan)
{
    const struct moa_adaptive *a = adaptive;
    double scores[ADAPTIVE_REMEMBERED];
    struct confidence confidence;
    struct moa_group_plan plan = {.serial = 1};
    if (!a || !ret_plan)
        return MOA_ERR_ARGUMENT;
    if (moa_adaptive_remembered(a) < GENERATION_SCORES)
        return MOA_ERR_UNSUPPORTED;
    if (group) {
        const enum moa_err err = moa_group_next(group, &plan);
        if (err)
            return err;
    } else {
        memcpy(plan.weights, moa_adaptive_current(a)->confidence.w, sizeof(plan.weights));
    }
    plan.alpha = moa_adaptive_alpha_kept(a);
    plan.delta = moa_adaptive_delta_kept(a);
    plan.judge = a->params.long_answers == LONG_JUDGE;
    plan.share = a->params.audit > 0.0 ? a->params.audit : 1.0;
    memcpy(confidence.w, plan.weights, sizeof(confidence.w));
    const size_t n = moa_adaptive_rescore(a, &confidence, scores);
    const enum moa_err err = moa_group_plan_grid(&plan, scores, n);
    if (err || moa_group_plan_wrong(&plan))
        return MOA_ERR_ARGUMENT;
    *ret_plan = plan;
    return MOA_OK;
}

static bool is_our_claim(const struct moa_adaptive *a, const struct moa_group_plan *plan)
{
    return plan->alpha == moa_adaptive_alpha_kept(a) && plan->delta == moa_adaptive_delta_kept(a) &&
           plan->judge == (a->params.long_answers == LONG_JUDGE);
}

/* A number that only who knows the key of the coins could have, and that is not the key. */
static uint64_t instance_of(const struct moa_adaptive *a, uint64_t plan)
{
    const uint64_t words[] = {0x696e7374616e6365, plan};
    return moa_siphash(a->key, words, 2) | 1;
}

enum moa_err moa_adaptive_group_join(struct moa_adaptive *adaptive,
                                     const struct moa_group_plan *plan, const char *box)
{
    struct moa_adaptive *a = adaptive;
    const uint64_t id = plan ? moa_group_plan_id(plan) : 0;
    char name[MOA_GROUP_NAME_BYTES] = "";
    if (!a || !id || !box || !is_our_claim(a, plan))
        return MOA_ERR_ARGUMENT;
    memcpy(name, box, strnlen(box, sizeof(name)));
    if (!moa_group_name_valid(name))
        return MOA_ERR_ARGUMENT;
    if (a->group.counts.plan == id && strcmp(a->group.counts.box, name) == 0)
        return MOA_OK;
    struct confidence confidence;
    memcpy(confidence.w, plan->weights, sizeof(confidence.w));
    if (a->in_force && a->generations[1].serial == a->in_force)
        moa_adaptive_end_older(a);
    moa_adaptive_begin_generation(a, 1, &confidence, NULL, 0);
    struct generation *g = &a->generations[1];
    memcpy(g->threshold, plan->threshold, sizeof(g->threshold));
    g->has_grid = true;
    if (g->share > plan->share)
        g->share = plan->share;
    memset(&a->group, 0, sizeof(a->group));
    a->group.serial = g->serial;
    a->group.counts.plan = id;
    a->group.counts.instance = instance_of(a, id);
    memcpy(a->group.counts.box, name, sizeof(name));
    a->hastened = 0;
    a->n_changes++;
    return MOA_OK;
}

/* ---- its certificate ---- */

bool moa_adaptive_group_heed(struct moa_adaptive *adaptive,
                             const struct moa_group_certificate *certificate)
{
    const struct moa_group_certificate *c = certificate;
    struct generation *g = adaptive ? moa_adaptive_group_generation(adaptive) : NULL;
    if (!g || (c && (c->plan != adaptive->group.counts.plan || c->n_certified > MOA_THRESHOLDS ||
                     c->n_used > c->n_certified || (c->n_certified > 0 && c->n_used == 0))))
        return false;
    const uint32_t n = c ? c->n_certified : 0, n_used = c ? c->n_used : 0;
    adaptive->group.n_boxes = c ? c->n_boxes : 0;
    adaptive->group.n_audits = c ? c->n_audits : 0;
    adaptive->group.n_lost = c ? c->n_lost : 0;
    if (n == g->n_group && n_used == g->n_group_used)
        return false;
    g->n_group = n;
    g->n_group_used = n_used;
    if (n > 0 && g == &adaptive->generations[1])
        moa_adaptive_end_older(adaptive);
    moa_adaptive_settle(adaptive);
    adaptive->n_changes++;
    return true;
}

void moa_adaptive_group_leave(struct moa_adaptive *adaptive)
{
    if (!adaptive || !adaptive->group.serial)
        return;
    moa_adaptive_group_heed(adaptive, NULL);
    adaptive->group.serial = 0;
    adaptive->n_changes++;
}
