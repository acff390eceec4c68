/* SPDX-License-Identifier: Apache-2.0
 *
 * The two single-tier baselines (section 4.1): `edge` and `cloud` send every modality to one tier.
 */
#include "policy.h"

static void decide_edge(const void *params, const void *state, const struct moa_request *request,
                        const struct moa_state *now, struct moa_decision *ret_decision)
{
    (void)params, (void)state, (void)now;
    moa_policy_choose_all(request, (struct moa_choice){MOA_EDGE, MOA_REASON_FIXED}, ret_decision);
}

static void decide_cloud(const void *params, const void *state, const struct moa_request *request,
                         const struct moa_state *now, struct moa_decision *ret_decision)
{
    (void)params, (void)state, (void)now;
    moa_policy_choose_all(request, (struct moa_choice){MOA_CLOUD, MOA_REASON_FIXED}, ret_decision);
}

const struct policy_kind moa_policy_kind_edge = {
    .name = "edge",
    .summary = "everything to the edge",
    .ignores_complexity = true,
    .decide = decide_edge,
};
const struct policy_kind moa_policy_kind_cloud = {
    .name = "cloud",
    .summary = "everything to the cloud",
    .ignores_complexity = true,
    .decide = decide_cloud,
};
