/* SPDX-License-Identifier: Apache-2.0
 *
 * Pixels in memory: room for them, turning and padding; see pixels.h.
 */
#include "pixels.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define UNIT_PX 16 /* the widest unit of JPEG that recode.c writes */

static bool plane_init(struct moa_plane *plane, uint32_t width, uint32_t height,
                       uint32_t n_channels)
{
    const size_t stride = ((size_t)width + UNIT_PX - 1) / UNIT_PX * UNIT_PX * n_channels;
    *plane = (struct moa_plane){malloc(stride * height), width, height, n_channels, stride};
    return plane->p != NULL;
}

unsigned moa_pixels_n_planes(enum moa_color color)
{
    return color == MOA_COLOR_YCC ? 3 : 1;
}

bool moa_pixels_init(struct moa_pixels *pixels, enum moa_color color, uint32_t width_px,
                     uint32_t height_px)
{
    *pixels = (struct moa_pixels){.color = color, .width_px = width_px, .height_px = height_px};
    bool ok = plane_init(&pixels->planes[0], width_px, height_px, color == MOA_COLOR_RGB ? 3 : 1);
    for (unsigned i = 1; ok && i < moa_pixels_n_planes(color); i++)
        ok = plane_init(&pixels->planes[i], (width_px + 1) / 2, (height_px + 1) / 2, 1);
    return ok;
}

void moa_pixels_done(struct moa_pixels *pixels)
{
    for (unsigned i = 0; i < 3; i++)
        free(pixels->planes[i].p);
    *pixels = (struct moa_pixels){0};
}

static void replace(struct moa_pixels *pixels, struct moa_pixels *by)
{
    moa_pixels_done(pixels);
    *pixels = *by;
}

/* ---- turning ---- */

/* Where the upright picture's first pixel is stored, and whether its rows are stored as columns. */
static const struct turn {
    bool from_right, from_bottom, lies;
} turns[9] = {
    [2] = {.from_right = true},
    [3] = {.from_right = true, .from_bottom = true},
    [4] = {.from_bottom = true},
    [5] = {.lies = true},
    [6] = {.from_bottom = true, .lies = true},
    [7] = {.from_right = true, .from_bottom = true, .lies = true},
    [8] = {.from_right = true, .lies = true},
};

static void turn_plane(const struct moa_plane *in, const struct turn *turn, struct moa_plane *out)
{
    const ptrdiff_t n = (ptrdiff_t)in->n_channels, stride = (ptrdiff_t)in->stride_bytes;
    /* Steps in the stored plane, in bytes. */
    const ptrdiff_t across = turn->from_right ? -n : n;
    const ptrdiff_t down = turn->from_bottom ? -stride : stride;
    const ptrdiff_t step = turn->lies ? down : across, line = turn->lies ? across : down;
    const uint8_t *first = in->p + (turn->from_right ? n * ((ptrdiff_t)in->width - 1) : 0) +
                           (turn->from_bottom ? stride * ((ptrdiff_t)in->height - 1) : 0);
    for (ptrdiff_t y = 0; y < (ptrdiff_t)out->height; y++) {
        const uint8_t *from = first + y * line;
        uint8_t *to = out->p + (size_t)y * out->stride_bytes;
        for (uint32_t x = 0; x < out->width; x++, from += step) {
            for (ptrdiff_t c = 0; c < n; c++)
                *to++ = from[c];
        }
    }
}

bool moa_pixels_turn(struct moa_pixels *pixels, unsigned orientation)
{
    if (orientation == 1)
        return true;
    assert(pixels->color != MOA_COLOR_YCC || !((pixels->width_px | pixels->height_px) & 1));
    const struct turn *turn = &turns[orientation];
    struct moa_pixels turned;
    if (!moa_pixels_init(&turned, pixels->color, turn->lies ? pixels->height_px : pixels->width_px,
                         turn->lies ? pixels->width_px : pixels->height_px)) {
        moa_pixels_done(&turned);
        return false;
    }
    for (unsigned i = 0; i < moa_pixels_n_planes(pixels->color); i++)
        turn_plane(&pixels->planes[i], turn, &turned.planes[i]);
    replace(pixels, &turned);
    return true;
}

/* ---- padding ---- */

static void pad_plane(const struct moa_plane *in, size_t left, size_t top, uint8_t ground,
                      struct moa_plane *out)
{
    memset(out->p, ground, out->stride_bytes * out->height);
    for (size_t y = 0; y < in->height; y++)
        memcpy(out->p + (top + y) * out->stride_bytes + left * in->n_channels,
               in->p + y * in->stride_bytes, (size_t)in->width * in->n_channels);
}

bool moa_pixels_pad(struct moa_pixels *pixels, uint32_t min_side_px)
{
    const uint32_t width = pixels->width_px < min_side_px ? min_side_px : pixels->width_px;
    const uint32_t height = pixels->height_px < min_side_px ? min_side_px : pixels->height_px;
    struct moa_pixels padded;
    if (width == pixels->width_px && height == pixels->height_px)
        return true;
    assert(pixels->color != MOA_COLOR_YCC || !((pixels->width_px | pixels->height_px) & 1));
    if (!moa_pixels_init(&padded, pixels->color, width, height)) {
        moa_pixels_done(&padded);
        return false;
    }
    /* Even, so that chroma stays where it belongs. */
    const size_t left = (size_t)((width - pixels->width_px) / 4) * 2;
    const size_t top = (size_t)((height - pixels->height_px) / 4) * 2;
    pad_plane(&pixels->planes[0], left, top, 0xff, &padded.planes[0]);
    for (unsigned i = 1; i < moa_pixels_n_planes(pixels->color); i++)
        pad_plane(&pixels->planes[i], left / 2, top / 2, 0x80, &padded.planes[i]);
    replace(pixels, &padded);
    return true;
}
