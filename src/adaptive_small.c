/* SPDX-License-Identifier: Apache-2.0
 *
 * Pictures for the cloud at half their pixels: whether audits have shown that the cloud says the
 * same of them, whether that still holds, and whether they are worth it. The claim takes a quarter
 * of alpha and half of delta, and leaves the rest to the answers of the edge: each answer of the
 * sum differs for one of the two reasons, so that alpha and delta bound the sum.
 */
#include "adaptive.h"

/* The smaller pictures are taken if that takes less than this of what whole ones take. */
#define SMALL_HYSTERESIS 0.9

static bool is_certified(const struct moa_adaptive *a, const struct generation *g)
{
    return a->params.resolution && g->small.process.best >= a->bar;
}

bool moa_adaptive_small_holds(const struct moa_adaptive *a)
{
    return is_certified(a, moa_adaptive_current(a));
}

void moa_adaptive_choose_size(const struct moa_adaptive *a, const struct moa_question *question,
                              struct moa_routing *routing)
{
    if (!question->has_small || !moa_adaptive_small_holds(a) || routing->audit_of[0] ||
        routing->audit_of[1])
        return;
    struct moa_question q = *question;
    struct moa_routing r = *routing;
    q.upload_bytes = q.small_upload_bytes;
    q.load[MOA_CLOUD].prompt_tokens = q.small_prompt_tokens;
    moa_predict(&a->predict, &q, &r);
    r.small = true;
    if (r.predicted_ms[MOA_CLOUD] < SMALL_HYSTERESIS * routing->predicted_ms[MOA_CLOUD])
        *routing = r; /* not if either is unknown */
}

static void begin_again(struct moa_adaptive *a)
{
    for (size_t i = 0; i < MOA_GENERATIONS; i++)
        moa_generation_forget_small(&a->generations[i]);
    a->small_drift = (struct drift){.r = {0}};
    a->n_small_alarms++;
}

unsigned moa_adaptive_count_small(struct moa_adaptive *a, struct generation *g, bool lost)
{
    const bool counts = g == moa_adaptive_current(a), held = is_certified(a, g);
    moa_generation_count_small(g, &a->small_bets, lost);
    if (counts && held)
        moa_drift_add(&a->small_drift, &a->small_bets, lost);
    if (counts && held && moa_drift_mean(&a->small_drift) >= CERTIFY_ALARM) {
        begin_again(a);
        return MOA_AUDIT_SMALL_ALARM;
    }
    return counts && !held && is_certified(a, g) ? MOA_AUDIT_SMALL_CERTIFIED : 0;
}
