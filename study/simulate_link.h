/* SPDX-License-Identifier: Apache-2.0
 *
 * The uplink of a box: what TCP makes of a rate, a round trip, a loss, and of several uploads at
 * once, which share the rate evenly (processor sharing). Pure; times in microseconds.
 */
#ifndef MOA_STUDY_SIMULATE_LINK_H
#define MOA_STUDY_SIMULATE_LINK_H

#include "simulate_event.h"

#define LINK_NEVER INT64_MAX

/**
 * What one upload reaches alone, Mbit/s: the rate, or what TCP's answer to losses allows (Mathis et
 * al. 1997): 1.22 segments of 1,460 bytes a round trip over the root of the loss.
 */
double link_flow_mbps(double mbps, double rtt_ms, double loss);

/**
 * What slow start adds to bytes / rate, ms: it begins with ten segments and doubles them every
 * round trip, and the sender waits for the first acknowledgement of each window until the window
 * covers the round trip. 0 where ten segments do.
 */
double link_slow_start_ms(double bytes, double mbps, double rtt_ms);

struct link {
    double bits_per_us, flow_bits_per_us; /* of all uploads together, of one at most */
    bool down;                            /* nothing moves */
    struct event_heap uploads;            /* by the value of `served` at which they are through */
    double served;                        /* bits that each upload has got since there was one */
    int64_t now_us;                       /* up to when that counts */
    double busy_us;
};

void link_init(struct link *ret_link, double mbps, double flow_mbps);
void link_done(struct link *link);

/** An upload begins. False if out of memory. */
bool link_add(struct link *link, double bytes, void *owner, int64_t now_us);
void link_set_down(struct link *link, bool down, int64_t now_us);

/** When the next upload is through, if nothing changes; LINK_NEVER if none will be. */
int64_t link_due_us(const struct link *link);
/** The owner of an upload that is through at now_us, or NULL. */
void *link_next(struct link *link, int64_t now_us);
/** Takes any upload out, through or not; NULL if there is none. */
void *link_drop(struct link *link, int64_t now_us);

#endif
