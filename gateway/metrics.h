/* SPDX-License-Identifier: Apache-2.0
 *
 * Counters and histograms, written in Prometheus' text format. Loop thread only.
 */
#ifndef MOA_GATEWAY_METRICS_H
#define MOA_GATEWAY_METRICS_H

#include <stdint.h>
#include <stdio.h>

#include <moaoff/policy.h>

#define METRICS_BUCKETS 16
#define METRICS_REASONS (MOA_REASON_INFEASIBLE + 1)
#define METRICS_PLANS (MOA_PLAN_PERCEIVE_EDGE + 1)

enum metrics_cache { METRICS_CACHE_SCORE, METRICS_CACHE_RECODED };
enum metrics_fetch { METRICS_FETCH_OK, METRICS_FETCH_REFUSED, METRICS_FETCH_FAILED };

/** Cumulative counts are formed when written: count[i] holds values in (bound[i-1], bound[i]]. */
struct metrics_histogram {
    uint64_t count[METRICS_BUCKETS + 1];
    double sum;
};

struct metrics {
    uint64_t answered[METRICS_PLANS]; /* requests that got an engine's answer, by plan */
    uint64_t status[6];               /* answers by HTTP status class; [0] clients that left */
    uint64_t choices[2][2][METRICS_REASONS];             /* [text, image][tier][reason] */
    uint64_t fallbacks[2];                               /* by the tier that failed */
    uint64_t bytes_up[2], bytes_down[2];                 /* request and answer bodies, by tier */
    uint64_t tokens[2][2];                               /* [tier][prompt, completion] */
    uint64_t unauthorized;                               /* refused for want of a key */
    uint64_t reloads[2];                                 /* [failed, done] */
    uint64_t cache_hits[2], cache_misses[2];             /* by enum metrics_cache */
    size_t cache_bytes;                                  /* held now */
    uint64_t images_recoded[2];                          /* by the tier they went to */
    uint64_t images_came_bytes[2], images_went_bytes[2]; /* of those, as data URIs */
    uint64_t fetches[3];                                 /* by enum metrics_fetch */
    uint64_t fetched_bytes;
    struct metrics_histogram overhead, first_byte, total; /* seconds */
};

void metrics_observe(struct metrics_histogram *histogram, double seconds);

/** Adds what an engine of `tier` reported; less than 0 is unknown. */
void metrics_tokens(struct metrics *metrics, enum moa_tier tier, int64_t prompt,
                    int64_t completion);

/** Counts every entry of the decision vector. */
void metrics_decision(struct metrics *metrics, const struct moa_decision *decision);

/** The two lines before the samples of a metric. */
void metrics_write_head(FILE *out, const char *name, const char *type, const char *help);

/** `in_flight` by enum moa_tier. */
void metrics_write(const struct metrics *metrics, const unsigned in_flight[2], FILE *out);

#endif
