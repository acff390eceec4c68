/* SPDX-License-Identifier: Apache-2.0
 *
 * The hub's companion: what the gateway does without a request. From a timer, off every request's
 * path, it looks at the edge engines' load and at endpoints that are down, and tells sense.c and
 * endpoint.c. Nothing that it sees or misses ever takes an endpoint down. It also gives the memory
 * of large requests back to the system when they are over.
 */
#ifndef MOA_GATEWAY_WATCH_H
#define MOA_GATEWAY_WATCH_H

struct gateway;
struct watch;

/** NULL if out of memory. */
struct watch *watch_new(struct gateway *gateway);
/** Before upstream_free(). NULL is allowed. */
void watch_free(struct watch *watch);

#endif
