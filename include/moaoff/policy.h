/* SPDX-License-Identifier: Apache-2.0
 *
 * The decision (MoA-Off, section 3.2): complexities and system state in, a tier for each modality
 * out. Deciding is pure: no clock, no randomness, no allocation, so the same request in the same
 * state gets the same decision everywhere.
 */
#ifndef MOAOFF_POLICY_H
#define MOAOFF_POLICY_H

#include <stdbool.h>

#include <moaoff/adaptive.h>
#include <moaoff/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The most modalities one request may have: its text and 1,024 others. */
#define MOA_MODALITIES_MAX 1025

enum moa_tier {
    MOA_EDGE = 0,
    MOA_CLOUD = 1,
};

/** Why a modality went where it went. Names: moa_reason_name(). More may come. */
enum moa_reason {
    MOA_REASON_FIXED = 0,        /**< the policy sends everything there */
    MOA_REASON_SIMPLE = 1,       /**< every conjunct of Eq. 5 held: edge */
    MOA_REASON_COMPLEX = 2,      /**< c_i > tau_i: cloud */
    MOA_REASON_EDGE_BUSY = 3,    /**< edge load > its maximum: cloud */
    MOA_REASON_UPLINK_FAST = 4,  /**< uplink > beta: cloud */
    MOA_REASON_EDGE_DOWN = 5,    /**< the edge was chosen but is down: cloud */
    MOA_REASON_CLOUD_DOWN = 6,   /**< the cloud was chosen but is down: edge */
    MOA_REASON_PINNED = 7,       /**< the caller pinned it to the edge */
    MOA_REASON_UNTRIED = 8,      /**< a learning policy tries what it has not seen */
    MOA_REASON_BEST_INDEX = 9,   /**< a learning policy's highest index */
    MOA_REASON_INFEASIBLE = 10,  /**< every tier broke a hard constraint: the largest slack */
    MOA_REASON_UNSUPPORTED = 11, /**< the tier that was chosen does not take it */
    MOA_REASON_TOO_LONG = 12,    /**< the text with all else is too long for that tier */
    MOA_REASON_UNSURE = 13,      /**< the edge's answer scored below the threshold: cloud */
    MOA_REASON_OVER_BUDGET = 14, /**< the cloud's budget is spent: edge */
    MOA_REASON_CLOUD_BUSY = 15,  /**< the cloud cannot take it now: edge */
    MOA_REASON_CERTIFIED = 16,   /**< the edge answers by a certified threshold */
    MOA_REASON_UNCERTIFIED = 17, /**< nothing could be certified: `adaptive.before` decides */
    MOA_REASON_SHADOW = 18,      /**< nothing is certified yet: cloud, and the edge is watched */
    MOA_REASON_AUDIT = 19,       /**< the edge answers, and the cloud is asked too, unseen */
    MOA_REASON_QUICKER = 20,     /**< the cloud is predicted to answer sooner */
    MOA_REASON_MEMORY = 21,      /**< nobody was asked: the tier answered it a moment ago */
};

#define MOA_REASONS 22

/**
 * How a decision vector is executed (Eq. 6).
 * All modalities on one tier: that tier answers. The text on the edge and at least one other on the
 * cloud: the cloud turns each of those into textual evidence and the edge answers. The text on the
 * cloud and at least one other on the edge: the edge does, and the cloud answers.
 *
 * Beyond the paper, `edge-first`: all of it is on the edge, which answers; the answer is held until
 * it can be scored by the probabilities of its tokens, and is passed on if its score is at least
 * the decision's threshold. If not, the cloud is asked.
 */
enum moa_plan {
    MOA_PLAN_EDGE = 0,
    MOA_PLAN_CLOUD = 1,
    MOA_PLAN_PERCEIVE_CLOUD = 2,
    MOA_PLAN_PERCEIVE_EDGE = 3,
    MOA_PLAN_EDGE_FIRST = 4,
};

#define MOA_PLANS 5

enum moa_kind {
    MOA_TEXT = 0,
    MOA_IMAGE = 1,
    MOA_AUDIO = 2,
    MOA_VIDEO = 3,
    MOA_FILE = 4,
};

#define MOA_KINDS 5

/** One modality of a request as the policy sees it. */
struct moa_modality {
    enum moa_kind kind;
    double complexity; /**< c_i in [0, 1] */
    uint64_t bytes;    /**< what sending it costs */
    double tokens;     /**< of text, or what an engine makes of it; 0 if unknown */
    double duration_s; /**< of audio and video, seconds; 0 if unknown */
    bool pinned;       /**< it stays on the edge, whatever the policy */
    bool refused[2];   /**< by enum moa_tier: that tier does not take it */
};

/**
 * A request. Element 0 of its modalities is its text, one over all text parts; the others follow in
 * order.
 */
struct moa_request {
    size_t n;                              /**< [1, MOA_MODALITIES_MAX] */
    const struct moa_modality *modalities; /**< n entries, borrowed */
    bool pinned;                           /**< all of it stays on the edge, whatever the policy */
    double deadline_s;                     /**< to be answered within; 0: none named */
    /** What the policy `adaptive` asks for, borrowed; NULL: nothing of it is known. What it says of
     * pins and tiers does not count: `modalities` and the state say so. */
    const struct moa_question *question;
};

/** What is known of the system. NaN is "unknown", a value of its own and never 0. */
struct moa_state {
    double edge_load;   /**< l in [0, 1], or NaN */
    double uplink_mbps; /**< b, megabits per second, or NaN */
    bool edge_up;
    bool cloud_up;
    bool cloud_spent; /**< the budget does not allow this request a call to the cloud */
};

struct moa_choice {
    enum moa_tier tier;
    enum moa_reason reason;
};

/**
 * The decision vector d with the reason of each entry, in the order of the request's modalities,
 * and the plan that follows from it. The entries are the caller's memory: before moa_decide() `n`
 * says how many there is room for, afterwards how many there are.
 */
struct moa_decision {
    enum moa_plan plan;
    double threshold; /**< of `edge-first`, in [0, 1]; NaN with another plan */
    bool is_routed;   /**< the policy is `adaptive`, and `routing` led to the rest */
    struct moa_routing routing;
    size_t n;
    struct moa_choice *choices;
};

/**
 * A parameter of a policy: a row of the table that the policy owns. The configuration, its printed
 * defaults and `moaoff policies` are made from these rows.
 */
struct moa_policy_param {
    const char *key;            /**< as in a configuration: "paper.tau_text" */
    const char *help;           /**< what it means */
    const char *unit;           /**< "" if it has none */
    double min, max, fallback;  /**< range and default */
    const char *const *choices; /**< names of the values 0, 1, ..., NULL at the end; NULL: any */
};

/** The most parameters that all policies have together. */
#define MOA_POLICY_PARAMS_MAX 64

/** A parameter that is not to have its default. A list of them ends with a NULL key. */
struct moa_policy_setting {
    const char *key;
    double value;
};

/**
 * A policy with its parameters and, if it learns, with what it has learned. Deciding never changes
 * it: any number of threads may decide with one, but not while one observes or configures it.
 *
 *     paper              Eq. 5 for each modality
 *     paper-no-modality  the same without modalities: one score, the mean of the complexities,
 *                        against the mean of their thresholds; everything goes one way
 *     paper-no-state     c_i <= tau_i alone: neither load nor uplink
 *     edge, cloud        everything to that tier
 *     edge-first         everything to the edge, whose answer is kept if it is sure enough
 *     adaptive           the same with a certified threshold, audits and predicted times
 *                        (docs/adaptive.md); learns by moa_policy_adaptive()
 *     perllm             a bandit (docs/evaluate.md); learns from every outcome
 *     perllm-accuracy    the same; learns from rated outcomes only
 */
struct moa_policy;

/** The name of the i-th policy ("paper", "edge", "cloud", ...), or NULL past the last. */
MOA_API const char *moa_policy_name(size_t i);

/** What the policy does, in one line; NULL if there is no such policy. */
MOA_API const char *moa_policy_summary(const char *name);

/** Whether it is made to be compared with, as an ablation or another paper's policy is, and not to
 * serve. */
MOA_API bool moa_policy_is_research(const char *name);

/**
 * The i-th parameter of the policy called `name`, or NULL past the last and if there is no such
 * policy. `name` NULL: the i-th of all policies, one that several share counted once.
 */
MOA_API const struct moa_policy_param *moa_policy_param(const char *name, size_t i);

/**
 * Makes the policy called `name`. `settings` (NULL: none) are read and not kept; one list may serve
 * all policies, since those of other policies are only checked. Free with moa_policy_free().
 * Errors: MOA_ERR_ARGUMENT (unknown name, a key that no policy has, a value out of range),
 * MOA_ERR_MEMORY.
 */
MOA_API MOA_WARN_UNUSED enum moa_err moa_policy_new(const char *name,
                                                    const struct moa_policy_setting *settings,
                                                    struct moa_policy **ret_policy);

/**
 * Gives a policy other parameters: `settings` as above, and defaults for what they do not name.
 * What was learned stays. Errors: MOA_ERR_ARGUMENT, and nothing has changed.
 */
MOA_API MOA_WARN_UNUSED enum moa_err
moa_policy_configure(struct moa_policy *policy, const struct moa_policy_setting *settings);

/** The value of a parameter; NaN if the policy has none of this key. */
MOA_API double moa_policy_value(const struct moa_policy *policy, const char *key);

/** Whether it decides by the complexities of a request, as its parameters are now; else they only
 * stand in the record. True for NULL. */
MOA_API bool moa_policy_by_complexity(const struct moa_policy *policy);

/** What the policy `adaptive` has learned, to be told more; lives as long as the policy. NULL:
 * another policy. */
MOA_API struct moa_adaptive *moa_policy_adaptive(struct moa_policy *policy);

/** NULL is allowed. */
MOA_API void moa_policy_free(struct moa_policy *policy);

/**
 * Decides. What is pinned is decided "edge", up or not. Nothing goes to a tier that refuses it
 * while the other takes it; and a tier that is down is not chosen for what the other, if up, takes
 * too, nor a cloud whose budget is spent: what is decided "cloud" then must not be sent. Errors:
 * MOA_ERR_ARGUMENT (no text, or it is not the first; too many modalities, or more than
 * `ret_decision` has room for; a complexity outside [0, 1] or NaN, a negative load or uplink, a
 * question that moa_adaptive_decide() refuses).
 */
MOA_API MOA_WARN_UNUSED enum moa_err moa_decide(const struct moa_policy *policy,
                                                const struct moa_request *request,
                                                const struct moa_state *state,
                                                struct moa_decision *ret_decision);

/**
 * Why one entry of a decision is what it is, in words and with the numbers that were compared:
 * "c = 0.620 is above paper.tau_image = 0.500". `part` 0 is the text. Writes at
 * most `n` bytes, the last of them 0, and returns as snprintf does; 0 if there is no such part.
 * `request` and `state` as they were decided.
 */
MOA_API size_t moa_explain(const struct moa_policy *policy, const struct moa_request *request,
                           const struct moa_state *state, const struct moa_decision *decision,
                           size_t part, char *ret_text, size_t n);

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
 * (a negative time, `correct` outside [0, 1], a request that could not be decided); nothing has
 * changed then.
 */
MOA_API MOA_WARN_UNUSED enum moa_err moa_observe(struct moa_policy *policy,
                                                 const struct moa_outcome *outcome);

/** How many outcomes a learning policy has counted, and how many of them no arm was feasible for.
 */
MOA_API void moa_policy_learned(const struct moa_policy *policy, uint64_t *ret_outcomes,
                                uint64_t *ret_violations);

MOA_API const char *moa_kind_name(enum moa_kind kind);       /**< "text", "image", ... */
MOA_API const char *moa_tier_name(enum moa_tier tier);       /**< "edge", "cloud" */
MOA_API const char *moa_plan_name(enum moa_plan plan);       /**< "edge", "perceive-cloud", ... */
MOA_API const char *moa_reason_name(enum moa_reason reason); /**< "complex", "edge-busy", ... */

#ifdef __cplusplus
}
#endif
#endif
