/* SPDX-License-Identifier: Apache-2.0
 *
 * The row kernels in plain C: the definition every variant is tested against, and what runs on a
 * CPU without one.
 */
#include "kernels_count.h"

static void count_block_c(const uint8_t *above, const uint8_t *row, const uint8_t *below, size_t n,
                          struct moa_counts *counts)
{
    uint32_t slots[MOA_BLOCK_PX];
    measure_block(above, row, below, n, slots, counts);
    for (size_t i = 0; i < n; i++)
        slots[i] = moa_bin_of(slots[i]) + (i % 2 ? MOA_N_BINS : 0);
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        count_8(counts, row + i, slots + i);
    for (; i < n; i++)
        count_1(counts, row, slots, i, i, 1);
}

static void count_block_exact_c(const uint8_t *above, const uint8_t *row, const uint8_t *below,
                                size_t n, struct moa_counts *counts, uint32_t *bins)
{
    count_block_exact(above, row, below, n, counts, bins);
}

static void luma_from_rgb_c(const uint8_t *rgb, size_t n, uint8_t *ret_luma)
{
    for (size_t i = 0; i < n; i++) {
        const uint32_t weighted =
            19595u * rgb[3 * i] + 38470u * rgb[3 * i + 1] + 7471u * rgb[3 * i + 2];
        ret_luma[i] = (uint8_t)((weighted + 32768u) >> 16);
    }
}

const struct moa_kernels moa_kernels_c = {
    .name = "c",
    .count_block = count_block_c,
    .count_block_exact = count_block_exact_c,
    .luma_from_rgb = luma_from_rgb_c,
};
