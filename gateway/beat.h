/* SPDX-License-Identifier: Apache-2.0
 *
 * What a box says of itself to its fleet (fleet.h), now and from then on every ten seconds. Loop
 * thread only.
 */
#ifndef MOA_GATEWAY_BEAT_H
#define MOA_GATEWAY_BEAT_H

struct beat;
struct gateway;

/** NULL if out of memory. The gateway has a fleet, which is freed later. */
struct beat *beat_new(struct gateway *gateway);

/** NULL is allowed. */
void beat_free(struct beat *beat);

#endif
