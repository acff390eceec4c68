/* SPDX-License-Identifier: Apache-2.0
 *
 * The row kernels in plain C: the definition every variant is tested against, and what runs on a
 * CPU without one.
 */
#include "kernels_count.h"

/* The squared gradients of a block, and its Laplacians into `counts`. */
static void measure_block(const uint8_t *above, const uint8_t *row, const uint8_t *below, size_t n,
                          uint32_t *ret_s, struct moa_counts *counts)
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

static void count_block_c(const uint8_t *above, const uint8_t *row, const uint8_t *below, size_t n,
                          struct moa_counts *counts)
{
    uint32_t slots[MOA_BLOCK_PX];
    measure_block(above, row, below, n, slots, counts);
    uint32_t *bins = counts->exact ? counts->exact : counts->bins;
    for (size_t i = 0; i < n; i++) {
        const uint32_t s = slots[i];
        if (counts->exact) {
            widen_exact(counts, s, s);
            slots[i] = s + (i % 2 ? MOA_N_EXACT : 0);
        } else {
            slots[i] = moa_bin_of(s) + (i % 2 ? MOA_N_BINS : 0);
        }
    }
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        count_8(counts, bins, row + i, slots + i);
    count_luma(counts, row + i, n - i);
    for (; i < n; i++)
        bins[slots[i]]++;
}

static void luma_from_rgb_c(const uint8_t *rgb, size_t n, uint8_t *ret_luma)
{
    for (size_t i = 0; i < n; i++) {
        const uint32_t weighted =
            19595u * rgb[3 * i] + 38470u * rgb[3 * i + 1] + 7471u * rgb[3 * i + 2];
        ret_luma[i] = (uint8_t)((weighted + 32768u) >> 16);
    }
}

void moa_add_row_c(const uint8_t *row, size_t n, uint32_t weight, uint32_t *sums)
{
    /* 16 bits times 16 bits: the multiplication that every vector unit has. */
    const uint16_t w = (uint16_t)weight;
    for (size_t i = 0; i < n; i++)
        sums[i] += (uint32_t)w * (uint16_t)row[i];
}

const struct moa_kernels moa_kernels_c = {
    .name = "c",
    .count_block = count_block_c,
    .luma_from_rgb = luma_from_rgb_c,
    .add_row = moa_add_row_c,
};
