/* SPDX-License-Identifier: Apache-2.0
 *
 * Boxes, links and a cloud in virtual time (docs/simulate.md): requests come, the policy decides
 * them by the same library calls as in the gateway, tiers and links take their time. Pure but for
 * the memory it takes; the same scenario and seed give the same figures.
 */
#ifndef MOA_STUDY_SIMULATE_H
#define MOA_STUDY_SIMULATE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "gateway/policy_words.h"

#include "simulate_question.h"

#define SIMULATE_BATCHES 20

struct simulate_policy {
    const char *label; /* as it was asked for; borrowed */
    char name[32];
    struct moa_policy_setting settings[POLICY_WORDS_ROOM + 1]; /* NULL key at the end */
};

/** Sums over requests. Rights are NaN if the records do not say them. */
struct simulate_sums {
    double n;
    double to_cloud;         /* with a call to the cloud, for whatever reason, audits among them */
    double answered_by_edge; /* that the client got */
    double differs;          /* of those, answers that differ from the cloud's */
    double right, right_edge, right_cloud;
    double latency_ms;
};

struct simulate_result {
    const struct simulate_policy *policy;
    struct simulate_sums all, *blocks;
    size_t n_blocks;
    double mean_ms, half_width_ms; /* 95 %, by batch means */
    double p50_ms, p95_ms, p99_ms;
    double kept_busy; /* answers of the edge that were not sure enough, the cloud being busy */
    double escalated, audits, audits_dropped, failed_over; /* requests, those of warmup too */
    double calls[2], upload_bytes, cost;                   /* by enum moa_tier */
    double busy[2]; /* share of time, mean over engines, until the last arrival */
    double arrived, departed, open_at_end; /* when the last one came */
    double elapsed_s;                      /* until the last arrival */
    double prediction_error; /* median of |predicted - seen| / seen; NaN: nothing was predicted */
    bool behind;    /* so much was open at the end that latency is that of the run's length */
    bool certified; /* of the first box */
    double threshold, first_certified, alarms;
};

/** "NAME", or "NAME:WORDS" with words of policy_words.h; `text` is borrowed. -1 with what is wrong
 * in `why` of n bytes. */
int simulate_policy_read(const char *text, struct simulate_policy *ret_policy, char *why, size_t n);

/** -1 with what is wrong in `why`. The result goes to simulate_result_done(). */
int simulate_run(const struct scenario *scenario, const struct questions *questions,
                 const struct simulate_policy *policy, struct simulate_result *ret_result,
                 char *why, size_t n);
void simulate_result_done(struct simulate_result *result);

/** All on a page, or as lines of JSON, one a policy. */
void simulate_print_page(const struct scenario *scenario, const struct questions *questions,
                         const struct simulate_result *results, size_t n, FILE *out);
void simulate_print_json(const struct scenario *scenario, const struct questions *questions,
                         const struct simulate_result *results, size_t n, FILE *out);

#endif
