/* SPDX-License-Identifier: Apache-2.0
 *
 * Policy `adaptive`: what adaptive.c decides, as a wish like that of every other policy. Pins,
 * outages and what a tier refuses are told to it as what it knows: a tier that is not there. So
 * what is outside of its claim is never audited.
 */
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "adaptive.h"
#include "policy.h"

struct policy_adaptive {
    struct moa_adaptive *adaptive;
    void *paper; /* parameters of the policy `paper`, for adaptive.before: paper */
};

/* ---- its state ---- */

static void configure(void *state, const struct moa_policy_setting *settings)
{
    struct policy_adaptive *s = state;
    const enum moa_err err = moa_adaptive_configure(s->adaptive, settings);
    assert(!err); /* they were checked */
    (void)err;
    moa_policy_params_store(moa_policy_kind_paper.params, settings, s->paper);
}

static enum moa_err init(void *state, const struct moa_policy_setting *settings)
{
    struct policy_adaptive *s = state;
    const uint64_t key[2] = {0, 0}; /* until moa_adaptive_set_key() or moa_adaptive_load() */
    s->paper = calloc(1, moa_policy_kind_paper.params->n_bytes);
    if (!s->paper)
        return MOA_ERR_MEMORY;
    moa_policy_params_store(moa_policy_kind_paper.params, settings, s->paper);
    return moa_adaptive_new(settings, key, &s->adaptive);
}

static void done(void *state)
{
    struct policy_adaptive *s = state;
    moa_adaptive_free(s->adaptive);
    free(s->paper);
}

static struct moa_adaptive *adaptive_of(void *state)
{
    return ((struct policy_adaptive *)state)->adaptive;
}

/* ---- deciding ---- */

static const struct moa_question unknown = {
    .coins = {1, 1},
    .load = {{NAN, NAN, NAN}, {NAN, NAN, NAN}},
    .upload_bytes = NAN,
    .uplink_mbps = NAN,
    .rtt_ms = NAN,
};
_Static_assert(MOA_GENERATIONS == 2, "no coin is 1");

static bool takes_all(const struct moa_request *request, enum moa_tier tier)
{
    for (size_t i = 0; i < request->n; i++) {
        if (request->modalities[i].refused[tier])
            return false;
    }
    return true;
}

static bool has_pinned(const struct moa_request *request)
{
    for (size_t i = 0; i < request->n; i++) {
        if (request->modalities[i].pinned)
            return true;
    }
    return false;
}

/* Why a tier is as good as down. */
static enum moa_reason reason_of_absence(const struct moa_request *request, enum moa_tier tier,
                                         const struct moa_state *now)
{
    if (tier == MOA_EDGE && !now->edge_up)
        return MOA_REASON_EDGE_DOWN;
    if (tier == MOA_CLOUD && !now->cloud_up)
        return MOA_REASON_CLOUD_DOWN;
    if (tier == MOA_CLOUD && now->cloud_spent)
        return MOA_REASON_OVER_BUDGET;
    return request->modalities[0].refused[tier] ? MOA_REASON_TOO_LONG : MOA_REASON_UNSUPPORTED;
}

static bool is_audit(const struct moa_routing *r)
{
    return r->audit_of[0] || r->audit_of[1];
}

static enum moa_reason reason_of(const struct moa_routing *r, const struct moa_request *request,
                                 const struct moa_state *now)
{
    switch (r->why) {
    case MOA_WHY_CERTIFIED:
        return is_audit(r) ? MOA_REASON_AUDIT : MOA_REASON_CERTIFIED;
    case MOA_WHY_UNCERTIFIED:
        return is_audit(r) ? MOA_REASON_AUDIT : MOA_REASON_UNCERTIFIED;
    case MOA_WHY_SHADOW:
        return MOA_REASON_SHADOW;
    case MOA_WHY_QUICKER:
        return MOA_REASON_QUICKER;
    case MOA_WHY_EDGE_DOWN:
        return reason_of_absence(request, MOA_EDGE, now);
    case MOA_WHY_CLOUD_DOWN:
        return reason_of_absence(request, MOA_CLOUD, now);
    case MOA_WHY_PINNED:
        return MOA_REASON_PINNED;
    }
    return MOA_REASON_FIXED;
}

static void decide_adaptive(const void *params, const void *state,
                            const struct moa_request *request, const struct moa_state *now,
                            struct moa_decision *ret_decision)
{
    (void)params;
    const struct policy_adaptive *s = state;
    struct moa_decision *d = ret_decision;
    struct moa_question q = request->question ? *request->question : unknown;
    q.pinned = has_pinned(request);
    q.edge_up = now->edge_up && takes_all(request, MOA_EDGE);
    q.cloud_up = now->cloud_up && !now->cloud_spent && takes_all(request, MOA_CLOUD);
    const enum moa_err err = moa_adaptive_decide(s->adaptive, &q, &d->routing);
    assert(!err); /* it was checked */
    (void)err;
    d->is_routed = true;
    if (d->routing.route == MOA_ROUTE_PAPER) {
        moa_policy_kind_paper.decide(s->paper, NULL, request, now, d);
        return;
    }
    const enum moa_tier tier = d->routing.route == MOA_ROUTE_CLOUD ? MOA_CLOUD : MOA_EDGE;
    moa_policy_choose_all(request, (struct moa_choice){tier, reason_of(&d->routing, request, now)},
                          d);
    if (d->routing.route == MOA_ROUTE_EDGE_FIRST)
        d->threshold = d->routing.threshold;
}

/* ---- explaining ---- */

static const char *size_of(const struct moa_routing *r)
{
    return r->small ? ", with pictures at half their pixels" : "";
}

static int explain_threshold(const struct moa_routing *r, char *ret_text, size_t n)
{
    const char *what = r->why == MOA_WHY_CERTIFIED ? "which is certified"
                                                   : "adaptive.threshold; nothing is certified";
    const char *audit = is_audit(r) ? "; an audit: the cloud is asked too" : "";
    if (r->route == MOA_ROUTE_EDGE)
        return snprintf(ret_text, n, "the edge answers, kept whatever its score, %s%s", what,
                        audit);
    return snprintf(ret_text, n,
                    "the edge answers first, kept if its score is at least %.3f, %s%s; %.0f in 100 "
                    "like it go on to the cloud%s",
                    r->threshold, what, audit, 100 * r->rate, size_of(r));
}

static int explain_adaptive(const void *params, const void *state,
                            const struct moa_request *request, const struct moa_state *now,
                            const struct moa_decision *decision, size_t part, char *ret_text,
                            size_t n)
{
    (void)params;
    const struct policy_adaptive *s = state;
    const struct moa_routing *r = &decision->routing;
    switch (decision->choices[part].reason) {
    case MOA_REASON_SHADOW:
        return snprintf(ret_text, n,
                        "nothing is certified yet: the cloud answers, and the edge is watched");
    case MOA_REASON_QUICKER:
        return snprintf(ret_text, n, "the cloud costs %.0f ms, the edge first %.0f ms%s",
                        r->cost_cloud, r->cost_edge_first, size_of(r));
    case MOA_REASON_CERTIFIED:
    case MOA_REASON_UNCERTIFIED:
    case MOA_REASON_AUDIT:
        if (r->route == MOA_ROUTE_CLOUD)
            return snprintf(ret_text, n, "nothing could be certified: the cloud answers");
        return explain_threshold(r, ret_text, n);
    default:
        return moa_policy_kind_paper.explain(s->paper, NULL, request, now, decision, part, ret_text,
                                             n);
    }
}

const struct policy_kind moa_policy_kind_adaptive = {
    .name = "adaptive",
    .summary = "the edge answers; what it is not sure enough of by audits, or would take longer, "
               "goes to the cloud",
    .ignores_complexity = true,
    .params = &moa_adaptive_params,
    .n_state_bytes = sizeof(struct policy_adaptive),
    .init = init,
    .configure = configure,
    .done = done,
    .adaptive = adaptive_of,
    .decide = decide_adaptive,
    .explain = explain_adaptive,
};
