/* SPDX-License-Identifier: Apache-2.0
 *
 * From records to figures: what every policy reached in every setting, and the reference lines that
 * are computed from the two single-tier policies. Pure but for memory.
 */
#ifndef MOA_STUDY_ANALYSIS_H
#define MOA_STUDY_ANALYSIS_H

#include "record.h"
#include "stats.h"

#define ANALYSIS_PLANS 5
#define ANALYSIS_SCORES 11

/** One policy in one setting, all seeds together. Per request where nothing else is said. */
struct sample {
    const char *policy;
    const struct record *records; /* a slice of the records */
    size_t n, n_ok, n_failed, n_fallbacks, n_infeasible;
    size_t n_scored;          /* questions */
    struct estimate accuracy; /* of questions: right in all rotations; a failed one is wrong */
    struct estimate each;     /* every rotation by itself; NaN: there are none */
    struct estimate mean_ms, p50_ms, p95_ms, p99_ms, ttft_ms;
    double arrived_per_s, answered_per_s; /* while requests came in; NaN: no open loop */
    bool behind;                  /* it did not keep up, so its latency is how long the run was */
    double cloud_share;           /* of the requests that used the cloud at all, also in vain */
    double plans[ANALYSIS_PLANS]; /* shares, by enum moa_plan */
    double uplink_bytes;          /* sent to the cloud; NaN: unknown */
    double cpu_s[2], gflops[2];   /* by enum moa_tier */
    double peak_bytes[2];         /* the highest */
};

/** A set under a load over a link. */
struct setting {
    const char *dataset, *load;
    double link_mbps;
    struct sample *samples;
    size_t n;
};

struct analysis {
    struct setting *settings;
    size_t n;
};

/** The same question, answered by either tier alone. */
struct pair {
    const struct record *edge, *cloud;
};

/** What no policy reached but could be compared with. */
struct reference {
    double accuracy,          /* of questions, as in struct sample */
        mean_ms, cloud_share; /* NaN: cannot be computed */
};

/** -1 if out of memory. `records` must outlive it. */
int analysis_make(const struct records *records, struct analysis *ret_analysis);
void analysis_done(struct analysis *analysis);

/** The sample of a policy, or NULL. */
const struct sample *analysis_find(const struct setting *setting, const char *policy);

/** "mmbench, rate=2, 200 Mbit/s". */
void analysis_setting_name(const struct setting *setting, char *name, size_t n);

/** True if the cloud was asked for it, also in vain. */
bool analysis_used_cloud(const struct record *record);

/** True if the record is right: at least half of the full mark. */
bool analysis_is_right(const struct record *record);

/**
 * Questions that both `edge` and `cloud` answered with the same seed, to be freed with free(); n 0
 * and NULL if there are none or no memory.
 */
struct pair *analysis_pairs(const struct setting *setting, size_t *ret_n);

/** The cheapest tier that is right: the edge unless the cloud alone is better. */
struct reference analysis_oracle(const struct pair *pairs, size_t n);
/** The cloud for a share of the requests drawn blindly: the expectation. */
struct reference analysis_random(const struct pair *pairs, size_t n, double cloud_share);
/** The cloud for the share with the most of a score. */
struct reference analysis_route(const struct pair *pairs, size_t n, size_t score,
                                double cloud_share);

/** The i-th score of a question's features, [0, ANALYSIS_SCORES), and its name. */
double analysis_score(const struct item_features *features, size_t i);
const char *analysis_score_name(size_t i);
enum { SCORE_IMAGE = 0, SCORE_PIXELS = 5 };

/** What routing by a threshold reached on questions that did not choose it. */
struct routed {
    double tau[2]; /* found on either half */
    double cloud_share, accuracy;
    struct estimate gain; /* in accuracy, over as many requests drawn blindly */
};

/**
 * The threshold with the largest gain over a blind draw, found on one half of the questions and
 * judged on the other, both ways: the cloud for scores above it. `scores` are those of the pairs.
 */
struct routed analysis_best_tau(const struct pair *pairs, const double *scores, size_t n);

/** The questions of `pairs` once each, whichever seeds asked them; returns how many are left. */
size_t analysis_unique(struct pair *pairs, size_t n);

/**
 * How well a linear combination of all scores predicts the labels (1: the edge was wrong): scores
 * of each half of the questions by a logistic regression that saw the other half.
 */
void analysis_combine(const struct record *const *records, const unsigned char *labels, size_t n,
                      double *ret_scores);

#endif
