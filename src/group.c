/* SPDX-License-Identifier: Apache-2.0
 *
 * Boxes that certify together: hearing counts, adding them up, the certificate, and the next
 * generation; see moaoff/group.h. Each bet of the e-processes is a function of sums of audits and
 * losses, so the sums are taken first, over all boxes; the mixture of bets and the maximum over
 * time come after, once. docs/group.md says why nothing else would do.
 */
#include "group.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "byte_walk.h"
#include "generation.h"

enum moa_err moa_group_new(const struct moa_group_plan *plan, size_t n_boxes_max,
                           struct moa_group **ret_group)
{
    const uint64_t id = plan ? moa_group_plan_id(plan) : 0;
    if (!id || !ret_group || n_boxes_max < 1 || n_boxes_max > MOA_GROUP_BOXES_MAX)
        return MOA_ERR_ARGUMENT;
    struct moa_group *g = calloc(1, sizeof(*g));
    if (!g)
        return MOA_ERR_MEMORY;
    g->plan = *plan;
    g->id = id;
    g->n_max = n_boxes_max;
    g->bar = log(1.0 / plan->delta);
    moa_certify_bets(plan->alpha, &g->bets);
    for (size_t i = 0; i < MOA_THRESHOLDS; i++)
        g->process[i].best = -INFINITY;
    *ret_group = g;
    return MOA_OK;
}

void moa_group_free(struct moa_group *group)
{
    if (group)
        free(group->members);
    free(group);
}

/* ---- hearing ---- */

/* Where a name is, or would be. */
static size_t place_of(const struct moa_group *g, const char *name)
{
    size_t low = 0, high = g->n;
    while (low < high) {
        const size_t mid = low + (high - low) / 2;
        if (strcmp(g->members[mid].counts.box, name) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static bool is_at(const struct moa_group *g, size_t i, const char *name)
{
    return i < g->n && strcmp(g->members[i].counts.box, name) == 0;
}

static bool is_left_out(const struct moa_group_plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->n_left_out; i++) {
        if (strcmp(plan->left_out[i], name) == 0)
            return true;
    }
    return false;
}

static bool make_room(struct moa_group *g)
{
    if (g->n < g->room)
        return true;
    const size_t room = g->room ? 2 * g->room : 16;
    struct group_member *members = realloc(g->members, room * sizeof(*members));
    if (!members)
        return false;
    g->members = members;
    g->room = room;
    return true;
}

/* In the place of what member `i` had counted before. */
static void take(struct moa_group *g, size_t i, const struct moa_group_counts *counts)
{
    struct moa_group_counts *before = &g->members[i].counts;
    g->n_audits += counts->n_audits - before->n_audits;
    for (size_t t = 0; t < MOA_THRESHOLDS; t++) {
        g->kept[t] += counts->kept[t] - before->kept[t];
        g->lost[t] += counts->lost[t] - before->lost[t];
    }
    *before = *counts;
}

static enum moa_err take_new(struct moa_group *g, size_t i, const struct moa_group_counts *counts,
                             struct moa_error *ret_error)
{
    if (g->n == g->n_max)
        return bytes_refuse(ret_error, MOA_ERR_LIMIT, 0, "more boxes than a group may have");
    if (!make_room(g))
        return bytes_refuse(ret_error, MOA_ERR_MEMORY, 0, "no memory for another box");
    memmove(&g->members[i + 1], &g->members[i], (g->n - i) * sizeof(*g->members));
    g->members[i] = (struct group_member){.distance = NAN};
    g->n++;
    take(g, i, counts);
    return MOA_OK;
}

/* Counts of a box that was heard before. Those of the box that was first stand: to take them out
 * would be to choose among sums, and which of the two it is nobody here can know. */
static enum moa_err take_again(struct moa_group *g, size_t i, const struct moa_group_counts *counts,
                               struct moa_error *ret_error)
{
    struct group_member *m = &g->members[i];
    if (m->counts.instance != counts->instance) {
        m->is_two = true;
        m->n_refused++;
        return bytes_refuse(ret_error, MOA_ERR_CORRUPT, 0,
                            "two boxes have one name, or one forgot what it had counted");
    }
    if (moa_group_counts_follow(counts, &m->counts)) /* older, or the same */
        return MOA_OK;
    if (!moa_group_counts_follow(&m->counts, counts)) {
        m->n_refused++;
        return bytes_refuse(ret_error, MOA_ERR_CORRUPT, 0,
                            "counts that contradict earlier ones of the same box");
    }
    take(g, i, counts);
    return MOA_OK;
}

enum moa_err moa_group_hear(struct moa_group *group, const struct moa_group_counts *counts,
                            struct moa_error *ret_error)
{
    struct moa_group *g = group;
    if (!g || !counts)
        return bytes_refuse(ret_error, MOA_ERR_ARGUMENT, 0, "no group, or no counts");
    const char *wrong = moa_group_counts_wrong(counts);
    if (wrong)
        return bytes_refuse(ret_error, MOA_ERR_ARGUMENT, 0, wrong);
    if (counts->plan != g->id)
        return bytes_refuse(ret_error, MOA_ERR_FORMAT, 0, "counts of another generation");
    if (is_left_out(&g->plan, counts->box))
        return bytes_refuse(ret_error, MOA_ERR_UNSUPPORTED, 0,
                            "a box that is left out of this generation");
    const size_t i = place_of(g, counts->box);
    return is_at(g, i, counts->box) ? take_again(g, i, counts, ret_error)
                                    : take_new(g, i, counts, ret_error);
}

/* ---- the certificate ---- */

bool moa_group_look(struct moa_group *group)
{
    struct moa_group *g = group;
    if (!g)
        return false;
    for (size_t t = 0; t < MOA_THRESHOLDS; t++)
        moa_eprocess_set(&g->process[t], &g->bets, g->n_audits, g->lost[t]);
    const uint32_t before = g->n_certified;
    g->n_certified = moa_certify_sequence(g->process, MOA_THRESHOLDS, g->bar, before);
    return g->n_certified > before;
}

static void describe(const struct moa_group *g, size_t i, struct moa_threshold *t)
{
    const double n = (double)g->n_audits;
    t->threshold = g->plan.threshold[i];
    t->kept = n > 0 ? (double)g->kept[i] / n : 0.0;
    t->lost = n > 0 ? (double)g->lost[i] / n : 0.0;
    t->bound = n > 0 ? moa_binomial_bound(g->lost[i], g->n_audits, g->plan.delta) : 1.0;
    t->evidence = exp(g->process[i].best);
}

/* As moa_generation_used(), of the group's losses. */
static uint32_t used(const struct moa_group *g)
{
    uint32_t n = g->n_certified;
    const double lost_max = GENERATION_SPENT * g->plan.alpha * (double)g->n_audits;
    while (n > 1 && n < MOA_THRESHOLDS && (double)g->lost[n - 1] > lost_max)
        n--;
    return n;
}

static uint32_t largest_of(const struct moa_group *g)
{
    uint32_t largest = 0;
    for (size_t i = 0; i < g->n; i++) {
        if (g->members[i].counts.n_audits > largest)
            largest = g->members[i].counts.n_audits;
    }
    return largest;
}

void moa_group_certificate(const struct moa_group *group,
                           struct moa_group_certificate *ret_certificate)
{
    const struct moa_group *g = group;
    struct moa_group_certificate *r = ret_certificate;
    if (!r)
        return;
    *r = (struct moa_group_certificate){.threshold = INFINITY};
    if (!g)
        return;
    *r = (struct moa_group_certificate){
        .plan = g->id,
        .certified = g->n_certified > 0,
        .alpha = g->plan.alpha,
        .delta = g->plan.delta,
        .n_audits = g->n_audits,
        .n_lost = g->lost[MOA_THRESHOLDS - 1],
        .largest = g->n_audits > 0 ? (double)largest_of(g) / (double)g->n_audits : 0.0,
        .n_certified = g->n_certified,
        .n_used = used(g),
        .threshold = INFINITY,
    };
    for (size_t i = 0; i < g->n; i++)
        r->n_boxes += g->members[i].counts.n_audits > 0;
    for (size_t i = 0; i < MOA_THRESHOLDS; i++)
        describe(g, i, &r->curve[i]);
    if (r->certified) {
        r->threshold = r->curve[r->n_used - 1].threshold;
        r->kept = r->curve[r->n_used - 1].kept;
    } else {
        r->n_missing = moa_certify_missing(&g->process[0], &g->bets, g->bar, GENERATION_LAST);
    }
}

/* ---- boxes ---- */

bool moa_group_box(const struct moa_group *group, size_t i, struct moa_group_box *ret_box)
{
    if (!group || !ret_box || i >= group->n)
        return false;
    const struct group_member *m = &group->members[i];
    *ret_box = (struct moa_group_box){
        .counts = &m->counts,
        .share = group->n_audits > 0 ? m->counts.n_audits / (double)group->n_audits : 0.0,
        .distance = m->distance,
        .differs = m->differs,
        .is_two = m->is_two,
        .n_refused = m->n_refused,
    };
    return true;
}

bool moa_group_differs(const struct moa_group *group, const char *box)
{
    if (!group || !box)
        return false;
    const size_t i = place_of(group, box);
    return (is_at(group, i, box) && group->members[i].differs) || is_left_out(&group->plan, box);
}

enum moa_group_due moa_group_due(const struct moa_group *group)
{
    for (size_t i = 0; group && i < group->n; i++) {
        if (group->members[i].differs)
            return MOA_GROUP_DUE_DIFFERS;
    }
    return group && largest_of(group) >= GENERATION_AUDITS ? MOA_GROUP_DUE_FULL : MOA_GROUP_NOT_DUE;
}

const char *moa_group_due_name(enum moa_group_due due)
{
    static const char *const names[] = {"no", "differs", "full"};
    const size_t i = (size_t)due;
    return i < sizeof(names) / sizeof(names[0]) ? names[i] : "unknown";
}

/* ---- the next generation ---- */

/* Boxes that differ teach nothing to those that stay. */
static void add_equations(const struct moa_group *g, struct confidence_newton *q)
{
    for (size_t i = 0; i < g->n; i++) {
        const struct moa_group_counts *c = &g->members[i].counts;
        if (g->members[i].differs)
            continue;
        for (int row = 0, at = 0; row < CONFIDENCE_N; row++) {
            q->gradient[row] += c->gradient[row];
            for (int column = 0; column <= row; column++)
                q->hessian[row][column] += c->curvature[at++];
        }
    }
}

void moa_group_weights(const struct moa_group *group, double ret_weights[MOA_GROUP_WEIGHTS])
{
    struct confidence_newton q = {.gradient = {0}};
    struct confidence from, to;
    if (!ret_weights)
        return;
    moa_confidence_prior(&to);
    if (group) {
        memcpy(from.w, group->plan.weights, sizeof(from.w));
        add_equations(group, &q);
        moa_confidence_step(&from, &q, &to);
    }
    memcpy(ret_weights, to.w, sizeof(to.w));
}

enum moa_err moa_group_next(const struct moa_group *group, struct moa_group_plan *ret_plan)
{
    if (!group || !ret_plan || group->plan.serial == UINT64_MAX)
        return MOA_ERR_ARGUMENT;
    struct moa_group_plan next = group->plan;
    next.serial++;
    memset(next.threshold, 0, sizeof(next.threshold));
    moa_group_weights(group, next.weights);
    for (size_t i = 0; i < group->n; i++) {
        if (!group->members[i].differs)
            continue;
        if (next.n_left_out == MOA_GROUP_LEFT_OUT_MAX)
            return MOA_ERR_LIMIT;
        memcpy(next.left_out[next.n_left_out++], group->members[i].counts.box,
               MOA_GROUP_NAME_BYTES);
    }
    *ret_plan = next;
    return MOA_OK;
}

enum moa_err moa_group_plan_grid(struct moa_group_plan *plan, double *scores, size_t n)
{
    if (!plan || !scores || n < GENERATION_SCORES)
        return MOA_ERR_ARGUMENT;
    for (size_t i = 0; i < n; i++) {
        if (!(scores[i] >= 0.0 && scores[i] <= 1.0))
            return MOA_ERR_ARGUMENT;
    }
    moa_generation_grid(scores, n, plan->threshold);
    return MOA_OK;
}
