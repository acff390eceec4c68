/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of a policy: what policy.c needs from each policy_<name>.c. A policy decides the tier it
 * would like for one modality; policy.c checks, applies pins and outages, and derives the plan.
 */
#ifndef MOA_SRC_POLICY_H
#define MOA_SRC_POLICY_H

#include <moaoff/policy.h>

struct perllm;

/** Either of the two `choose` is set. */
struct policy_kind {
    const char *name;
    /** The wish for one modality whose threshold is `tau`. Pure. */
    struct moa_choice (*choose)(const struct moa_policy_params *params, double tau,
                                const struct moa_modality *modality, const struct moa_state *state);
    /** The wish for a whole request; `learned` as below. Pure. */
    struct moa_choice (*choose_whole)(const struct moa_policy_params *params,
                                      const struct perllm *learned,
                                      const struct moa_request *request,
                                      const struct moa_state *state);
    bool learns;       /**< has a struct perllm */
    bool learns_rated; /**< from rated outcomes, else from those that are not */
};

extern const struct policy_kind moa_policy_kind_paper;
extern const struct policy_kind moa_policy_kind_paper_no_modality;
extern const struct policy_kind moa_policy_kind_paper_no_state;
extern const struct policy_kind moa_policy_kind_edge;
extern const struct policy_kind moa_policy_kind_cloud;
extern const struct policy_kind moa_policy_kind_perllm;
extern const struct policy_kind moa_policy_kind_perllm_accuracy;

/** What a bandit has learned; zeroed memory is "nothing yet". */
enum { PERLLM_CLASSES = 2 * 4 * 4 };

struct perllm_arm {
    uint64_t n;         /* L */
    double mean_reward; /* R */
    double mean_time_s;
};

struct perllm {
    struct perllm_arm arms[PERLLM_CLASSES][2]; /* by class and enum moa_tier */
    uint64_t n;                                /* t */
    uint64_t n_violations;
};

/** Adds an outcome that was checked. */
void moa_perllm_learn(struct perllm *learned, const struct moa_perllm_params *params,
                      bool with_accuracy, const struct moa_outcome *outcome);

#endif
