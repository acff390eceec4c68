/* SPDX-License-Identifier: Apache-2.0
 *
 * System state; see sense.h.
 */
#include "sense.h"

#include <assert.h>
#include <math.h>

void sense_enter(struct sense *sense, enum moa_tier tier)
{
    sense->in_flight[tier]++;
}

void sense_leave(struct sense *sense, enum moa_tier tier)
{
    assert(sense->in_flight[tier] > 0);
    sense->in_flight[tier]--;
}

void sense_snapshot(const struct sense *sense, struct moa_state *ret_state)
{
    double slots = (double)sense->config->tier[MOA_EDGE].slots;
    *ret_state = (struct moa_state){
        .edge_load = fmin(1.0, sense->in_flight[MOA_EDGE] / slots),
        .uplink_mbps = sense->config->tier[MOA_CLOUD].uplink_mbps,
        .edge_up = true,
        .cloud_up = true,
    };
}
