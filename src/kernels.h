/* SPDX-License-Identifier: Apache-2.0
 *
 * The row kernels: everything of image scoring and shrinking that is done once per pixel. Each has
 * a plain C form and variants for wider instruction sets; luma_scan.c and the decoders call them
 * through one table. They return integers only, so that every variant gives the same result to the
 * last bit.
 */
#ifndef MOA_SRC_KERNELS_H
#define MOA_SRC_KERNELS_H

#include <stddef.h>
#include <stdint.h>

/** The most pixels one call takes. It keeps the 32-bit lanes of the variants from overflowing. */
#define MOA_BLOCK_PX 2048

/**
 * Bins of s = gx^2 + gy^2 <= 2 * 1020^2, the squared gradient. Up to MOA_S_EXACT, which is G = 64,
 * each s has its own; above, s - 1 is rounded down to 12 significant bits, and the middle of a bin
 * is G to one part in MOA_G_PARTS. moa_bin_of() is the definition.
 */
#define MOA_BIN_BITS 11
#define MOA_S_EXACT (2 << MOA_BIN_BITS)
#define MOA_S_MAX 2080800
#define MOA_G_PARTS (4 << MOA_BIN_BITS)
#define MOA_N_BINS 22505            /**< 1 more than a multiple of 8; the last ones stay empty */
#define MOA_N_EXACT (MOA_S_MAX + 8) /**< a bin for every s, and some that stay empty */

/**
 * What is counted. Every counter is read, raised and written back, and the writes are what limits
 * the kernels: so luma is counted two neighbours at a time. Increments of one counter in a row
 * would wait for each other: so gradients are counted in two copies, one after the other. Which
 * pixels form a pair, and which go to which copy, is up to the kernel.
 */
struct moa_counts {
    int64_t laplacian;         /**< sum of the Laplacian */
    int64_t laplacian_squares; /**< sum of its squares */
    uint32_t *exact;           /**< 2 * MOA_N_EXACT counters of s, or NULL: then `bins` */
    uint32_t exact_min;        /**< at most the least s counted in `exact` */
    uint32_t exact_max;        /**< at least the largest */
    uint32_t luma[256];        /**< of pixels without a neighbour */
    uint32_t luma_pairs[256 * 256];
    uint32_t bins[2 * MOA_N_BINS];
};

static inline uint32_t moa_bin_of(uint32_t s)
{
    if (s <= MOA_S_EXACT)
        return s;
    const uint32_t shift = (31u - MOA_BIN_BITS) - (uint32_t)__builtin_clz(s - 1);
    return (shift << MOA_BIN_BITS) + ((s - 1) >> shift) + 1;
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

    /** Packed 8-bit RGB to luma: (19595 R + 38470 G + 7471 B + 32768) >> 16. Any n. */
    void (*luma_from_rgb)(const uint8_t *rgb, size_t n, uint8_t *ret_luma);

    /** sums[i] += weight * row[i]; weight <= 32768. The sums must stay below 2^32. Any n. */
    void (*add_row)(const uint8_t *row, size_t n, uint32_t weight, uint32_t *sums);
};

/** Forms that more than one table has. */
void moa_add_row_c(const uint8_t *row, size_t n, uint32_t weight, uint32_t *sums);
void moa_add_row_avx2(const uint8_t *row, size_t n, uint32_t weight, uint32_t *sums);

extern const struct moa_kernels moa_kernels_c;
extern const struct moa_kernels moa_kernels_avx2;
extern const struct moa_kernels moa_kernels_avx512;
extern const struct moa_kernels moa_kernels_neon;

/** The table in use; see moaoff/cpu.h for how it is chosen. Thread safe. */
const struct moa_kernels *moa_kernels_get(void);

#endif
