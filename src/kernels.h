/* SPDX-License-Identifier: Apache-2.0
 *
 * The row kernels: everything of image scoring that is done once per pixel. Each has a plain C form
 * and variants for wider instruction sets; luma_scan.c and the decoders call them through one
 * table. They return integers only, so that every variant gives the same result to the last bit.
 */
#ifndef MOA_SRC_KERNELS_H
#define MOA_SRC_KERNELS_H

#include <stddef.h>
#include <stdint.h>

/** The most pixels one call takes. It keeps the 32-bit lanes of the variants from overflowing. */
#define MOA_BLOCK_PX 1024

/** From this s = gx^2 + gy^2 (G = 256) on, s is too fine to be a histogram bin. */
#define MOA_S_LARGE 65536u

/** What a block adds to the statistics of its image. */
struct moa_block_sums {
    int64_t laplacian;         /**< sum of the Laplacian */
    int64_t laplacian_squares; /**< sum of its squares */
    uint32_t s_or;             /**< every s of the block, OR-ed: is any of them large? */
};

struct moa_kernels {
    const char *name; /**< as in MOA_CPU: "c", "avx2", "avx512", "neon" */

    /**
     * Sobel and Laplacian of `n` pixels, 1 <= n <= MOA_BLOCK_PX. The three pointers are at the
     * first of them; one more pixel on either side is read, and nothing beyond. Writes the squared
     * gradients s = gx^2 + gy^2 (at most 2 * 1020^2) to ret_s[0..n) and nothing else there.
     */
    void (*gradient_block)(const uint8_t *above, const uint8_t *row, const uint8_t *below, size_t n,
                           uint32_t *ret_s, struct moa_block_sums *ret_sums);

    /**
     * Replaces every s >= MOA_S_LARGE by its histogram bin, 256 sqrt(s) rounded to the nearest
     * integer; see luma_scan.h for why. n <= MOA_BLOCK_PX.
     */
    void (*bin_large)(uint32_t *s, size_t n);

    /** Packed 8-bit RGB to luma: (19595 R + 38470 G + 7471 B + 32768) >> 16. Any n. */
    void (*luma_from_rgb)(const uint8_t *rgb, size_t n, uint8_t *ret_luma);
};

extern const struct moa_kernels moa_kernels_c;

/** The table in use; see moaoff/cpu.h for how it is chosen. Thread safe. */
const struct moa_kernels *moa_kernels_get(void);

#endif
