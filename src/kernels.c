/* SPDX-License-Identifier: Apache-2.0
 *
 * The row kernels in plain C: the definition every variant is tested against, and what runs on a
 * CPU without one.
 */
#include "kernels.h"

#include <math.h>

static void gradient_block_c(const uint8_t *above, const uint8_t *row, const uint8_t *below,
                             size_t n, uint32_t *ret_s, struct moa_block_sums *ret_sums)
{
    /* |L| <= 1020, so a block adds at most 1024 * 1020^2 < 2^31 to the sum of squares. */
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
        ret_s[i] = s;
        s_or |= s;
        sum += laplacian;
        squares += laplacian * laplacian;
    }
    *ret_sums = (struct moa_block_sums){sum, squares, s_or};
}

static void bin_large_c(uint32_t *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        /* s < 2^24 is exact in a float, the IEEE square root is correctly rounded everywhere, and
         * the product with a power of two is exact: only this rounding decides the bin. */
        if (s[i] >= MOA_S_LARGE)
            s[i] = (uint32_t)lrintf(sqrtf((float)s[i]) * 256.0f);
    }
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
    .gradient_block = gradient_block_c,
    .bin_large = bin_large_c,
    .luma_from_rgb = luma_from_rgb_c,
};
