/* SPDX-License-Identifier: Apache-2.0
 *
 * Policy `paper`, Eq. 5 verbatim: modality i stays on the edge if and only if
 *     c_i <= tau_i  and  l <= l_max  and  b <= beta;
 * otherwise it goes to the cloud. A conjunct whose quantity is unknown (NaN) holds.
 */
#include "policy.h"

/* False for NaN on either side, so "unknown" never exceeds. */
static bool exceeds(double value, double bound)
{
    return value > bound;
}

static struct moa_choice choose_paper(const struct moa_policy_params *params, double tau,
                                      const struct moa_modality *modality,
                                      const struct moa_state *state)
{
    if (exceeds(modality->complexity, tau))
        return (struct moa_choice){MOA_CLOUD, MOA_REASON_COMPLEX};
    if (exceeds(state->edge_load, params->edge_load_max))
        return (struct moa_choice){MOA_CLOUD, MOA_REASON_EDGE_BUSY};
    if (exceeds(state->uplink_mbps, params->uplink_max_mbps))
        return (struct moa_choice){MOA_CLOUD, MOA_REASON_UPLINK_FAST};
    return (struct moa_choice){MOA_EDGE, MOA_REASON_SIMPLE};
}

const struct policy_kind moa_policy_kind_paper = {"paper", choose_paper};
