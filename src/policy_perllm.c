/* SPDX-License-Identifier: Apache-2.0
 *
 * Policies `perllm` and `perllm-accuracy`: a reconstruction of PerLLM (Yang et al., arXiv
 * 2405.14636) from its abstract, objective and regret bound; docs/evaluate.md lists what had to be
 * assumed, the power figures among it. It is blind to modalities except for its service classes,
 * which is what it is compared with `paper` for.
 *
 * A request is of a service class k = (modalities, size bucket, deadline bucket); with a server s
 * (edge or cloud) it makes a base arm. Among the arms that break no hard constraint the one with
 * the highest index is taken,
 *
 *     I(k,s) = R(k,s) + delta sqrt(ln t / L(k,s)),
 *
 * R the mean reward seen, L how often the arm was seen, t how often any was; an arm never seen
 * comes first. If none is feasible, the arm with the largest slack f(y) is taken, and a violation
 * is counted. The reward of one request is
 *
 *     -(w_tran E_tran + w_infer E_infer + w_idle E_idle) / E_ref + lambda f(y)
 *
 * and, in `perllm-accuracy`, + accuracy_weight times how right the answer was. Each w is 1/3.
 * E_tran = radio_w transfer_s, E_infer = infer_w[s] infer_s, E_idle = idle_w[other] (transfer_s +
 * infer_s); E_ref = the larger infer_w times the deadline. y holds the normalised slacks
 *
 *     deadline   (deadline - (transfer_s + infer_s)) / deadline          soft
 *     capacity   1 - edge_load on the edge, 1 on the cloud               hard: > 0
 *     bandwidth  1 - 8 bytes / (uplink deadline) on the cloud, else 1    hard: > 0
 *
 * f(y) is the smallest, at least -1. Before an arm is taken the deadline's slack comes from its
 * mean time; a slack of something unknown counts as 1.
 */
#include <math.h>
#include <stdio.h>

#include "policy.h"

enum { CLASSES = 2 * 4 * 4 };

struct perllm_params {
    double delta;
    double lambda;
    double accuracy_weight; /* of `perllm-accuracy` */
    double deadline_s;      /* of requests that name none */
    double radio_w;
    double infer_w[2]; /* by enum moa_tier: working */
    double idle_w[2];  /* by enum moa_tier: waiting */
};

#define PARAM(field, name, unit, min, fallback, help)                                              \
    {                                                                                              \
        {"perllm." name, help, unit, min, 1e6, fallback, NULL},                                    \
            offsetof(struct perllm_params, field)                                                  \
    }
static const struct policy_param rows[] = {
    PARAM(delta, "delta", "", 0, 0.5, "exploration of the bandit"),
    PARAM(lambda, "lambda", "", 0, 1, "weight of the smallest slack"),
    PARAM(accuracy_weight, "accuracy_weight", "", 0, 1,
          "weight of a rated answer in perllm-accuracy"),
    PARAM(deadline_s, "deadline_s", "s", 0.001, 4, "time in which a request is to be answered"),
    PARAM(radio_w, "radio_w", "W", 0, 2, "power while sending"),
    PARAM(infer_w[MOA_EDGE], "edge_infer_w", "W", 0.001, 15, "power of the edge at work"),
    PARAM(idle_w[MOA_EDGE], "edge_idle_w", "W", 0, 5, "power of the edge at rest"),
    PARAM(infer_w[MOA_CLOUD], "cloud_infer_w", "W", 0.001, 300, "power of the cloud at work"),
    PARAM(idle_w[MOA_CLOUD], "cloud_idle_w", "W", 0, 60, "power of the cloud at rest"),
};
#undef PARAM

static const struct policy_params params_table = {rows, sizeof(rows) / sizeof(rows[0]),
                                                  sizeof(struct perllm_params)};

struct perllm_arm {
    uint64_t n;         /* L */
    double mean_reward; /* R */
    double mean_time_s;
};

struct perllm {
    struct perllm_arm arms[CLASSES][2]; /* by class and enum moa_tier */
    uint64_t n;                         /* t */
};

static double deadline_of(const struct perllm_params *params, const struct moa_request *request)
{
    return request->deadline_s > 0.0 ? request->deadline_s : params->deadline_s;
}

static double bytes_of(const struct moa_request *request)
{
    double bytes = 0.0;
    for (size_t i = 0; i < request->n; i++)
        bytes += (double)request->modalities[i].bytes;
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

static size_t class_of(const struct perllm_params *params, const struct moa_request *request)
{
    static const double size_bytes[3] = {32e3, 128e3, 512e3};
    static const double deadlines_s[3] = {1.0, 2.0, 4.0};
    size_t modalities = request->n > 1 ? 1 : 0;
    size_t size = bucket_of(bytes_of(request), size_bytes);
    return (modalities * 4 + size) * 4 + bucket_of(deadline_of(params, request), deadlines_s);
}

/* The hard constraints of the edge (capacity) and of the cloud (bandwidth), as slacks. NaN, for
 * what is unknown, becomes 1. */
static double hard_slack(const struct perllm_params *params, enum moa_tier server,
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
static double smallest_slack(const struct perllm_params *params, enum moa_tier server,
                             const struct moa_request *request, const struct moa_state *state,
                             double time_s)
{
    double deadline = deadline_of(params, request);
    double slack = fmin((deadline - time_s) / deadline, hard_slack(params, server, request, state));
    return fmax(slack, -1.0);
}

static double index_of(const struct perllm_params *params, const struct perllm *learned,
                       const struct perllm_arm *arm)
{
    double t = (double)learned->n;
    return arm->mean_reward + params->delta * sqrt(log(t) / (double)arm->n);
}

static struct moa_choice least_bad(const struct perllm_params *params,
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

static struct moa_choice choose(const struct perllm_params *params, const struct perllm *learned,
                                const struct moa_request *request, const struct moa_state *state)
{
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

static double reward_of(const struct perllm_params *params, bool with_accuracy,
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

static void decide_perllm(const void *params, const void *state, const struct moa_request *request,
                          const struct moa_state *now, struct moa_decision *ret_decision)
{
    moa_policy_choose_all(request, choose(params, state, request, now), ret_decision);
}

/* A failure is rated by itself: nothing was right. It counts when it is first told. */
static bool observe(const struct perllm_params *params, struct perllm *learned, bool rated_only,
                    const struct moa_outcome *outcome)
{
    const bool rated = !isnan(outcome->correct);
    if (rated != (rated_only && !outcome->failed))
        return false;
    struct perllm_arm *arm =
        &learned->arms[class_of(params, outcome->request)][outcome->choice.tier];
    double time_s = outcome->transfer_s + outcome->infer_s;
    if (outcome->failed)
        time_s = deadline_of(params, outcome->request);
    learned->n++;
    arm->n++;
    arm->mean_reward +=
        (reward_of(params, rated_only, outcome) - arm->mean_reward) / (double)arm->n;
    arm->mean_time_s += (time_s - arm->mean_time_s) / (double)arm->n;
    return true;
}

static bool observe_unrated(const void *params, void *state, const struct moa_outcome *outcome)
{
    return observe(params, state, false, outcome);
}

static bool observe_rated(const void *params, void *state, const struct moa_outcome *outcome)
{
    return observe(params, state, true, outcome);
}

static int explain(const void *params, const void *state, const struct moa_request *request,
                   const struct moa_state *now, const struct moa_decision *decision, size_t part,
                   char *ret_text, size_t n)
{
    (void)part;
    const struct perllm *learned = state;
    const size_t k = class_of(params, request);
    const enum moa_tier s = decision->choices[0].tier;
    const struct perllm_arm *arm = &learned->arms[k][s];
    switch (decision->choices[0].reason) {
    case MOA_REASON_UNTRIED:
        return snprintf(ret_text, n, "the %s was never tried in service class %zu",
                        moa_tier_name(s), k);
    case MOA_REASON_BEST_INDEX:
        return snprintf(ret_text, n, "in service class %zu the %s has index %.3f after %llu times",
                        k, moa_tier_name(s), index_of(params, learned, arm),
                        (unsigned long long)arm->n);
    default:
        return snprintf(ret_text, n, "no server is feasible; the slack of the %s is %.3f",
                        moa_tier_name(s),
                        smallest_slack(params, s, request, now, arm->mean_time_s));
    }
}

const struct policy_kind moa_policy_kind_perllm = {
    .name = "perllm",
    .is_research = true,
    .ignores_complexity = true,
    .summary = "PerLLM, a bandit over servers that learns from every outcome",
    .params = &params_table,
    .n_state_bytes = sizeof(struct perllm),
    .decide = decide_perllm,
    .observe = observe_unrated,
    .explain = explain,
};
const struct policy_kind moa_policy_kind_perllm_accuracy = {
    .name = "perllm-accuracy",
    .is_research = true,
    .ignores_complexity = true,
    .summary = "the same, and how right answers were is part of its reward",
    .params = &params_table,
    .n_state_bytes = sizeof(struct perllm),
    .decide = decide_perllm,
    .observe = observe_rated,
    .explain = explain,
};
