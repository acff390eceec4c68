/* SPDX-License-Identifier: Apache-2.0
 *
 * Counters, gauges and histograms, written in Prometheus' text format. What there is stands in
 * metrics_rows.h; counting is `metrics.fallbacks_total[tier]++` at the place where it happens. Loop
 * thread only.
 */
#ifndef MOA_GATEWAY_METRICS_H
#define MOA_GATEWAY_METRICS_H

#include <stdint.h>
#include <stdio.h>

#include <moaoff/adaptive.h>
#include <moaoff/policy.h>

#include "budget.h"
#include "verdict.h"

#define METRICS_BUCKETS 16
#define METRICS_EXECUTED (MOA_PLANS + 1) /* and one for what was not decided */
#define METRICS_POLICIES 17              /* the last for what none decided */
#define METRICS_CODES 20

/* Values of labels, in the order of their names in metrics_rows.h. */
enum metrics_token { METRICS_TOKEN_PROMPT, METRICS_TOKEN_COMPLETION };
enum metrics_cache { METRICS_CACHE_SCORE, METRICS_CACHE_RECODED, METRICS_CACHE_WORDS };
enum metrics_lookup { METRICS_LOOKUP_HIT, METRICS_LOOKUP_MISS };
enum metrics_fetch { METRICS_FETCH_OK, METRICS_FETCH_REFUSED, METRICS_FETCH_FAILED };
enum metrics_drop {
    METRICS_DROP_FULL,     /* as many as may be are under way */
    METRICS_DROP_MEMORY,   /* half of what bodies may take is taken */
    METRICS_DROP_UNFIT,    /* a tier does not take the request */
    METRICS_DROP_BUDGET,   /* the cloud's is nearly spent */
    METRICS_DROP_KNOWN,    /* its scene was counted meanwhile, or its generation is over */
    METRICS_DROP_LEFT,     /* the client, before it had its answer */
    METRICS_DROP_FAILED,   /* the client got an error */
    METRICS_DROP_DRAINING, /* the gateway ends */
};
enum metrics_meaning {
    METRICS_MEANING_SAME, /* as enum meaning */
    METRICS_MEANING_OTHER,
    METRICS_MEANING_UNCLEAR,
    METRICS_MEANING_UNASKED, /* no budget or no memory for it */
};
enum metrics_span { METRICS_SPAN_SENT, METRICS_SPAN_DROPPED, METRICS_SPAN_REJECTED };
enum metrics_small {
    METRICS_SMALL_SAME,
    METRICS_SMALL_DIFFERENT,
    METRICS_SMALL_UNASKED, /* no budget for it */
};
/** Why the engine that the gateway runs has ended. */
enum metrics_ending {
    METRICS_ENDING_ASKED, /* by a reload, or the gateway's end */
    METRICS_ENDING_IDLE,
    METRICS_ENDING_ITSELF,
    METRICS_ENDING_MEMORY,
    METRICS_ENDING_SLOW, /* it did not become ready */
    METRICS_ENDING_HUNG, /* it did not answer any more */
};
#define METRICS_ENDINGS "asked", "idle", "itself", "memory", "slow", "hung"
#define METRICS_ENGINE_STATES "asleep", "starting", "ready", "stopping", "resting", "failed"
enum metrics_fleet { METRICS_FLEET_PUBLISHED, METRICS_FLEET_REFUSED, METRICS_FLEET_LOST };
enum metrics_journal { METRICS_JOURNAL_WRITTEN, METRICS_JOURNAL_DROPPED, METRICS_JOURNAL_FAILED };

/** Of the label `code`: 0 is a client that left before it had the whole answer. */
size_t metrics_code(int status);
const char *metrics_code_name(size_t i);

/** Cumulative counts are formed when written: count[i] holds values in (bound[i-1], bound[i]]. */
struct metrics_histogram {
    uint64_t count[METRICS_BUCKETS + 1];
    double sum;
};

enum {
#define LABEL(id, name, n_values, value) METRICS_N_##id = (n_values),
#include "metrics_rows.h"
};

#define METRICS_COUNTER uint64_t
#define METRICS_SPARSE uint64_t
#define METRICS_TOTAL double
#define METRICS_GAUGE double
#define METRICS_QUICK struct metrics_histogram
#define METRICS_SLOW struct metrics_histogram

/** A field for each row. */
struct metrics {
#define ROW(name, type, help) METRICS_##type name;
#define ROW1(name, type, help, a) METRICS_##type name[METRICS_N_##a];
#define ROW2(name, type, help, a, b) METRICS_##type name[METRICS_N_##a][METRICS_N_##b];
#define ROW3(name, type, help, a, b, c)                                                            \
    METRICS_##type name[METRICS_N_##a][METRICS_N_##b][METRICS_N_##c];
#include "metrics_rows.h"
};

void metrics_observe(struct metrics_histogram *histogram, double seconds);
void metrics_observe_quick(struct metrics_histogram *histogram, double seconds);

/** Adds what an engine reported to the counters of its tier; less than 0 is unknown. */
void metrics_tokens(uint64_t tokens[METRICS_N_TOKEN], int64_t prompt, int64_t completion);

/** Counts every entry of the decision vector of `request`. */
void metrics_decision(struct metrics *metrics, const struct moa_request *request,
                      const struct moa_decision *decision);

/** Writes the rows; what is not known (NaN) has no line. */
void metrics_write(const struct metrics *metrics, FILE *out);

/** The value of a label, escaped. */
void metrics_write_escaped(FILE *out, const char *value);

/** A metric whose label values are not known beforehand: the lines before its samples, and one
 * sample of `endpoint`. `type` is "counter" or "gauge". */
void metrics_write_head(FILE *out, const char *name, const char *type, const char *help);
void metrics_write_of_endpoint(FILE *out, const char *name, enum moa_tier tier,
                               const char *endpoint, double value);

#endif
