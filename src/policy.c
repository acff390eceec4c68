/* SPDX-License-Identifier: Apache-2.0
 *
 * moa_decide(): the only code that decides. The gateway, the command line and the evaluation all
 * call it. A policy_<name>.c states its wish for one modality; this file checks what came in,
 * applies pins and outages, and derives the plan from the decision vector (Eq. 6).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "policy.h"

struct moa_policy {
    const struct policy_kind *kind;
    struct moa_policy_params params;
};

static const struct policy_kind *const kinds[] = {
    &moa_policy_kind_paper,
    &moa_policy_kind_edge,
    &moa_policy_kind_cloud,
};

static const size_t n_kinds = sizeof(kinds) / sizeof(kinds[0]);

void moa_policy_params_default(struct moa_policy_params *ret_params)
{
    *ret_params = (struct moa_policy_params){
        .tau_text = 0.5,
        .tau_image = 0.5,
        .edge_load_max = 0.85,
        .uplink_max_mbps = 400.0,
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

static bool params_valid(const struct moa_policy_params *p)
{
    return in_unit_range(p->tau_text) && in_unit_range(p->tau_image) &&
           in_unit_range(p->edge_load_max) && p->uplink_max_mbps > 0.0;
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
        if (strcmp(kinds[i]->name, name) != 0)
            continue;
        struct moa_policy *policy = malloc(sizeof(*policy));
        if (!policy)
            return MOA_ERR_MEMORY;
        *policy = (struct moa_policy){.kind = kinds[i], .params = checked};
        *ret_policy = policy;
        return MOA_OK;
    }
    return MOA_ERR_ARGUMENT;
}

void moa_policy_free(struct moa_policy *policy)
{
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
    return !(state->edge_load < 0.0) && !(state->uplink_mbps < 0.0);
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

enum moa_err moa_decide(const struct moa_policy *policy, const struct moa_request *request,
                        const struct moa_state *state, struct moa_decision *ret_decision)
{
    if (!request_valid(request, state))
        return MOA_ERR_ARGUMENT;

    ret_decision->text = choose(policy, policy->params.tau_text, &request->text, request, state);
    ret_decision->n_images = request->n_images;
    for (size_t i = 0; i < request->n_images; i++)
        ret_decision->images[i] =
            choose(policy, policy->params.tau_image, &request->images[i], request, state);
    ret_decision->plan = plan_of(ret_decision);
    return MOA_OK;
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
    };
    return names[reason];
}
