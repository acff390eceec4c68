/* SPDX-License-Identifier: Apache-2.0
 *
 * A made-up group, whose scores are uniform and whose risk is known, for tests of moaoff/group.h.
 */
#ifndef MOA_TESTS_UNIT_GROUP_BOXES_H
#define MOA_TESTS_UNIT_GROUP_BOXES_H

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "group.h"

#include "test.h"

static inline double uniform(uint64_t *seed)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return (double)((*seed * 2685821657736338717u) >> 11) / 9007199254740992.0;
}

static inline struct moa_group_plan plan_of(uint64_t serial)
{
    struct moa_group_plan p = {
        .serial = serial, .alpha = 0.03, .delta = 0.1, .share = 0.05, .weights = {0.0, 1.0}};
    for (size_t i = 0; i < MOA_THRESHOLDS; i++)
        p.threshold[i] = 1.0 - (double)(i + 1) / MOA_THRESHOLDS;
    p.threshold[MOA_THRESHOLDS - 1] = 0.0;
    return p;
}

static inline struct moa_group *group_of(const struct moa_group_plan *plan)
{
    struct moa_group *g;
    assert_int_equal(moa_group_new(plan, MOA_GROUP_BOXES_MAX, &g), MOA_OK);
    return g;
}

static inline struct moa_group_counts box_of(const struct moa_group_plan *plan, unsigned number)
{
    struct moa_group_counts c = {.instance = 1000 + number, .plan = moa_group_plan_id(plan)};
    snprintf(c.box, sizeof(c.box), "box-%u", number);
    return c;
}

static inline void see(struct moa_group_counts *c, const struct moa_group_plan *plan, double score)
{
    c->cells[moa_group_cell(plan, score)]++;
}

static inline void audit(struct moa_group_counts *c, const struct moa_group_plan *plan,
                         double score, bool lost)
{
    c->n_audits++;
    for (size_t i = 0; i < MOA_THRESHOLDS; i++) {
        c->kept[i] += score >= plan->threshold[i];
        c->lost[i] += score >= plan->threshold[i] && lost;
    }
}

/* `n` audits that all thresholds keep, `k` of them lost. */
static inline struct moa_group_counts counted(const struct moa_group_plan *plan, unsigned number,
                                              uint32_t n, uint32_t k)
{
    struct moa_group_counts c = box_of(plan, number);
    for (uint32_t i = 0; i < n; i++)
        audit(&c, plan, 1.0, i < k);
    return c;
}

static inline void hear(struct moa_group *g, const struct moa_group_counts *c)
{
    struct moa_error error = {.message = "nothing"};
    if (moa_group_hear(g, c, &error))
        fail_msg("%s: %s", c->box, error.message);
}

static inline struct moa_group_certificate certificate_of(struct moa_group *g)
{
    struct moa_group_certificate c;
    moa_group_look(g);
    moa_group_certificate(g, &c);
    return c;
}

#endif
