/* SPDX-License-Identifier: Apache-2.0
 *
 * Features of a luma plane that arrives row by row. A decoder asks where to put its next rows,
 * fills them and pushes them; they are measured while they are still in cache, and only the last
 * two are kept. Memory is bounded by the width of the image, whatever its height.
 *
 * Percentiles and mean of G = sqrt(s), s = gx^2 + gy^2, come from one histogram of s: exact up to
 * G = 64 and to one part in 8192 of G above (kernels.h). Nothing has to be guessed before the last
 * row was seen. What that can do to C_edge, the quotient (mean - P5) / (P95 - P5 + 1), is known at
 * the end; only where nearly all gradients are large and nearly equal, as in some periodic
 * patterns, can it exceed 0.001. Such an image needs a bin for every s. Mostly its first rows give
 * it away, and are counted again; if not, it is scanned once more.
 */
#ifndef MOA_SRC_LUMA_SCAN_H
#define MOA_SRC_LUMA_SCAN_H

#include <stdbool.h>

#include <moaoff/image.h>

/** The most rows a decoder can push at once: one row of the largest JPEG units. */
#define MOA_SCAN_ROWS 32

struct moa_luma_scan;

/**
 * A scan for `height_px` rows of `width_px`; NULL if out of memory. The row space is wide enough
 * for a width rounded up to a multiple of 32. Free with moa_scan_free().
 */
struct moa_luma_scan *moa_scan_new(uint32_t width_px, uint32_t height_px);
/**
 * Forgets all rows and gives every s a bin of its own: up to 16 MiB more memory, as far as
 * gradients differ; false if there is none. To be called once.
 */
bool moa_scan_restart_exact(struct moa_luma_scan *scan);
/** NULL is allowed. */
void moa_scan_free(struct moa_luma_scan *scan);

/** Where row `i` of the next push goes, i < MOA_SCAN_ROWS. Changes with every push. */
uint8_t *moa_scan_space(struct moa_luma_scan *scan, size_t i);
/** Measures the rows that were written to the space, 1 <= n_rows <= MOA_SCAN_ROWS. */
void moa_scan_push(struct moa_luma_scan *scan, size_t n_rows);
/** Says that the next `n_rows` rows are not measured: their luma is about that of `row`, which may
 * lie in the space; then features are of MOA_IMAGE_FAST. */
void moa_scan_skip(struct moa_luma_scan *scan, const uint8_t *row, size_t n_rows);

/** Measures a band that lies elsewhere: `n_rows` >= 1 rows, `stride_bytes` apart. */
void moa_scan_plane(struct moa_luma_scan *scan, const uint8_t *luma, size_t n_rows,
                    size_t stride_bytes);

/**
 * The features of all rows measured so far; at least one. Fills everything but the bits per
 * pixel and the notes. Returns whether they are accurate enough; if not, restart with exact bins.
 */
bool moa_scan_finish(struct moa_luma_scan *scan, struct moa_image_features *ret_features);

#endif
