/* SPDX-License-Identifier: Apache-2.0
 *
 * What is known of the system when a request is decided: the load of the edge and the uplink to
 * the cloud. Reading it never blocks. Loop thread only.
 */
#ifndef MOA_GATEWAY_SENSE_H
#define MOA_GATEWAY_SENSE_H

#include <moaoff/policy.h>

#include "config.h"

struct sense {
    const struct config *config;
    unsigned in_flight[2]; /* calls of this gateway on each tier, by enum moa_tier */
};

/** A call to `tier` begins, ends. */
void sense_enter(struct sense *sense, enum moa_tier tier);
void sense_leave(struct sense *sense, enum moa_tier tier);

/**
 * The state now. edge_load = calls in flight on the edge / its slots, at most 1; uplink_mbps is the
 * configured one, NaN if none is.
 */
void sense_snapshot(const struct sense *sense, struct moa_state *ret_state);

#endif
