/* SPDX-License-Identifier: Apache-2.0
 *
 * Pixels in memory, between a decoder and an encoder: gray, RGB, or the planes that JPEG and lossy
 * WebP store, so that nothing is converted that both sides speak.
 */
#ifndef MOA_SRC_IMAGE_PIXELS_H
#define MOA_SRC_IMAGE_PIXELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum moa_color {
    MOA_COLOR_GRAY, /**< one plane */
    MOA_COLOR_RGB,  /**< one plane of three bytes a pixel */
    MOA_COLOR_YCC,  /**< full-range Y', Cb and Cr; the last two of half the size, rounded up */
};

/** Rows of `width` pixels of `n_channels` bytes. */
struct moa_plane {
    uint8_t *p;
    uint32_t width, height;
    uint32_t n_channels;
    size_t stride_bytes; /**< leaves room to fill up a JPEG's last unit */
};

struct moa_pixels {
    enum moa_color color;
    uint32_t width_px, height_px;
    struct moa_plane planes[3];
};

/** Room for pixels. False if out of memory: done all the same. */
bool moa_pixels_init(struct moa_pixels *pixels, enum moa_color color, uint32_t width_px,
                     uint32_t height_px);
void moa_pixels_done(struct moa_pixels *pixels);

/** Planes in use. */
unsigned moa_pixels_n_planes(enum moa_color color);

/**
 * Turned upright from the EXIF orientation `orientation`, in place. MOA_COLOR_YCC: sides are even.
 * False if out of memory.
 */
bool moa_pixels_turn(struct moa_pixels *pixels, unsigned orientation);

/**
 * On a white ground that is at least `min_side_px` on each side, centred, in place. MOA_COLOR_YCC:
 * sides are even. False if out of memory.
 */
bool moa_pixels_pad(struct moa_pixels *pixels, uint32_t min_side_px);

#endif
