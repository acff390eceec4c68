/* SPDX-License-Identifier: Apache-2.0
 *
 * Area average: rows of a plane in, a smaller plane out. Every output pixel is the mean of the part
 * of the input that it covers, with weights that are exact to 2^-15. Rows are added up as they
 * come; memory beyond the output is a few rows.
 */
#ifndef MOA_SRC_IMAGE_SHRINK_H
#define MOA_SRC_IMAGE_SHRINK_H

#include "pixels.h"

#define MOA_SHRINK_SIDE_MAX 65535 /**< of the input and the output, in pixels */

struct moa_shrink {
    struct moa_plane *out;        /**< borrowed */
    uint32_t in_width, in_height; /**< pixels of the input */
    uint32_t in_row, out_row;
    uint32_t *sums;  /**< of the output row, before it is averaged across; NULL: rows are copied */
    uint16_t *means; /**< sums / 2^15 in units of 2^-8 */
    uint32_t *first; /**< the first input pixel of each output pixel */
    uint16_t *weights; /**< n_taps for each output pixel */
    uint32_t n_taps;
};

/**
 * For rows of `in_width` pixels with the channels of `out`, `in_height` of them. Either side of
 * `out` may also be larger than the input's. False if out of memory: done all the same.
 */
bool moa_shrink_init(struct moa_shrink *s, uint32_t in_width, uint32_t in_height,
                     struct moa_plane *out);

/** The next row. To be called `in_height` times; then `out` is complete. */
void moa_shrink_row(struct moa_shrink *s, const uint8_t *row);

void moa_shrink_done(struct moa_shrink *s);

#endif
