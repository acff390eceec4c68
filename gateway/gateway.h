/* SPDX-License-Identifier: Apache-2.0
 *
 * What `moaoff serve` is made of: one of each leaf around the hub (exchange.c). gateway.c puts it
 * together and runs the loop; only it and the hub see this struct.
 */
#ifndef MOA_GATEWAY_GATEWAY_H
#define MOA_GATEWAY_GATEWAY_H

#include <moaoff/policy.h>

#include "config.h"
#include "endpoint.h"
#include "feedback.h"
#include "metrics.h"
#include "sense.h"

#define GATEWAY_POLICIES_MAX 16

struct gateway {
    const struct config *config;
    struct event_base *base;
    struct server *server;
    struct upstream *upstream;
    struct worker_pool *workers;
    struct worker_pool *fetchers; /* threads that may wait; NULL if nothing is fetched */
    struct cache *cache;          /* of what is known about images */
    struct moa_policy *policies[GATEWAY_POLICIES_MAX]; /* in the order of moa_policy_name() */
    size_t default_policy;
    const char *api_keys[2]; /* by enum moa_tier; NULL: none */
    struct endpoints endpoints[2];
    struct watch *watch;
    struct sense sense;
    struct metrics metrics;
    struct feedback feedback;
    size_t n_exchanges;
    int64_t freed_us; /* when a request's body was freed; 0: its memory is the system's again */
};

/** Serves until SIGTERM or SIGINT. Returns the program's exit status. */
int gateway_run(const struct config *config);

#endif
