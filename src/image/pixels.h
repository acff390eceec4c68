/* SPDX-License-Identifier: Apache-2.0
 *
 * Pixels in memory, and what is done with them between a decoder and an encoder.
 */
#ifndef MOA_SRC_IMAGE_PIXELS_H
#define MOA_SRC_IMAGE_PIXELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Rows of `width_px` pixels without gaps; B, G, R and 255 in the order of bytes. */
struct moa_pixels {
    uint8_t *bgra;
    uint32_t width_px, height_px;
};

/** Room for pixels. False if out of memory. */
bool moa_pixels_init(struct moa_pixels *pixels, uint32_t width_px, uint32_t height_px);
void moa_pixels_done(struct moa_pixels *pixels);

/** `pixels` scaled to a size in its place. False if out of memory; the same for all below. */
bool moa_pixels_scale(struct moa_pixels *pixels, uint32_t width_px, uint32_t height_px);

/** `pixels` turned upright from the EXIF orientation `orientation`. */
bool moa_pixels_turn(struct moa_pixels *pixels, unsigned orientation);

/** `pixels` on a white ground that is at least `min_side_px` on each side, centred. */
bool moa_pixels_pad(struct moa_pixels *pixels, uint32_t min_side_px);

/** Lays `n` pixels on white by their fourth byte. */
void moa_pixels_flatten(uint8_t *bgra, size_t n);

/* ---- rows in, averaged over squares of factor x factor ---- */

struct moa_shrink {
    uint32_t in_width, in_height;
    uint32_t factor;
    uint32_t row;   /**< of the input */
    uint32_t *sums; /**< 3 a column; NULL if the factor is 1 */
    uint8_t *line;  /**< one row of the input, for the decoder to fill */
    struct moa_pixels out;
};

/** By the largest factor that leaves more than is wanted. False if out of memory: done all the
 * same. */
bool moa_shrink_init(struct moa_shrink *s, uint32_t width, uint32_t height, uint32_t wanted_width,
                     uint32_t wanted_height);
/** Takes s->line, which it may change. */
void moa_shrink_row(struct moa_shrink *s);
void moa_shrink_done(struct moa_shrink *s);

#endif
