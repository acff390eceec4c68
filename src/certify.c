/* SPDX-License-Identifier: Apache-2.0
 *
 * E-processes, fixed sequence, drift, binomial bound; see certify.h.
 */
#include "certify.h"

#include <math.h>

void moa_certify_bets(double alpha, struct certify_bets *ret_bets)
{
    static const double shares[CERTIFY_BETS] = {0.02, 0.25, 0.5, 0.75};
    static const double drifts[CERTIFY_DRIFTS] = {1.5, 2.5, 5.0};
    for (int m = 0; m < CERTIFY_BETS; m++) {
        const double r = alpha * shares[m];
        ret_bets->lost[m] = log(r / alpha);
        ret_bets->fine[m] = log((1.0 - r) / (1.0 - alpha));
    }
    for (int j = 0; j < CERTIFY_DRIFTS; j++) {
        const double r = fmin(alpha * drifts[j], 0.5 + alpha / 2.0);
        ret_bets->drift_lost[j] = r / alpha;
        ret_bets->drift_fine[j] = (1.0 - r) / (1.0 - alpha);
    }
}

/* The logarithm of the mean of exp(x). */
static double log_mean_exp(const double x[CERTIFY_BETS])
{
    double top = x[0];
    for (int m = 1; m < CERTIFY_BETS; m++)
        top = fmax(top, x[m]);
    double sum = 0.0;
    for (int m = 0; m < CERTIFY_BETS; m++)
        sum += exp(x[m] - top);
    return top + log(sum / CERTIFY_BETS);
}

void moa_eprocess_add(struct eprocess *e, const struct certify_bets *bets, bool lost)
{
    const double *step = lost ? bets->lost : bets->fine;
    for (int m = 0; m < CERTIFY_BETS; m++)
        e->log_e[m] += step[m];
    e->best = fmax(e->best, log_mean_exp(e->log_e));
}

void moa_eprocess_set(struct eprocess *e, const struct certify_bets *bets, uint64_t n,
                      uint64_t n_lost)
{
    for (int m = 0; m < CERTIFY_BETS; m++)
        e->log_e[m] = (double)n_lost * bets->lost[m] + (double)(n - n_lost) * bets->fine[m];
    e->best = fmax(e->best, log_mean_exp(e->log_e));
}

unsigned moa_certify_sequence(const struct eprocess *processes, unsigned n, double bar,
                              unsigned known)
{
    while (known < n && processes[known].best >= bar)
        known++;
    return known;
}

unsigned moa_certify_missing(const struct eprocess *e, const struct certify_bets *bets, double bar,
                             unsigned most)
{
    struct eprocess further = *e;
    unsigned n = 0;
    while (n < most && further.best < bar) {
        moa_eprocess_add(&further, bets, false);
        n++;
    }
    return n;
}

/* Kept finite: above the alarm it says nothing more. */
void moa_drift_add(struct drift *d, const struct certify_bets *bets, bool lost)
{
    const double *factor = lost ? bets->drift_lost : bets->drift_fine;
    for (int j = 0; j < CERTIFY_DRIFTS; j++)
        d->r[j] = fmin((1.0 + d->r[j]) * factor[j], 1e12);
}

double moa_drift_mean(const struct drift *d)
{
    double sum = 0.0;
    for (int j = 0; j < CERTIFY_DRIFTS; j++)
        sum += d->r[j];
    return sum / CERTIFY_DRIFTS;
}

/* The continued fraction of the incomplete beta function (DLMF 8.17.22) by Lentz's method; it
 * converges fast for x below (a + 1) / (a + b + 2). */
static double beta_fraction(double a, double b, double x)
{
    const double tiny = 1e-300;
    double c = 1.0;
    double d = 1.0 / (1.0 - (a + b) * x / (a + 1.0));
    double h = d;
    for (int m = 1; m <= 500; m++) {
        const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        d = 1.0 / fmax(1.0 + even * d, tiny);
        c = fmax(1.0 + even / c, tiny);
        h *= d * c;
        const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        d = 1.0 / fmax(1.0 + odd * d, tiny);
        c = fmax(1.0 + odd / c, tiny);
        h *= d * c;
        if (fabs(d * c - 1.0) < 1e-14)
            break;
    }
    return h;
}

/* P(X <= k) is the regularised incomplete beta function I of 1 - p at (n - k, k + 1). */
double moa_binomial_cdf(uint64_t k, uint64_t n, double p)
{
    if (k >= n)
        return 1.0;
    const double a = (double)(n - k);
    const double b = (double)k + 1.0;
    int sign;
    const double front = exp(lgamma_r(a + b, &sign) - lgamma_r(a, &sign) - lgamma_r(b, &sign) +
                             a * log1p(-p) + b * log(p));
    if (1.0 - p < (a + 1.0) / (a + b + 2.0))
        return front * beta_fraction(a, b, 1.0 - p) / a;
    return 1.0 - front * beta_fraction(b, a, p) / b;
}

double moa_binomial_bound(uint64_t k, uint64_t n, double delta)
{
    if (k >= n)
        return 1.0;
    double low = (double)k / (double)n;
    double high = 1.0;
    for (int i = 0; i < 40; i++) {
        const double p = 0.5 * (low + high);
        if (p > 0.0 && p < 1.0 && moa_binomial_cdf(k, n, p) > delta)
            low = p;
        else
            high = p;
    }
    return high;
}
