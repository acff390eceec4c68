/* SPDX-License-Identifier: Apache-2.0
 *
 * What the probabilities of an answer's tokens say about it: a score with weights, and fitting the
 * weights to answers whose fate is known.
 */
#ifndef MOA_SRC_CONFIDENCE_H
#define MOA_SRC_CONFIDENCE_H

#include <moaoff/adaptive.h>

/** 1, logit(p_min), log(p_first), log(1 - p_top5), log(n_tokens); an offset for each form; one for
 * streamed, one for sampled answers. */
enum {
    CONFIDENCE_TERMS = 5,
    CONFIDENCE_FORMS = MOA_ANSWER_LONG + 1,
    CONFIDENCE_N = CONFIDENCE_TERMS + CONFIDENCE_FORMS + 2,
};

struct confidence {
    double w[CONFIDENCE_N];
};

/** An answer that was audited. */
struct confidence_sample {
    struct moa_answer answer;
    bool lost;
};

/** The raw probability: s = p_min. */
void moa_confidence_prior(struct confidence *ret_confidence);

bool moa_confidence_valid(const struct moa_answer *answer);

/** s = 1 / (1 + exp(-w phi)); 0 for what is not valid. */
double moa_confidence_score(const struct confidence *c, const struct moa_answer *answer);

/** Minus the logarithm of the likelihood of samples, derived once and twice (the triangle on and
 * below the diagonal). Zeroed memory has no samples. */
struct confidence_newton {
    double gradient[CONFIDENCE_N];
    double hessian[CONFIDENCE_N][CONFIDENCE_N];
};

/** Adds a sample, at the weights of `c`. */
void moa_confidence_derive(const struct confidence *c, const struct confidence_sample *sample,
                           struct confidence_newton *q);

/** One step of Newton's from `c` by what `samples` say there, and the prior; no weight moves by
 * more than CONFIDENCE_STEP_MAX, since how the likelihood is farther away is not known. */
void moa_confidence_step(const struct confidence *c, const struct confidence_newton *samples,
                         struct confidence *ret_confidence);
#define CONFIDENCE_STEP_MAX 2.0

/** The largest score that an answer which has begun like this can still reach, at any form and any
 * length up to `n_tokens_max`: p_min only falls. */
double moa_confidence_reach(const struct confidence *c, const struct moa_answer *so_far,
                            size_t n_tokens_max);

/** The most probable weights given the samples, with the prior around the raw probability: logistic
 * regression with a ridge, by Newton's method. */
void moa_confidence_fit(const struct confidence_sample *samples, size_t n,
                        struct confidence *ret_confidence);

#endif
