/* SPDX-License-Identifier: Apache-2.0
 *
 * The part of count_block that no instruction set has a vector form for: the increments. The
 * variants compute the slots of one step while those of the step before are counted here, so that
 * the CPU overlaps the two.
 *
 * A slot is an index into the counters of s that are in use, counts->bins or counts->exact.
 */
#ifndef MOA_SRC_KERNELS_COUNT_H
#define MOA_SRC_KERNELS_COUNT_H

#include <string.h>

#include "kernels.h"

/** Counts 8 pixels: their luma, and their slots. */
static inline void count_8(struct moa_counts *counts, uint32_t *bins, const uint8_t *row,
                           const uint32_t *slots)
{
    uint16_t pairs[4]; /* which of the two is the high byte does not matter */
    memcpy(pairs, row, sizeof(pairs));
    bins[slots[0]]++;
    counts->luma_pairs[pairs[0]]++;
    bins[slots[1]]++;
    bins[slots[2]]++;
    counts->luma_pairs[pairs[1]]++;
    bins[slots[3]]++;
    bins[slots[4]]++;
    counts->luma_pairs[pairs[2]]++;
    bins[slots[5]]++;
    bins[slots[6]]++;
    counts->luma_pairs[pairs[3]]++;
    bins[slots[7]]++;
}

/** Widens the range of what is counted in counts->exact. */
static inline void widen_exact(struct moa_counts *counts, uint32_t least, uint32_t largest)
{
    counts->exact_min = least < counts->exact_min ? least : counts->exact_min;
    counts->exact_max = largest > counts->exact_max ? largest : counts->exact_max;
}

/** Counts the luma of any number of pixels. */
static inline void count_luma(struct moa_counts *counts, const uint8_t *row, size_t n)
{
    for (size_t i = 0; i + 2 <= n; i += 2) {
        uint16_t pair;
        memcpy(&pair, row + i, sizeof(pair));
        counts->luma_pairs[pair]++;
    }
    if (n % 2)
        counts->luma[row[n - 1]]++;
}

static inline void count_step(struct moa_counts *counts, uint32_t *bins, const uint8_t *row,
                              const uint32_t *slots, size_t n)
{
    for (size_t i = 0; i < n; i += 8)
        count_8(counts, bins, row + i, slots + i);
}

#endif
