/* SPDX-License-Identifier: Apache-2.0
 *
 * moa_decide(): the only code that decides. The gateway, the command line and the evaluation all
 * call it. A policy_<name>.c states its wish for all of a request; this file checks what came in,
 * applies pins and outages, and derives the plan from the decision vector (Eq. 6). It also keeps
 * the table of policies and sets their parameters by the tables that they own.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adaptive.h"
#include "policies.h"
#include "policy.h"

struct moa_policy {
    const struct policy_kind *kind;
    void *params;
    void *state;
    uint64_t n_outcomes, n_violations;
    _Alignas(max_align_t) unsigned char memory[];
};

#define DECLARE(x) extern const struct policy_kind moa_policy_kind_##x;
POLICIES(DECLARE)

#define ADDRESS(x) &moa_policy_kind_##x,
static const struct policy_kind *const kinds[] = {POLICIES(ADDRESS)};

static const size_t n_kinds = sizeof(kinds) / sizeof(kinds[0]);

static const struct policy_params no_params;

/* ---- policies and their parameters ---- */

static const struct policy_kind *find_kind(const char *name)
{
    for (size_t i = 0; name && i < n_kinds; i++) {
        if (strcmp(kinds[i]->name, name) == 0)
            return kinds[i];
    }
    return NULL;
}

static const struct policy_params *params_of(const struct policy_kind *kind)
{
    return kind->params ? kind->params : &no_params;
}

const char *moa_policy_name(size_t i)
{
    return i < n_kinds ? kinds[i]->name : NULL;
}

const char *moa_policy_summary(const char *name)
{
    const struct policy_kind *kind = find_kind(name);
    return kind ? kind->summary : NULL;
}

bool moa_policy_is_research(const char *name)
{
    const struct policy_kind *kind = find_kind(name);
    return kind && kind->is_research;
}

static bool was_before(size_t k)
{
    for (size_t i = 0; i < k; i++) {
        if (kinds[i]->params == kinds[k]->params)
            return true;
    }
    return false;
}

const struct moa_policy_param *moa_policy_param(const char *name, size_t i)
{
    for (size_t k = 0; k < n_kinds; k++) {
        if (name ? strcmp(kinds[k]->name, name) != 0 : was_before(k))
            continue;
        const struct policy_params *params = params_of(kinds[k]);
        if (i < params->n)
            return &params->rows[i].row;
        i -= params->n;
        if (name)
            break;
    }
    return NULL;
}

static bool setting_valid(const struct moa_policy_setting *setting)
{
    const struct policy_param *param = NULL;
    for (size_t i = 0; !param && i < n_kinds; i++)
        param = moa_policy_params_find(params_of(kinds[i]), setting->key);
    return param && moa_policy_param_takes(param, setting->value);
}

static bool settings_valid(const struct moa_policy_setting *settings)
{
    for (const struct moa_policy_setting *s = settings; s && s->key; s++) {
        if (!setting_valid(s))
            return false;
    }
    return true;
}

enum moa_err moa_policy_configure(struct moa_policy *policy,
                                  const struct moa_policy_setting *settings)
{
    if (!policy || !settings_valid(settings))
        return MOA_ERR_ARGUMENT;
    if (policy->kind->configure)
        policy->kind->configure(policy->state, settings);
    moa_policy_params_store(params_of(policy->kind), settings, policy->params);
    return MOA_OK;
}

double moa_policy_value(const struct moa_policy *policy, const char *key)
{
    const struct policy_param *param =
        policy && key ? moa_policy_params_find(params_of(policy->kind), key) : NULL;
    return param ? moa_policy_params_value(param, policy->params) : NAN;
}

/* ---- a policy ---- */

static size_t aligned(size_t n_bytes)
{
    const size_t unit = _Alignof(max_align_t);
    return (n_bytes + unit - 1) / unit * unit;
}

enum moa_err moa_policy_new(const char *name, const struct moa_policy_setting *settings,
                            struct moa_policy **ret_policy)
{
    const struct policy_kind *kind = find_kind(name);
    if (!kind || !ret_policy || !settings_valid(settings))
        return MOA_ERR_ARGUMENT;
    const size_t n_params = aligned(params_of(kind)->n_bytes);
    struct moa_policy *policy = calloc(1, sizeof(*policy) + n_params + kind->n_state_bytes);
    if (!policy)
        return MOA_ERR_MEMORY;
    policy->kind = kind;
    policy->params = policy->memory;
    policy->state = policy->memory + n_params;
    moa_policy_params_store(params_of(kind), settings, policy->params);
    const enum moa_err err = kind->init ? kind->init(policy->state, settings) : MOA_OK;
    if (err) {
        moa_policy_free(policy);
        return err;
    }
    *ret_policy = policy;
    return MOA_OK;
}

void moa_policy_free(struct moa_policy *policy)
{
    if (policy && policy->kind->done)
        policy->kind->done(policy->state);
    free(policy);
}

struct moa_adaptive *moa_policy_adaptive(struct moa_policy *policy)
{
    return policy && policy->kind->adaptive ? policy->kind->adaptive(policy->state) : NULL;
}

bool moa_policy_by_complexity(const struct moa_policy *policy)
{
    if (!policy || !policy->kind->ignores_complexity)
        return true;
    return policy->kind->adaptive &&
           moa_adaptive_reads_complexity(policy->kind->adaptive(policy->state));
}

/* ---- deciding ---- */

static bool in_unit_range(double x)
{
    return x >= 0.0 && x <= 1.0;
}

static bool is_finite_at_least(double x, double least)
{
    return x >= least && isfinite(x);
}

static bool request_valid(const struct moa_request *request, const struct moa_state *state)
{
    if (!request || !state || !request->modalities || request->n < 1 ||
        request->n > MOA_MODALITIES_MAX)
        return false;
    for (size_t i = 0; i < request->n; i++) {
        const struct moa_modality *m = &request->modalities[i];
        if (!in_unit_range(m->complexity) || (unsigned)m->kind >= MOA_KINDS ||
            (m->kind == MOA_TEXT) != (i == 0))
            return false;
    }
    if (request->question && !moa_question_valid(request->question))
        return false;
    return !(state->edge_load < 0.0) && !(state->uplink_mbps < 0.0) &&
           is_finite_at_least(request->deadline_s, 0.0);
}

static enum moa_tier other_than(enum moa_tier tier)
{
    return tier == MOA_EDGE ? MOA_CLOUD : MOA_EDGE;
}

/* What a tier does not take goes to the other, if that takes it. */
static struct moa_choice avoid_refusal(struct moa_choice wish, const struct moa_modality *m)
{
    const enum moa_tier other = other_than(wish.tier);
    if (!m->refused[wish.tier] || m->refused[other])
        return wish;
    return (struct moa_choice){other,
                               m->kind == MOA_TEXT ? MOA_REASON_TOO_LONG : MOA_REASON_UNSUPPORTED};
}

/* A tier that is down, or a cloud whose budget is spent, is not chosen while the other is up and
 * takes it. */
static struct moa_choice avoid_outage(struct moa_choice wish, const struct moa_modality *m,
                                      const struct moa_state *state)
{
    const bool may[2] = {state->edge_up, state->cloud_up && !state->cloud_spent};
    const enum moa_tier other = other_than(wish.tier);
    if (may[wish.tier] || !may[other] || m->refused[other])
        return wish;
    return (struct moa_choice){other, wish.tier == MOA_EDGE ? MOA_REASON_EDGE_DOWN
                                      : state->cloud_up     ? MOA_REASON_OVER_BUDGET
                                                            : MOA_REASON_CLOUD_DOWN};
}

/* What was wished for one tier as a whole stays whole if something of it is refused there: it moves
 * to a tier that takes all of it, instead of being split into two stages. */
static void move_whole(const struct moa_request *request, struct moa_decision *d)
{
    const struct moa_choice wish = d->choices[0];
    const enum moa_tier other = other_than(wish.tier);
    const struct moa_modality *refused = NULL;
    for (size_t i = 0; i < request->n; i++) {
        const struct moa_modality *m = &request->modalities[i];
        if (d->choices[i].tier != wish.tier || m->refused[other] || m->pinned)
            return;
        if (m->refused[wish.tier] && !refused)
            refused = m;
    }
    if (refused)
        moa_policy_choose_all(request, avoid_refusal(wish, refused), d);
}

/* Pins, refusals and outages are stronger than a policy's wish. */
static void constrain(const struct moa_request *request, const struct moa_state *state,
                      struct moa_decision *d)
{
    move_whole(request, d);
    for (size_t i = 0; i < request->n; i++) {
        const struct moa_modality *m = &request->modalities[i];
        if (m->pinned)
            d->choices[i] = (struct moa_choice){MOA_EDGE, MOA_REASON_PINNED};
        else
            d->choices[i] = avoid_outage(avoid_refusal(d->choices[i], m), m, state);
    }
}

/* Whether the cloud may be asked for all of it, should the edge's answer not do. */
static bool may_escalate(const struct moa_request *request, const struct moa_state *state)
{
    for (size_t i = 0; i < request->n; i++) {
        if (request->modalities[i].pinned || request->modalities[i].refused[MOA_CLOUD])
            return false;
    }
    return state->cloud_up && !request->pinned;
}

static enum moa_plan plan_of(const struct moa_decision *d)
{
    const enum moa_tier text = d->choices[0].tier;
    for (size_t i = 1; i < d->n; i++) {
        if (d->choices[i].tier != text)
            return text == MOA_EDGE ? MOA_PLAN_PERCEIVE_CLOUD : MOA_PLAN_PERCEIVE_EDGE;
    }
    return text == MOA_EDGE ? MOA_PLAN_EDGE : MOA_PLAN_CLOUD;
}

void moa_policy_choose_all(const struct moa_request *request, struct moa_choice choice,
                           struct moa_decision *ret_decision)
{
    for (size_t i = 0; i < request->n; i++)
        ret_decision->choices[i] = choice;
}

static const struct moa_routing no_routing = {
    .predicted_ms = {NAN, NAN}, .rate = NAN, .cost_edge_first = NAN, .cost_cloud = NAN};

enum moa_err moa_decide(const struct moa_policy *policy, const struct moa_request *request,
                        const struct moa_state *state, struct moa_decision *ret_decision)
{
    struct moa_decision *d = ret_decision;
    if (!policy || !request_valid(request, state) || !d || !d->choices || d->n < request->n)
        return MOA_ERR_ARGUMENT;
    d->n = request->n;
    d->threshold = NAN;
    d->is_routed = false;
    d->routing = no_routing;
    if (request->pinned) {
        moa_policy_choose_all(request, (struct moa_choice){MOA_EDGE, MOA_REASON_PINNED}, d);
    } else {
        policy->kind->decide(policy->params, policy->state, request, state, d);
        constrain(request, state, d);
    }
    d->plan = plan_of(d);
    if (d->plan == MOA_PLAN_EDGE && d->threshold > 0.0 && may_escalate(request, state))
        d->plan = MOA_PLAN_EDGE_FIRST;
    else
        d->threshold = NAN;
    return MOA_OK;
}

/* The reasons that are no policy's own; NULL: it is one. */
static const char *explain_constraint(enum moa_reason reason)
{
    switch (reason) {
    case MOA_REASON_PINNED:
        return "it is pinned to the edge";
    case MOA_REASON_EDGE_DOWN:
        return "the edge is down";
    case MOA_REASON_CLOUD_DOWN:
        return "the cloud is down";
    case MOA_REASON_OVER_BUDGET:
        return "the budget for the cloud is spent";
    case MOA_REASON_CLOUD_BUSY:
        return "the cloud has as many calls as it can take";
    case MOA_REASON_MEMORY:
        return "it was answered a moment ago";
    case MOA_REASON_UNSUPPORTED:
        return "the other tier does not take all of it";
    case MOA_REASON_TOO_LONG:
        return "it is longer than the other tier's context";
    default:
        return NULL;
    }
}

static bool is_tier(enum moa_tier tier)
{
    return tier == MOA_EDGE || tier == MOA_CLOUD;
}

/* Whether `d` may be what was decided for `request`. */
static bool decision_valid(const struct moa_decision *d, const struct moa_request *request)
{
    if (!d || !d->choices || d->n != request->n)
        return false;
    for (size_t i = 0; i < d->n; i++) {
        if (!is_tier(d->choices[i].tier))
            return false;
    }
    return true;
}

size_t moa_explain(const struct moa_policy *policy, const struct moa_request *request,
                   const struct moa_state *state, const struct moa_decision *decision, size_t part,
                   char *ret_text, size_t n)
{
    if (!policy || !request_valid(request, state) || !decision_valid(decision, request) ||
        part >= decision->n || (!ret_text && n > 0))
        return 0;
    const struct policy_kind *kind = policy->kind;
    const char *constraint = explain_constraint(decision->choices[part].reason);
    int written;
    if (constraint)
        written = snprintf(ret_text, n, "%s", constraint);
    else if (kind->explain)
        written = kind->explain(policy->params, policy->state, request, state, decision, part,
                                ret_text, n);
    else
        written = snprintf(ret_text, n, "%s", kind->summary);
    return written > 0 ? (size_t)written : 0;
}

bool moa_policy_learns(const struct moa_policy *policy)
{
    return policy && policy->kind->observe;
}

enum moa_err moa_observe(struct moa_policy *policy, const struct moa_outcome *outcome)
{
    if (!policy || !outcome || !request_valid(outcome->request, &outcome->state) ||
        !is_tier(outcome->choice.tier) || !is_finite_at_least(outcome->transfer_s, 0.0) ||
        !is_finite_at_least(outcome->infer_s, 0.0) || outcome->correct < 0.0 ||
        outcome->correct > 1.0)
        return MOA_ERR_ARGUMENT;
    if (policy->kind->observe && policy->kind->observe(policy->params, policy->state, outcome)) {
        policy->n_outcomes++;
        policy->n_violations += outcome->choice.reason == MOA_REASON_INFEASIBLE;
    }
    return MOA_OK;
}

void moa_policy_learned(const struct moa_policy *policy, uint64_t *ret_outcomes,
                        uint64_t *ret_violations)
{
    if (ret_outcomes)
        *ret_outcomes = policy ? policy->n_outcomes : 0;
    if (ret_violations)
        *ret_violations = policy ? policy->n_violations : 0;
}

/* ---- names ---- */

/* `i` is a value of an enum, or whatever the caller has in its place. */
static const char *name_of(const char *const *names, size_t n, unsigned i)
{
    return i < n ? names[i] : "unknown";
}

const char *moa_kind_name(enum moa_kind kind)
{
    static const char *const names[MOA_KINDS] = {"text", "image", "audio", "video", "file"};
    return name_of(names, MOA_KINDS, kind);
}

const char *moa_tier_name(enum moa_tier tier)
{
    static const char *const names[] = {"edge", "cloud"};
    return name_of(names, 2, tier);
}

const char *moa_plan_name(enum moa_plan plan)
{
    static const char *const names[] = {
        [MOA_PLAN_EDGE] = "edge",
        [MOA_PLAN_CLOUD] = "cloud",
        [MOA_PLAN_PERCEIVE_CLOUD] = "perceive-cloud",
        [MOA_PLAN_PERCEIVE_EDGE] = "perceive-edge",
        [MOA_PLAN_EDGE_FIRST] = "edge-first",
    };
    return name_of(names, sizeof(names) / sizeof(names[0]), plan);
}

const char *moa_reason_name(enum moa_reason reason)
{
    static const char *const names[] = {
        [MOA_REASON_FIXED] = "fixed",
        [MOA_REASON_SIMPLE] = "simple",
        [MOA_REASON_COMPLEX] = "complex",
        [MOA_REASON_EDGE_BUSY] = "edge-busy",
        [MOA_REASON_UPLINK_FAST] = "uplink-fast",
        [MOA_REASON_EDGE_DOWN] = "edge-down",
        [MOA_REASON_CLOUD_DOWN] = "cloud-down",
        [MOA_REASON_PINNED] = "pinned",
        [MOA_REASON_UNTRIED] = "untried",
        [MOA_REASON_BEST_INDEX] = "best-index",
        [MOA_REASON_INFEASIBLE] = "infeasible",
        [MOA_REASON_UNSUPPORTED] = "unsupported",
        [MOA_REASON_TOO_LONG] = "too-long",
        [MOA_REASON_UNSURE] = "unsure",
        [MOA_REASON_OVER_BUDGET] = "over-budget",
        [MOA_REASON_CLOUD_BUSY] = "cloud-busy",
        [MOA_REASON_CERTIFIED] = "certified",
        [MOA_REASON_UNCERTIFIED] = "uncertified",
        [MOA_REASON_SHADOW] = "shadow",
        [MOA_REASON_AUDIT] = "audit",
        [MOA_REASON_QUICKER] = "quicker",
        [MOA_REASON_MEMORY] = "memory",
    };
    return name_of(names, sizeof(names) / sizeof(names[0]), reason);
}
