/* SPDX-License-Identifier: Apache-2.0
 *
 * The statistics of an evaluation, and its random numbers. Pure; the same seed gives the same
 * numbers everywhere.
 */
#ifndef MOA_STUDY_STATS_H
#define MOA_STUDY_STATS_H

#include <stddef.h>
#include <stdint.h>

/** xoshiro256**. */
struct rng {
    uint64_t s[4];
};

void rng_init(struct rng *rng, uint64_t seed);
uint64_t rng_next(struct rng *rng);
/** In [0, 1). */
double rng_uniform(struct rng *rng);
/** In [0, n), n > 0. */
size_t rng_below(struct rng *rng, size_t n);
/** Exponentially distributed with this mean: the time between two Poisson arrivals. */
double rng_exponential(struct rng *rng, double mean);

/** FNV-1a, 64 bits. */
uint64_t stats_hash(const char *text);

/** A figure with its 95 % interval; all NaN if there is nothing to compute it from. */
struct estimate {
    double value, low, high;
};

double stats_mean(const double *values, size_t n);

/** The p-quantile, p in [0, 1], linear between order statistics. `sorted` is ascending, n > 0. */
double stats_quantile(const double *sorted, size_t n, double p);

void stats_sort(double *values, size_t n);

/**
 * Values that came in groups, such as the requests of passes: the first sizes[0] of `values` are
 * the first group, and so on. No group is empty.
 */
struct grouped {
    const double *values;
    const size_t *sizes;
    size_t n_groups;
};

/**
 * Mean with its percentile bootstrap interval of 1000 resamples. A resample draws groups, and of
 * each drawn group as many values as it has, both with replacement: what differs from group to
 * group, such as arrivals or the speed of the machine, widens the interval. With one group it is
 * the plain bootstrap. NaN if there is no group or no memory.
 */
struct estimate stats_bootstrap_mean(const struct grouped *grouped, uint64_t seed);

/** The same for the p-quantile. */
struct estimate stats_bootstrap_quantile(const struct grouped *grouped, double p, uint64_t seed);

/** Wilson's score interval for `right` of n; right need not be whole (partial credit). */
struct estimate stats_wilson(double right, size_t n);

/**
 * Area under the ROC curve of `score` as a predictor of label 1 against label 0, ties counted half,
 * with its bootstrap interval of 300 resamples. NaN if one of the labels does not occur.
 */
struct estimate stats_auc(const double *score, const unsigned char *label, size_t n, uint64_t seed);

#endif
