/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of a policy: what policy.c needs from each policy_<name>.c. A policy decides the tier it
 * would like for one modality; policy.c checks, applies pins and outages, and derives the plan.
 */
#ifndef MOA_SRC_POLICY_H
#define MOA_SRC_POLICY_H

#include <moaoff/policy.h>

struct policy_kind {
    const char *name;
    /** The wish for one modality whose threshold is `tau`. Pure. */
    struct moa_choice (*choose)(const struct moa_policy_params *params, double tau,
                                const struct moa_modality *modality, const struct moa_state *state);
};

extern const struct policy_kind moa_policy_kind_paper;
extern const struct policy_kind moa_policy_kind_edge;
extern const struct policy_kind moa_policy_kind_cloud;

#endif
