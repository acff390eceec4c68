/* SPDX-License-Identifier: Apache-2.0
 *
 * The part of count_block that no instruction set has a vector form for: the increments. The
 * variants compute the slots of one step while those of the step before are counted here, so that
 * the CPU overlaps the two.
 */
#ifndef MOA_SRC_KERNELS_COUNT_H
#define MOA_SRC_KERNELS_COUNT_H

#include <string.h>

#include "kernels.h"

/** The distance from a bin below MOA_S_LARGE to its second copy. */
#define SECOND_COPY ((int)MOA_N_BINS)

/** Counts 8 pixels: their luma, and `slots`, indices into counts->bins. */
static inline void count_8(struct moa_counts *counts, const uint8_t *row, const uint32_t *slots)
{
    uint32_t low; /* two loads for eight; which byte goes to which copy does not matter */
    uint32_t high;
    memcpy(&low, row, sizeof(low));
    memcpy(&high, row + 4, sizeof(high));
    counts->bins[slots[0]]++;
    counts->luma[0][low & 255]++;
    counts->bins[slots[1]]++;
    counts->luma[1][low >> 8 & 255]++;
    counts->bins[slots[2]]++;
    counts->luma[2][low >> 16 & 255]++;
    counts->bins[slots[3]]++;
    counts->luma[3][low >> 24]++;
    counts->bins[slots[4]]++;
    counts->luma[4][high & 255]++;
    counts->bins[slots[5]]++;
    counts->luma[5][high >> 8 & 255]++;
    counts->bins[slots[6]]++;
    counts->luma[6][high >> 16 & 255]++;
    counts->bins[slots[7]]++;
    counts->luma[7][high >> 24]++;
}

static inline void count_step(struct moa_counts *counts, const uint8_t *row, const uint32_t *slots,
                              size_t n)
{
    for (size_t i = 0; i < n; i += 8)
        count_8(counts, row + i, slots + i);
}

/** Adds `n`, which may be -1 modulo 2^32, for pixel `i` whose slot is slots[place]. */
static inline void count_1(struct moa_counts *counts, const uint8_t *row, const uint32_t *slots,
                           size_t i, size_t place, uint32_t n)
{
    counts->bins[slots[place]] += n;
    counts->luma[i % 8][row[i]] += n;
}

#endif
