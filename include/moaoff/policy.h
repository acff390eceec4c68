/* SPDX-License-Identifier: Apache-2.0
 *
 * The decision (MoA-Off, section 3.2): complexities and system state in, a tier for each modality
 * out. Deciding is pure: no clock, no randomness, no allocation, so the same request in the same
 * state gets the same decision everywhere.
 */
#ifndef MOAOFF_POLICY_H
#define MOAOFF_POLICY_H

#include <stdbool.h>

#include <moaoff/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The most images one request may carry. */
#define MOA_IMAGES_MAX 64

enum moa_tier {
    MOA_EDGE = 0,
    MOA_CLOUD = 1,
};

/** Why a modality went where it went. Names: moa_reason_name(). */
enum moa_reason {
    MOA_REASON_FIXED = 0,       /**< the policy sends everything there */
    MOA_REASON_SIMPLE = 1,      /**< every conjunct of Eq. 5 held: edge */
    MOA_REASON_COMPLEX = 2,     /**< c_i > tau_i: cloud */
    MOA_REASON_EDGE_BUSY = 3,   /**< edge load > its maximum: cloud */
    MOA_REASON_UPLINK_FAST = 4, /**< uplink > beta: cloud */
    MOA_REASON_EDGE_DOWN = 5,   /**< the edge was chosen but is down: cloud */
    MOA_REASON_CLOUD_DOWN = 6,  /**< the cloud was chosen but is down: edge */
    MOA_REASON_PINNED = 7,      /**< the caller pinned the request to the edge */
    MOA_REASON_UNTRIED = 8,     /**< a learning policy tries what it has not seen */
    MOA_REASON_BEST_INDEX = 9,  /**< a learning policy's highest index */
    MOA_REASON_INFEASIBLE = 10, /**< every tier broke a hard constraint: the largest slack */
};

/**
 * How a decision vector is executed (Eq. 6).
 * Text and all images on one tier: that tier answers. Text on the edge and at least one image on
 * the cloud: the cloud turns each of its images into textual evidence and the edge answers. Text on
 * the cloud and at least one image on the edge: the edge does, and the cloud answers.
 */
enum moa_plan {
    MOA_PLAN_EDGE = 0,
    MOA_PLAN_CLOUD = 1,
    MOA_PLAN_PERCEIVE_CLOUD = 2,
    MOA_PLAN_PERCEIVE_EDGE = 3,
};

/** One modality of a request as the policy sees it. */
struct moa_modality {
    double complexity; /**< c_i in [0, 1] */
    uint64_t bytes;    /**< what sending it costs */
    double tokens;     /**< text tokens, or visual tokens; 0 if unknown */
};

/** A request: its text (one modality over all text parts) and its images in order. */
struct moa_request {
    struct moa_modality text;
    size_t n_images;                   /**< [0, MOA_IMAGES_MAX] */
    const struct moa_modality *images; /**< n_images entries, borrowed */
    bool pinned;                       /**< everything stays on the edge, whatever the policy */
    double deadline_s;                 /**< to be answered within; 0: none named */
};

/** What is known of the system. NaN is "unknown", a value of its own and never 0. */
struct moa_state {
    double edge_load;   /**< l in [0, 1], or NaN */
    double uplink_mbps; /**< b, megabits per second, or NaN */
    bool edge_up;
    bool cloud_up;
};

struct moa_choice {
    enum moa_tier tier;
    enum moa_reason reason;
};

/** The decision vector d with the reason of each entry, and the plan that follows from it. */
struct moa_decision {
    enum moa_plan plan;
    struct moa_choice text;
    size_t n_images;
    struct moa_choice images[MOA_IMAGES_MAX];
};

/**
 * Parameters of the policies `perllm` and `perllm-accuracy`: a reconstruction of PerLLM (Yang et
 * al., arXiv 2405.14636) from its abstract, objective and regret bound; docs/evaluate.md lists what
 * had to be assumed, the power figures among it.
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
struct moa_perllm_params {
    double delta;           /**< exploration, >= 0; default 0.5 */
    double lambda;          /**< weight of the slack, >= 0; default 1 */
    double accuracy_weight; /**< of `perllm-accuracy`, >= 0; default 1 */
    double deadline_s;      /**< of requests that name none, > 0; default 4 */
    double radio_w;         /**< sending, watts, >= 0; default 2 */
    double infer_w[2];      /**< by enum moa_tier: working, watts, > 0; default 15 and 300 */
    double idle_w[2];       /**< by enum moa_tier: waiting, watts, >= 0; default 5 and 60 */
};

/** Parameters of the policy `paper`, Eq. 5, and of others. */
struct moa_policy_params {
    double tau_text;        /**< in [0, 1]; default 0.5 */
    double tau_image;       /**< in [0, 1]; default 0.5 */
    double edge_load_max;   /**< l_max in [0, 1]; default 0.85 */
    double uplink_max_mbps; /**< beta, > 0; default 400 */
    struct moa_perllm_params perllm;
};

/**
 * A policy with its parameters and, if it learns, with what it has learned. Deciding never changes
 * it: any number of threads may decide with one, but not while one observes.
 *
 *     paper              Eq. 5 for each modality
 *     paper-no-modality  the same without modalities: one score, the mean of the complexities,
 *                        against the mean of their thresholds; everything goes one way
 *     paper-no-state     c_i <= tau_i alone: neither load nor uplink
 *     edge, cloud        everything to that tier
 *     perllm             see struct moa_perllm_params; learns from every outcome
 *     perllm-accuracy    learns from rated outcomes only
 */
struct moa_policy;

MOA_API void moa_policy_params_default(struct moa_policy_params *ret_params);

/** The name of the i-th policy ("paper", "edge", "cloud", ...), or NULL past the last. */
MOA_API const char *moa_policy_name(size_t i);

/**
 * Makes the policy called `name`. `params` (NULL: defaults) is copied. Free with moa_policy_free().
 * Errors: MOA_ERR_ARGUMENT (unknown name, or a parameter out of range), MOA_ERR_MEMORY.
 */
MOA_API MOA_WARN_UNUSED enum moa_err moa_policy_new(const char *name,
                                                    const struct moa_policy_params *params,
                                                    struct moa_policy **ret_policy);
/** NULL is allowed. */
MOA_API void moa_policy_free(struct moa_policy *policy);

/**
 * Decides. A tier that is down is never chosen while the other is up; a pinned request is decided
 * "edge" throughout, up or not. Errors: MOA_ERR_ARGUMENT (too many images, a complexity outside
 * [0, 1] or NaN, a negative load or uplink).
 */
MOA_API MOA_WARN_UNUSED enum moa_err moa_decide(const struct moa_policy *policy,
                                                const struct moa_request *request,
                                                const struct moa_state *state,
                                                struct moa_decision *ret_decision);

/** How a decided request ended. */
struct moa_outcome {
    const struct moa_request *request; /**< as it was decided; borrowed */
    struct moa_state state;            /**< in which it was decided */
    struct moa_choice choice;          /**< the tier it was sent to, and why */
    double transfer_s;                 /**< sending it, >= 0; 0 on the edge */
    double infer_s;                    /**< from sent to the end of the answer, >= 0 */
    bool failed;                       /**< the tier gave no answer; the times do not count */
    double correct;                    /**< how right the answer was, in [0, 1]; NaN: not rated */
};

/** True if moa_observe() changes how this policy decides. */
MOA_API bool moa_policy_learns(const struct moa_policy *policy);

/**
 * Tells a learning policy how a request ended; another policy ignores it. A rated outcome may
 * follow the same one unrated: each learning policy counts one of the two. Errors: MOA_ERR_ARGUMENT
 * (a negative time, `correct` outside [0, 1], too many images); nothing has changed then.
 */
MOA_API MOA_WARN_UNUSED enum moa_err moa_observe(struct moa_policy *policy,
                                                 const struct moa_outcome *outcome);

/** How many outcomes a learning policy has counted, and how many of them no arm was feasible for.
 */
MOA_API void moa_policy_learned(const struct moa_policy *policy, uint64_t *ret_outcomes,
                                uint64_t *ret_violations);

MOA_API const char *moa_tier_name(enum moa_tier tier);       /**< "edge", "cloud" */
MOA_API const char *moa_plan_name(enum moa_plan plan);       /**< "edge", "perceive-cloud", ... */
MOA_API const char *moa_reason_name(enum moa_reason reason); /**< "complex", "edge-busy", ... */

#ifdef __cplusplus
}
#endif
#endif
