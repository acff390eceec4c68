/* SPDX-License-Identifier: Apache-2.0
 *
 * The natural logarithm in plain double arithmetic: libm's may differ between CPUs in the last bit,
 * and features must not.
 */
#ifndef MOA_SRC_NATURAL_LOG_H
#define MOA_SRC_NATURAL_LOG_H

#include <math.h>

/** ln x of a finite x > 0. The error is below 1e-15 of it, or of 1 where it is smaller. */
static inline double moa_natural_log(double x)
{
    int exponent;
    double m = frexp(x, &exponent);
    if (m < 0.70710678118654752) {
        m *= 2.0;
        exponent--;
    }
    /* ln m = 2 atanh z, |z| <= 0.172: z^23 / 23 is below 1e-18. */
    const double z = (m - 1.0) / (m + 1.0);
    const double zz = z * z;
    double series = 0.0;
    for (int k = 21; k >= 1; k -= 2)
        series = series * zz + 1.0 / k;
    return 2.0 * z * series + exponent * 0.69314718055994531;
}

#endif
