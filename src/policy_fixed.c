/* SPDX-License-Identifier: Apache-2.0
 *
 * The two single-tier baselines (section 4.1): `edge` and `cloud` send every modality to one tier.
 */
#include "policy.h"

static struct moa_choice choose_edge(const struct moa_policy_params *params, double tau,
                                     const struct moa_modality *modality,
                                     const struct moa_state *state)
{
    (void)params, (void)tau, (void)modality, (void)state;
    return (struct moa_choice){MOA_EDGE, MOA_REASON_FIXED};
}

static struct moa_choice choose_cloud(const struct moa_policy_params *params, double tau,
                                      const struct moa_modality *modality,
                                      const struct moa_state *state)
{
    (void)params, (void)tau, (void)modality, (void)state;
    return (struct moa_choice){MOA_CLOUD, MOA_REASON_FIXED};
}

const struct policy_kind moa_policy_kind_edge = {.name = "edge", .choose = choose_edge};
const struct policy_kind moa_policy_kind_cloud = {.name = "cloud", .choose = choose_cloud};
