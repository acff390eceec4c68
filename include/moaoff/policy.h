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

/** Parameters of the policy `paper`, Eq. 5. */
struct moa_policy_params {
    double tau_text;        /**< in [0, 1]; default 0.5 */
    double tau_image;       /**< in [0, 1]; default 0.5 */
    double edge_load_max;   /**< l_max in [0, 1]; default 0.85 */
    double uplink_max_mbps; /**< beta, > 0; default 400 */
};

/** A policy with its parameters. Immutable: any number of threads may decide with one. */
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

MOA_API const char *moa_tier_name(enum moa_tier tier);       /**< "edge", "cloud" */
MOA_API const char *moa_plan_name(enum moa_plan plan);       /**< "edge", "perceive-cloud", ... */
MOA_API const char *moa_reason_name(enum moa_reason reason); /**< "complex", "edge-busy", ... */

#ifdef __cplusplus
}
#endif
#endif
