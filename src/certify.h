/* SPDX-License-Identifier: Apache-2.0
 *
 * The statistics of the guarantee: an e-process for each threshold of a grid, certified in a fixed
 * sequence, strictest first; a detector of drift; the binomial yardstick. Knows nothing of requests
 * or scores. docs/adaptive.md has the proofs.
 */
#ifndef MOA_SRC_CERTIFY_H
#define MOA_SRC_CERTIFY_H

#include <stdbool.h>
#include <stdint.h>

enum { CERTIFY_BETS = 4, CERTIFY_DRIFTS = 3 };

/** What an audit adds to the logarithm of each bet, for one alpha. */
struct certify_bets {
    double lost[CERTIFY_BETS], fine[CERTIFY_BETS];
    double drift_lost[CERTIFY_DRIFTS], drift_fine[CERTIFY_DRIFTS]; /* factors, not logarithms */
};

/** Against "the share lost is above alpha". Zeroed memory, but for `best` = -INFINITY, has seen
 * nothing. */
struct eprocess {
    double log_e[CERTIFY_BETS];
    double best; /* the largest logarithm of their mean so far */
};

/** Shiryaev-Roberts, against "the share lost is at most alpha". Zeroed memory has seen nothing. */
struct drift {
    double r[CERTIFY_DRIFTS];
};

/** The detector raises an alarm at this mean: while the bound holds, after at least as many audits
 * on average. */
#define CERTIFY_ALARM 5000.0

void moa_certify_bets(double alpha, struct certify_bets *ret_bets);

void moa_eprocess_add(struct eprocess *e, const struct certify_bets *bets, bool lost);

/** The same of `n` audits at once, `n_lost` of them lost, in the place of all before: each bet is a
 * function of the two, so sums over many boxes can be taken before any mixture. `best` goes on. */
void moa_eprocess_set(struct eprocess *e, const struct certify_bets *bets, uint64_t n,
                      uint64_t n_lost);

/** The largest G such that the first G of `n` processes have all reached `bar`, at least `known`.
 */
unsigned moa_certify_sequence(const struct eprocess *processes, unsigned n, double bar,
                              unsigned known);

/** How many further audits without a loss would bring `e` to `bar`; at most `most` are tried. */
unsigned moa_certify_missing(const struct eprocess *e, const struct certify_bets *bets, double bar,
                             unsigned most);

void moa_drift_add(struct drift *d, const struct certify_bets *bets, bool lost);
double moa_drift_mean(const struct drift *d);

/** P(X <= k), X binomial of n trials with p in (0, 1). */
double moa_binomial_cdf(uint64_t k, uint64_t n, double p);

/** The exact upper bound of p at confidence 1 - delta after k of n (Clopper and Pearson, one side).
 */
double moa_binomial_bound(uint64_t k, uint64_t n, double delta);

#endif
