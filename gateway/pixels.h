/* SPDX-License-Identifier: Apache-2.0
 *
 * Image files to colour pixels that are ready to be scaled. Pure; any thread.
 */
#ifndef MOA_GATEWAY_PIXELS_H
#define MOA_GATEWAY_PIXELS_H

#include <stdbool.h>

#include <moaoff/image.h>

/** Rows of `width_px` pixels without gaps; B, G, R and 255 in the order of bytes. */
struct pixels {
    uint8_t *bgra;
    uint32_t width_px, height_px;
};

/**
 * Decodes `file`, whose header said `info`: of an animation the first frame; what is transparent
 * lies on white. `width_px` x `height_px`, at most the image's own sides, is the size that is
 * wanted: the result is to be scaled to it, or to stay if it is not larger. It is larger, up to the
 * whole image, where the format has no cheap way to come closer; and it may be a JPEG's half,
 * quarter or eighth if that is 7/8 of what is wanted or more. Errors: those of moa_image_measure();
 * MOA_ERR_LIMIT also for an interlaced image that would have to be held whole and is too large.
 */
MOA_WARN_UNUSED enum moa_err pixels_decode(struct moa_bytes file, const struct moa_image_info *info,
                                           uint32_t width_px, uint32_t height_px,
                                           struct pixels *ret_pixels, struct moa_error *ret_error);

/** `pixels` scaled to a size in its place. False if out of memory. */
bool pixels_scale(struct pixels *pixels, uint32_t width_px, uint32_t height_px);

/** `pixels` turned upright from the EXIF orientation `orientation`. False if out of memory. */
bool pixels_turn(struct pixels *pixels, unsigned orientation);

/** `pixels` on a white ground that is at least `min_side_px` on each side, centred. */
bool pixels_pad(struct pixels *pixels, uint32_t min_side_px);

void pixels_done(struct pixels *pixels);

#endif
