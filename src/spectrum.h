/* SPDX-License-Identifier: Apache-2.0
 *
 * How much of each frequency there is in a sound, over all its blocks: Welch's estimate, the P_k of
 * moaoff/sound.h. In plain double arithmetic with square roots, so that it is the same on every
 * CPU.
 */
#ifndef MOA_SRC_SPECTRUM_H
#define MOA_SRC_SPECTRUM_H

#include <stddef.h>

#include <moaoff/base.h>

struct spectrum;

/** Of blocks of `n` samples, a power of two from 8. NULL: out of memory. */
struct spectrum *moa_spectrum_new(size_t n);
void moa_spectrum_free(struct spectrum *spectrum);

/** A block of n samples in [-1, 1]. */
void moa_spectrum_add(struct spectrum *spectrum, const double *block);

/** 10 log10 of the geometric over the arithmetic mean of P_1 ... P_last, last < n / 2; no power
 * counts as less than 1e-12. 0 to -120; -120 if there is no block. */
double moa_spectrum_flatness_db(struct spectrum *spectrum, size_t last);

#endif
