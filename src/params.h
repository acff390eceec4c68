/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of the library: what callers pass is looked at once, at the public entries.
 */
#ifndef MOA_SRC_PARAMS_H
#define MOA_SRC_PARAMS_H

#include <math.h>
#include <string.h>

#include <moaoff/base.h>

/**
 * Copies the caller's parameters `from` (NULL: none) over the defaults in `to`, which has `known`
 * bytes. Both begin with the size of the struct that their writer knew; 0 is that of the first
 * version, `first`. What a newer caller has behind that is ignored, what an older one lacks keeps
 * its default, and nonsense is no parameters.
 */
static inline void moa_params_read(void *to, size_t known, size_t first, const void *from)
{
    size_t size = 0;
    if (!from)
        return;
    memcpy(&size, from, sizeof(size));
    if (size == 0)
        size = first;
    if (size >= first)
        memcpy(to, from, size < known ? size : known);
}

/** A weight that is none counts as 0. */
static inline double moa_weight(double weight)
{
    return isfinite(weight) && weight > 0.0 ? weight : 0.0;
}

/** Into [0, 1], NaN to 0. */
static inline double moa_clip(double x)
{
    return x >= 1.0 ? 1.0 : x > 0.0 ? x : 0.0;
}

/** The mean of the `n` numbers at `x`; equal weights if none of them is any. */
static inline double moa_weighted_mean(const double *x, const double *weights, size_t n)
{
    double sum = 0.0, total = 0.0, plain = 0.0;
    for (size_t i = 0; i < n; i++) {
        sum += moa_weight(weights[i]) * x[i];
        total += moa_weight(weights[i]);
        plain += x[i];
    }
    return moa_clip(total > 0.0 ? sum / total : plain / (double)n);
}

/** A range of bytes at NULL is empty. */
static inline struct moa_bytes moa_bytes_checked(struct moa_bytes bytes)
{
    return (struct moa_bytes){bytes.p, bytes.p ? bytes.n : 0};
}

#endif
