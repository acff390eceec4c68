/* SPDX-License-Identifier: Apache-2.0
 *
 * What is known of the system when a request is decided: the load of the edge and the uplink to
 * the cloud. Everything is told to it; reading it never blocks. Loop thread only; the time is
 * passed in, monotonic microseconds.
 */
#ifndef MOA_GATEWAY_SENSE_H
#define MOA_GATEWAY_SENSE_H

#include <moaoff/policy.h>

#include "config.h"
#include "probe.h"
#include "uplink.h"

#define SENSE_STALE_US 2000000 /* an older look at the engine is no knowledge */

struct sense {
    const struct config *config;
    unsigned in_flight[2]; /* calls of this gateway on each tier, by enum moa_tier */
    int64_t asked_us;      /* when a decision last asked: there is traffic */

    /* The edge engines' own words, all endpoints together. */
    struct probe_load engine;
    double others;     /* calls there that are not ours, smoothed */
    int64_t engine_us; /* when; 0: never */
    unsigned own_peak; /* our most calls in flight since then */

    /* Waiting for this machine's CPU, share of time, smoothed; NaN: unknown. */
    double pressure;
    int64_t pressure_total_us, pressure_us;

    struct uplink uplink;
    int64_t rtt_us, rtt_measured_us; /* to the cloud; 0: unknown */
};

void sense_init(struct sense *sense, const struct config *config);

/** A call to `tier` begins, ends. */
void sense_enter(struct sense *sense, enum moa_tier tier);
void sense_leave(struct sense *sense, enum moa_tier tier);

/** What the edge engines have said. */
void sense_engine(struct sense *sense, const struct probe_load *load, int64_t now_us);

/** The text of /proc/pressure/cpu. */
void sense_pressure(struct sense *sense, const char *text, int64_t now_us);

void sense_uplink(struct sense *sense, const struct uplink_reading *reading);
void sense_rtt(struct sense *sense, int64_t rtt_us, int64_t now_us);

/** Whether the engines' words and the pressure are young enough to count. */
bool sense_engine_known(const struct sense *sense, int64_t now_us);
bool sense_pressure_known(const struct sense *sense, int64_t now_us);

/** How many requests the edge works on at once, and how busy it is in [0, 1]. */
double sense_slots(const struct sense *sense);
double sense_load(const struct sense *sense, int64_t now_us);

/** The calls on a tier, and how many it works on at once; `prompt_tokens` is left unknown. Of the
 * cloud our own calls are known alone, and its slots if they are configured. */
void sense_tier(const struct sense *sense, enum moa_tier tier, int64_t now_us,
                struct moa_tier_load *ret_load);

/** Whether there are more calls on the tier than it works on at once. */
bool sense_is_full(const struct sense *sense, enum moa_tier tier, int64_t now_us);

/**
 * The uplink as measured lately, or as configured; between the two while there are only few
 * measurements. NaN: unknown.
 */
double sense_mbps(const struct sense *sense, int64_t now_us);

#endif
