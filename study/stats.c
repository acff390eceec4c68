/* SPDX-License-Identifier: Apache-2.0
 *
 * Estimates with intervals; see stats.h.
 */
#include "stats.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RESAMPLES 1000
#define AUC_RESAMPLES 300
#define Z_95 1.959963984540054

/* ---- random numbers ---- */

void rng_init(struct rng *rng, uint64_t seed)
{
    for (size_t i = 0; i < 4; i++) { /* splitmix64 */
        seed += 0x9e3779b97f4a7c15u;
        uint64_t z = seed;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        rng->s[i] = z ^ (z >> 31);
    }
}

static uint64_t rotate(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

uint64_t rng_next(struct rng *rng)
{
    uint64_t *s = rng->s;
    const uint64_t result = rotate(s[1] * 5, 7) * 9;
    const uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

double rng_uniform(struct rng *rng)
{
    return (double)(rng_next(rng) >> 11) * 0x1p-53;
}

size_t rng_below(struct rng *rng, size_t n)
{
    return (size_t)(((__uint128_t)rng_next(rng) * n) >> 64);
}

double rng_exponential(struct rng *rng, double mean)
{
    return -mean * log1p(-rng_uniform(rng));
}

uint64_t stats_hash(const char *text)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
    return hash;
}

/* ---- order statistics and intervals ---- */

static const struct estimate nothing = {NAN, NAN, NAN};

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

void stats_sort(double *values, size_t n)
{
    if (n > 1)
        qsort(values, n, sizeof(*values), compare);
}

double stats_mean(const double *values, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++)
        sum += values[i];
    return n > 0 ? sum / (double)n : NAN;
}

double stats_quantile(const double *sorted, size_t n, double p)
{
    double at = p * (double)(n - 1);
    size_t below = (size_t)at;
    if (below >= n - 1)
        return sorted[n - 1];
    return sorted[below] + (at - (double)below) * (sorted[below + 1] - sorted[below]);
}

static void interval_of(double *resampled, size_t n, struct estimate *estimate)
{
    stats_sort(resampled, n);
    estimate->low = stats_quantile(resampled, n, 0.025);
    estimate->high = stats_quantile(resampled, n, 0.975);
}

/* ---- bootstrap ---- */

struct stats_ranked {
    double value;
    size_t at; /* in the order of the groups */
};

static int compare_ranked(const void *a, const void *b)
{
    return compare(&((const struct stats_ranked *)a)->value,
                   &((const struct stats_ranked *)b)->value);
}

static size_t count_values(const struct grouped *grouped)
{
    size_t n = 0;
    for (size_t i = 0; i < grouped->n_groups; i++)
        n += grouped->sizes[i];
    return n;
}

/* How often each value is in one resample. Returns the size of the resample. */
static size_t resample(struct rng *rng, const struct grouped *grouped, size_t n, unsigned *counts)
{
    size_t drawn = 0;
    memset(counts, 0, n * sizeof(*counts));
    for (size_t i = 0; i < grouped->n_groups; i++) {
        const size_t group = rng_below(rng, grouped->n_groups);
        size_t begin = 0;
        for (size_t k = 0; k < group; k++)
            begin += grouped->sizes[k];
        for (size_t k = 0; k < grouped->sizes[group]; k++)
            counts[begin + rng_below(rng, grouped->sizes[group])]++;
        drawn += grouped->sizes[group];
    }
    return drawn;
}

struct estimate stats_bootstrap_mean(const struct grouped *grouped, uint64_t seed)
{
    const size_t n = count_values(grouped);
    unsigned *counts = malloc((n + 1) * sizeof(*counts));
    struct estimate estimate = nothing;
    if (n > 0 && counts) {
        double means[RESAMPLES];
        struct rng rng;
        rng_init(&rng, seed);
        for (size_t r = 0; r < RESAMPLES; r++) {
            const size_t drawn = resample(&rng, grouped, n, counts);
            double sum = 0.0;
            for (size_t i = 0; i < n; i++)
                sum += counts[i] * grouped->values[i];
            means[r] = sum / (double)drawn;
        }
        estimate.value = stats_mean(grouped->values, n);
        interval_of(means, RESAMPLES, &estimate);
    }
    free(counts);
    return estimate;
}

struct estimate stats_bootstrap_quantile(const struct grouped *grouped, double p, uint64_t seed)
{
    const size_t n = count_values(grouped);
    struct estimate estimate = nothing;
    struct stats_ranked *ranked = malloc((n + 1) * sizeof(*ranked));
    unsigned *counts = malloc((n + 1) * sizeof(*counts));
    /* A resample is no larger than if the largest group were drawn each time. */
    size_t largest = 0;
    for (size_t i = 0; i < grouped->n_groups; i++)
        largest = grouped->sizes[i] > largest ? grouped->sizes[i] : largest;
    double *sorted = calloc(largest * grouped->n_groups + 1, sizeof(*sorted));
    if (n > 0 && ranked && counts && sorted) {
        double quantiles[RESAMPLES];
        struct rng rng;
        rng_init(&rng, seed);
        for (size_t i = 0; i < n; i++)
            ranked[i] = (struct stats_ranked){grouped->values[i], i};
        qsort(ranked, n, sizeof(*ranked), compare_ranked);
        for (size_t r = 0; r < RESAMPLES; r++) {
            resample(&rng, grouped, n, counts);
            size_t filled = 0;
            for (size_t i = 0; i < n; i++) {
                for (unsigned k = 0; k < counts[ranked[i].at]; k++)
                    sorted[filled++] = ranked[i].value;
            }
            quantiles[r] = stats_quantile(sorted, filled, p);
        }
        for (size_t i = 0; i < n; i++)
            sorted[i] = ranked[i].value;
        estimate.value = stats_quantile(sorted, n, p);
        interval_of(quantiles, RESAMPLES, &estimate);
    }
    free(ranked);
    free(counts);
    free(sorted);
    return estimate;
}

struct estimate stats_wilson(double right, size_t n)
{
    if (n == 0)
        return nothing;
    const double count = (double)n;
    const double share = right / count;
    const double z2 = Z_95 * Z_95;
    const double scale = 1.0 + z2 / count;
    const double middle = (share + z2 / (2.0 * count)) / scale;
    const double half =
        Z_95 * sqrt(share * (1.0 - share) / count + z2 / (4.0 * count * count)) / scale;
    return (struct estimate){share, fmax(0.0, middle - half), fmin(1.0, middle + half)};
}

/* ---- area under the ROC curve ---- */

struct stats_scored {
    double score;
    unsigned char label;
    unsigned weight; /* how often it was drawn */
};

static int compare_scored(const void *a, const void *b)
{
    return compare(&((const struct stats_scored *)a)->score,
                   &((const struct stats_scored *)b)->score);
}

/* Mann-Whitney over sorted entries: a pair of equal scores counts half. */
static double auc_of(const struct stats_scored *sorted, size_t n)
{
    double wins = 0.0;
    double zeros = 0.0;
    double ones = 0.0;
    for (size_t i = 0; i < n;) {
        double tied[2] = {0.0, 0.0};
        size_t end = i;
        for (; end < n && sorted[end].score == sorted[i].score; end++)
            tied[sorted[end].label ? 1 : 0] += sorted[end].weight;
        wins += tied[1] * (zeros + 0.5 * tied[0]);
        zeros += tied[0];
        ones += tied[1];
        i = end;
    }
    return zeros > 0.0 && ones > 0.0 ? wins / (zeros * ones) : NAN;
}

struct estimate stats_auc(const double *score, const unsigned char *label, size_t n, uint64_t seed)
{
    struct estimate estimate = nothing;
    struct stats_scored *sorted = malloc((n + 1) * sizeof(*sorted));
    if (!sorted || n == 0) {
        free(sorted);
        return estimate;
    }
    for (size_t i = 0; i < n; i++)
        sorted[i] = (struct stats_scored){score[i], label[i], 1};
    qsort(sorted, n, sizeof(*sorted), compare_scored);
    estimate.value = auc_of(sorted, n);

    double areas[AUC_RESAMPLES];
    size_t n_areas = 0;
    struct rng rng;
    rng_init(&rng, seed);
    for (size_t r = 0; r < AUC_RESAMPLES && !isnan(estimate.value); r++) {
        for (size_t i = 0; i < n; i++)
            sorted[i].weight = 0;
        for (size_t i = 0; i < n; i++)
            sorted[rng_below(&rng, n)].weight++;
        double area = auc_of(sorted, n);
        if (!isnan(area))
            areas[n_areas++] = area;
    }
    assert(n_areas <= AUC_RESAMPLES);
    if (n_areas > 0)
        interval_of(areas, n_areas, &estimate);
    free(sorted);
    return estimate;
}
