/* SPDX-License-Identifier: Apache-2.0
 *
 * What the gateway knows of tiers, load and uplink, put together from sense.c and endpoint.c: for
 * the decision, for the page /v1/state and for /metrics.
 */
#ifndef MOA_GATEWAY_STATE_H
#define MOA_GATEWAY_STATE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <moaoff/policy.h>

struct gateway;

/**
 * The state that decides a request now: sense.c's load and uplink, endpoint.c's ups and downs. An
 * edge that has just said that it is busy is fully loaded.
 */
void state_read(const struct gateway *gateway, int64_t now_us, struct moa_state *ret_state);

/** And what the policy `adaptive` asks for beside it: calls, slots and the link to the cloud. */
void state_question(const struct gateway *gateway, int64_t now_us,
                    struct moa_question *ret_question);

/** The state as JSON, to be freed with free(); NULL if out of memory. */
char *state_json(struct gateway *gateway, int64_t now_us, size_t *ret_n);

/** Every metric as Prometheus text: what was counted, and the state. */
void state_write_metrics(struct gateway *gateway, int64_t now_us, FILE *out);

#endif
