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

/* The squared gradients of a block, and its Laplacians into `counts`. */
static inline void measure_block(const uint8_t *above, const uint8_t *row, const uint8_t *below,
                                 size_t n, uint32_t *ret_s, struct moa_counts *counts)
{
    /* |L| <= 1020, so a block adds at most 2048 * 1020^2 < 2^31 to the sum of squares. */
    int32_t sum = 0;
    int32_t squares = 0;

    /* One pixel to the left, so that indices stay unsigned. */
    const uint8_t *a = above - 1;
    const uint8_t *r = row - 1;
    const uint8_t *b = below - 1;
    for (size_t i = 0; i < n; i++) {
        const int32_t gx = (a[i + 2] + 2 * r[i + 2] + b[i + 2]) - (a[i] + 2 * r[i] + b[i]);
        const int32_t gy = (b[i] + 2 * b[i + 1] + b[i + 2]) - (a[i] + 2 * a[i + 1] + a[i + 2]);
        const int32_t laplacian = a[i + 1] + r[i] + r[i + 2] + b[i + 1] - 4 * r[i + 1];
        ret_s[i] = (uint32_t)(gx * gx + gy * gy);
        sum += laplacian;
        squares += laplacian * laplacian;
    }
    counts->laplacian += sum;
    counts->laplacian_squares += squares;
}

/* No intrinsics: each variant compiles this for its instruction set, and it is used rarely. Equal
 * gradients in a row are what it is used for. */
static inline void count_block_exact(const uint8_t *above, const uint8_t *row, const uint8_t *below,
                                     size_t n, struct moa_counts *counts, uint32_t *bins)
{
    uint32_t s[MOA_BLOCK_PX];
    measure_block(above, row, below, n, s, counts);
    uint32_t n_equal = 1;
    for (size_t i = 0; i < n; i++) {
        counts->luma[i % 8][row[i]]++;
        if (i + 1 < n && s[i] == s[i + 1]) {
            n_equal++;
            continue;
        }
        bins[s[i]] += n_equal;
        n_equal = 1;
    }
}

#endif
