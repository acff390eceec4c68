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
#define MOA_BLOCK_PX 2048

/**
 * Bins of s = gx^2 + gy^2 <= 2 * 1020^2, the squared gradient. Up to MOA_S_EXACT, which is G = 128,
 * each s has its own; above, s - 1 is rounded down to 14 significant bits, which is G to one part
 * in 16384. moa_bin_of() is the definition.
 */
#define MOA_S_EXACT 16384
#define MOA_S_MAX 2080800
#define MOA_N_BINS 73609 /**< 1 more than a multiple of 8; the last ones stay empty */

/**
 * What is counted. Increments of one counter in a row would wait for each other, and neighbours are
 * often equal: so luma is counted in eight copies and gradients in two. Which pixel goes to which
 * copy is up to the kernel.
 */
struct moa_counts {
    int64_t laplacian;         /**< sum of the Laplacian */
    int64_t laplacian_squares; /**< sum of its squares */
    uint32_t luma[8][256];
    uint32_t bins[2 * MOA_N_BINS];
};

static inline uint32_t moa_bin_of(uint32_t s)
{
    if (s <= MOA_S_EXACT)
        return s;
    const uint32_t shift = 18u - (uint32_t)__builtin_clz(s - 1);
    return (shift << 13) + ((s - 1) >> shift) + 1;
}

struct moa_kernels {
    const char *name; /**< as in MOA_CPU: "c", "avx2", "avx512", "neon" */

    /**
     * Counts luma, gradient (3x3 Sobel) and Laplacian of `n` pixels, 1 <= n <= MOA_BLOCK_PX. The
     * three pointers are at the first of them; one more pixel on either side is read, and nothing
     * beyond.
     */
    void (*count_block)(const uint8_t *above, const uint8_t *row, const uint8_t *below, size_t n,
                        struct moa_counts *counts);

    /**
     * Like count_block, but counts every s exactly: in bins[s], MOA_S_MAX + 1 of them, instead of
     * counts->bins. luma_scan.h says when it is needed.
     */
    void (*count_block_exact)(const uint8_t *above, const uint8_t *row, const uint8_t *below,
                              size_t n, struct moa_counts *counts, uint32_t *bins);

    /** Packed 8-bit RGB to luma: (19595 R + 38470 G + 7471 B + 32768) >> 16. Any n. */
    void (*luma_from_rgb)(const uint8_t *rgb, size_t n, uint8_t *ret_luma);
};

extern const struct moa_kernels moa_kernels_c;
extern const struct moa_kernels moa_kernels_avx2;
extern const struct moa_kernels moa_kernels_avx512;
extern const struct moa_kernels moa_kernels_neon;

/** The table in use; see moaoff/cpu.h for how it is chosen. Thread safe. */
const struct moa_kernels *moa_kernels_get(void);

#endif
