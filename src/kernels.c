/* SPDX-License-Identifier: Apache-2.0
 *
 * The row kernels in plain C: the definition every variant is tested against, and what runs on a
 * CPU without one.
 */
#include <math.h>

#include "kernels_count.h"

/* s < 2^24 is exact in a float, the IEEE square root is correctly rounded everywhere, and the
 * product with a power of two is exact: only the last rounding decides the bin. */
static uint32_t bin_of(uint32_t s)
{
    return s < MOA_S_LARGE ? s : (uint32_t)lrintf(sqrtf((float)s) * 256.0f);
}

static void count_block_c(const uint8_t *above, const uint8_t *row, const uint8_t *below, size_t n,
                          struct moa_counts *counts)
{
    uint32_t bins[MOA_BLOCK_PX];
    /* |L| <= 1020, so a block adds at most 2048 * 1020^2 < 2^31 to the sum of squares. */
    int32_t sum = 0;
    int32_t squares = 0;
    uint32_t s_or = 0;

    /* One pixel to the left, so that indices stay unsigned. */
    const uint8_t *a = above - 1;
    const uint8_t *r = row - 1;
    const uint8_t *b = below - 1;
    for (size_t i = 0; i < n; i++) {
        const int32_t gx = (a[i + 2] + 2 * r[i + 2] + b[i + 2]) - (a[i] + 2 * r[i] + b[i]);
        const int32_t gy = (b[i] + 2 * b[i + 1] + b[i + 2]) - (a[i] + 2 * a[i + 1] + a[i + 2]);
        const int32_t laplacian = a[i + 1] + r[i] + r[i + 2] + b[i + 1] - 4 * r[i + 1];
        const uint32_t s = (uint32_t)(gx * gx + gy * gy);
        bins[i] = s;
        s_or |= s;
        sum += laplacian;
        squares += laplacian * laplacian;
    }
    /* Apart from the loop above, which compilers vectorise. */
    for (size_t i = 0; s_or >= MOA_S_LARGE && i < n; i++)
        bins[i] = bin_of(bins[i]);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        for (size_t k = 1; k < 8; k += 2)
            bins[i + k] += bins[i + k] < MOA_S_LARGE ? SECOND_COPY : 0;
        count_8(counts, row + i, bins + i);
    }
    for (; i < n; i++) {
        counts->bins[bins[i]]++;
        counts->luma[0][row[i]]++;
    }
    counts->laplacian += sum;
    counts->laplacian_squares += squares;
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
    .luma_from_rgb = luma_from_rgb_c,
};
