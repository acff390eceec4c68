/* SPDX-License-Identifier: Apache-2.0
 *
 * Policies `perllm` and `perllm-accuracy`: a bandit that chooses the server of a whole request by
 * an upper confidence bound among the servers that break no hard constraint. The formulas stand at
 * struct moa_perllm_params; this is a reconstruction. It is blind to modalities except for its
 * service classes, which is what it is compared with `paper` for.
 */
#include <math.h>

#include "policy.h"

static double deadline_of(const struct moa_perllm_params *params, const struct moa_request *request)
{
    return request->deadline_s > 0.0 ? request->deadline_s : params->deadline_s;
}

static double bytes_of(const struct moa_request *request)
{
    double bytes = (double)request->text.bytes;
    for (size_t i = 0; i < request->n_images; i++)
        bytes += (double)request->images[i].bytes;
    return bytes;
}

/* How many of three rising bounds `value` is above. */
static size_t bucket_of(double value, const double bounds[3])
{
    size_t bucket = 0;
    while (bucket < 3 && value > bounds[bucket])
        bucket++;
    return bucket;
}

static size_t class_of(const struct moa_perllm_params *params, const struct moa_request *request)
{
    static const double size_bytes[3] = {32e3, 128e3, 512e3};
    static const double deadlines_s[3] = {1.0, 2.0, 4.0};
    size_t modalities = request->n_images > 0 ? 1 : 0;
    size_t size = bucket_of(bytes_of(request), size_bytes);
    return (modalities * 4 + size) * 4 + bucket_of(deadline_of(params, request), deadlines_s);
}

/* The hard constraints of the edge (capacity) and of the cloud (bandwidth), as slacks. NaN, for
 * what is unknown, becomes 1. */
static double hard_slack(const struct moa_perllm_params *params, enum moa_tier server,
                         const struct moa_request *request, const struct moa_state *state)
{
    double slack = 1.0 - state->edge_load;
    if (server == MOA_CLOUD) {
        double needed_mbps = 8e-6 * bytes_of(request) / deadline_of(params, request);
        slack = 1.0 - needed_mbps / state->uplink_mbps;
    }
    return isnan(slack) ? 1.0 : slack;
}

/* f(y): the smallest slack when the request takes `time_s`. */
static double smallest_slack(const struct moa_perllm_params *params, enum moa_tier server,
                             const struct moa_request *request, const struct moa_state *state,
                             double time_s)
{
    double deadline = deadline_of(params, request);
    double slack = fmin((deadline - time_s) / deadline, hard_slack(params, server, request, state));
    return fmax(slack, -1.0);
}

static double index_of(const struct moa_perllm_params *params, const struct perllm *learned,
                       const struct perllm_arm *arm)
{
    double t = (double)learned->n;
    return arm->mean_reward + params->delta * sqrt(log(t) / (double)arm->n);
}

static struct moa_choice least_bad(const struct moa_perllm_params *params,
                                   const struct perllm_arm arms[2],
                                   const struct moa_request *request, const struct moa_state *state)
{
    const bool up[2] = {state->edge_up, state->cloud_up};
    double slack[2] = {-INFINITY, -INFINITY};
    for (int s = MOA_EDGE; s <= MOA_CLOUD; s++)
        if (up[s])
            slack[s] =
                smallest_slack(params, (enum moa_tier)s, request, state, arms[s].mean_time_s);
    return (struct moa_choice){slack[MOA_CLOUD] > slack[MOA_EDGE] ? MOA_CLOUD : MOA_EDGE,
                               MOA_REASON_INFEASIBLE};
}

static struct moa_choice choose_perllm(const struct moa_policy_params *all_params,
                                       const struct perllm *learned,
                                       const struct moa_request *request,
                                       const struct moa_state *state)
{
    const struct moa_perllm_params *params = &all_params->perllm;
    const struct perllm_arm *arms = learned->arms[class_of(params, request)];
    const bool up[2] = {state->edge_up, state->cloud_up};
    struct moa_choice best = {MOA_EDGE, MOA_REASON_INFEASIBLE};
    double best_index = -INFINITY;
    for (int s = MOA_EDGE; s <= MOA_CLOUD; s++) {
        if (!up[s] || hard_slack(params, (enum moa_tier)s, request, state) <= 0.0)
            continue;
        if (arms[s].n == 0)
            return (struct moa_choice){(enum moa_tier)s, MOA_REASON_UNTRIED};
        double index = index_of(params, learned, &arms[s]);
        if (index > best_index) {
            best = (struct moa_choice){(enum moa_tier)s, MOA_REASON_BEST_INDEX};
            best_index = index;
        }
    }
    if (best.reason == MOA_REASON_INFEASIBLE)
        return least_bad(params, arms, request, state);
    return best;
}

static double reward_of(const struct moa_perllm_params *params, bool with_accuracy,
                        const struct moa_outcome *o)
{
    static const double weight = 1.0 / 3.0;
    const enum moa_tier s = o->choice.tier;
    const enum moa_tier other = s == MOA_EDGE ? MOA_CLOUD : MOA_EDGE;
    const double deadline = deadline_of(params, o->request);
    if (o->failed)
        return -1.0 - params->lambda;
    const double time_s = o->transfer_s + o->infer_s;
    const double energy_j = weight * params->radio_w * o->transfer_s +
                            weight * params->infer_w[s] * o->infer_s +
                            weight * params->idle_w[other] * time_s;
    const double reference_j = fmax(params->infer_w[0], params->infer_w[1]) * deadline;
    double reward = -energy_j / reference_j +
                    params->lambda * smallest_slack(params, s, o->request, &o->state, time_s);
    if (with_accuracy)
        reward += params->accuracy_weight * o->correct;
    return reward;
}

void moa_perllm_learn(struct perllm *learned, const struct moa_perllm_params *params,
                      bool with_accuracy, const struct moa_outcome *outcome)
{
    struct perllm_arm *arm =
        &learned->arms[class_of(params, outcome->request)][outcome->choice.tier];
    double time_s = outcome->transfer_s + outcome->infer_s;
    if (outcome->failed)
        time_s = deadline_of(params, outcome->request);
    learned->n++;
    arm->n++;
    arm->mean_reward +=
        (reward_of(params, with_accuracy, outcome) - arm->mean_reward) / (double)arm->n;
    arm->mean_time_s += (time_s - arm->mean_time_s) / (double)arm->n;
    if (outcome->choice.reason == MOA_REASON_INFEASIBLE)
        learned->n_violations++;
}

const struct policy_kind moa_policy_kind_perllm = {
    .name = "perllm", .choose_whole = choose_perllm, .learns = true};
const struct policy_kind moa_policy_kind_perllm_accuracy = {
    .name = "perllm-accuracy", .choose_whole = choose_perllm, .learns = true, .learns_rated = true};
