/* SPDX-License-Identifier: Apache-2.0
 *
 * moa_decide(): the only code that decides. The gateway, the command line and the evaluation all
 * call it. A policy_<name>.c states its wish for one modality or for all of a request; this file
 * checks what came in, applies pins and outages, and derives the plan from the decision vector
 * (Eq. 6).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "policy.h"

struct moa_policy {
    const struct policy_kind *kind;
    struct moa_policy_params params;
    struct perllm *learned; /* NULL unless it learns */
};

static const struct policy_kind *const kinds[] = {
    &moa_policy_kind_paper,           &moa_policy_kind_edge,
    &moa_policy_kind_cloud,           &moa_policy_kind_paper_no_modality,
    &moa_policy_kind_paper_no_state,  &moa_policy_kind_perllm,
    &moa_policy_kind_perllm_accuracy,
};

static const size_t n_kinds = sizeof(kinds) / sizeof(kinds[0]);

void moa_policy_params_default(struct moa_policy_params *ret_params)
{
    *ret_params = (struct moa_policy_params){
        .tau_text = 0.5,
        .tau_image = 0.5,
        .edge_load_max = 0.85,
        .uplink_max_mbps = 400.0,
        .perllm = {.delta = 0.5,
                   .lambda = 1.0,
                   .accuracy_weight = 1.0,
                   .deadline_s = 4.0,
                   .radio_w = 2.0,
                   .infer_w = {15.0, 300.0},
                   .idle_w = {5.0, 60.0}},
    };
}

const char *moa_policy_name(size_t i)
{
    return i < n_kinds ? kinds[i]->name : NULL;
}

/* Written so that NaN is outside every range. */
static bool in_unit_range(double x)
{
    return x >= 0.0 && x <= 1.0;
}

static bool is_finite_at_least(double x, double least)
{
    return x >= least && isfinite(x);
}

static bool perllm_valid(const struct moa_perllm_params *p)
{
    const double not_negative[] = {p->delta,   p->lambda,    p->accuracy_weight,
                                   p->radio_w, p->idle_w[0], p->idle_w[1]};
    for (size_t i = 0; i < sizeof(not_negative) / sizeof(not_negative[0]); i++) {
        if (!is_finite_at_least(not_negative[i], 0.0))
            return false;
    }
    return is_finite_at_least(p->deadline_s, 1e-6) && is_finite_at_least(p->infer_w[0], 1e-6) &&
           is_finite_at_least(p->infer_w[1], 1e-6);
}

static bool params_valid(const struct moa_policy_params *p)
{
    return in_unit_range(p->tau_text) && in_unit_range(p->tau_image) &&
           in_unit_range(p->edge_load_max) && p->uplink_max_mbps > 0.0 && perllm_valid(&p->perllm);
}

static enum moa_err policy_of_kind(const struct policy_kind *kind,
                                   const struct moa_policy_params *params,
                                   struct moa_policy **ret_policy)
{
    struct moa_policy *policy = malloc(sizeof(*policy));
    if (!policy)
        return MOA_ERR_MEMORY;
    *policy = (struct moa_policy){.kind = kind, .params = *params};
    if (kind->learns) {
        policy->learned = calloc(1, sizeof(*policy->learned));
        if (!policy->learned) {
            free(policy);
            return MOA_ERR_MEMORY;
        }
    }
    *ret_policy = policy;
    return MOA_OK;
}

enum moa_err moa_policy_new(const char *name, const struct moa_policy_params *params,
                            struct moa_policy **ret_policy)
{
    struct moa_policy_params checked;
    moa_policy_params_default(&checked);
    if (params)
        checked = *params;
    if (!params_valid(&checked))
        return MOA_ERR_ARGUMENT;

    for (size_t i = 0; i < n_kinds; i++) {
        if (strcmp(kinds[i]->name, name) == 0)
            return policy_of_kind(kinds[i], &checked, ret_policy);
    }
    return MOA_ERR_ARGUMENT;
}

void moa_policy_free(struct moa_policy *policy)
{
    if (!policy)
        return;
    free(policy->learned);
    free(policy);
}

static bool request_valid(const struct moa_request *request, const struct moa_state *state)
{
    if (request->n_images > MOA_IMAGES_MAX || !in_unit_range(request->text.complexity))
        return false;
    for (size_t i = 0; i < request->n_images; i++) {
        if (!in_unit_range(request->images[i].complexity))
            return false;
    }
    return !(state->edge_load < 0.0) && !(state->uplink_mbps < 0.0) &&
           is_finite_at_least(request->deadline_s, 0.0);
}

/* A tier that is down is never chosen while the other is up. */
static struct moa_choice avoid_outage(struct moa_choice wish, const struct moa_state *state)
{
    if (wish.tier == MOA_EDGE && !state->edge_up && state->cloud_up)
        return (struct moa_choice){MOA_CLOUD, MOA_REASON_EDGE_DOWN};
    if (wish.tier == MOA_CLOUD && !state->cloud_up && state->edge_up)
        return (struct moa_choice){MOA_EDGE, MOA_REASON_CLOUD_DOWN};
    return wish;
}

static enum moa_plan plan_of(const struct moa_decision *d)
{
    for (size_t i = 0; i < d->n_images; i++) {
        if (d->images[i].tier != d->text.tier)
            return d->text.tier == MOA_EDGE ? MOA_PLAN_PERCEIVE_CLOUD : MOA_PLAN_PERCEIVE_EDGE;
    }
    return d->text.tier == MOA_EDGE ? MOA_PLAN_EDGE : MOA_PLAN_CLOUD;
}

static struct moa_choice choose(const struct moa_policy *policy, double tau,
                                const struct moa_modality *modality,
                                const struct moa_request *request, const struct moa_state *state)
{
    if (request->pinned)
        return (struct moa_choice){MOA_EDGE, MOA_REASON_PINNED};
    return avoid_outage(policy->kind->choose(&policy->params, tau, modality, state), state);
}

static struct moa_choice choose_whole(const struct moa_policy *policy,
                                      const struct moa_request *request,
                                      const struct moa_state *state)
{
    if (request->pinned)
        return (struct moa_choice){MOA_EDGE, MOA_REASON_PINNED};
    return avoid_outage(
        policy->kind->choose_whole(&policy->params, policy->learned, request, state), state);
}

enum moa_err moa_decide(const struct moa_policy *policy, const struct moa_request *request,
                        const struct moa_state *state, struct moa_decision *ret_decision)
{
    if (!request_valid(request, state))
        return MOA_ERR_ARGUMENT;

    ret_decision->n_images = request->n_images;
    if (policy->kind->choose_whole) {
        ret_decision->text = choose_whole(policy, request, state);
        for (size_t i = 0; i < request->n_images; i++)
            ret_decision->images[i] = ret_decision->text;
    } else {
        ret_decision->text =
            choose(policy, policy->params.tau_text, &request->text, request, state);
        for (size_t i = 0; i < request->n_images; i++)
            ret_decision->images[i] =
                choose(policy, policy->params.tau_image, &request->images[i], request, state);
    }
    ret_decision->plan = plan_of(ret_decision);
    return MOA_OK;
}

bool moa_policy_learns(const struct moa_policy *policy)
{
    return policy->kind->learns;
}

enum moa_err moa_observe(struct moa_policy *policy, const struct moa_outcome *outcome)
{
    if (!request_valid(outcome->request, &outcome->state) ||
        !is_finite_at_least(outcome->transfer_s, 0.0) ||
        !is_finite_at_least(outcome->infer_s, 0.0) || outcome->correct < 0.0 ||
        outcome->correct > 1.0)
        return MOA_ERR_ARGUMENT;
    /* A failure is rated by itself: nothing was right. It counts when it is first told. */
    const bool rated = !isnan(outcome->correct);
    const bool counts = outcome->failed ? !rated : rated == policy->kind->learns_rated;
    if (policy->kind->learns && counts)
        moa_perllm_learn(policy->learned, &policy->params.perllm, policy->kind->learns_rated,
                         outcome);
    return MOA_OK;
}

void moa_policy_learned(const struct moa_policy *policy, uint64_t *ret_outcomes,
                        uint64_t *ret_violations)
{
    *ret_outcomes = policy->learned ? policy->learned->n : 0;
    *ret_violations = policy->learned ? policy->learned->n_violations : 0;
}

const char *moa_tier_name(enum moa_tier tier)
{
    return tier == MOA_EDGE ? "edge" : "cloud";
}

const char *moa_plan_name(enum moa_plan plan)
{
    static const char *const names[] = {
        [MOA_PLAN_EDGE] = "edge",
        [MOA_PLAN_CLOUD] = "cloud",
        [MOA_PLAN_PERCEIVE_CLOUD] = "perceive-cloud",
        [MOA_PLAN_PERCEIVE_EDGE] = "perceive-edge",
    };
    return names[plan];
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
    };
    return names[reason];
}
