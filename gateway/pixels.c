/* SPDX-License-Identifier: Apache-2.0
 *
 * Pixels in memory: scaling (libwebp's area average), turning and padding; see pixels.h.
 */
#include "pixels.h"

#include <stdlib.h>
#include <string.h>

#include <webp/encode.h>

static bool make(uint32_t width_px, uint32_t height_px, struct pixels *to)
{
    *to = (struct pixels){malloc((size_t)width_px * height_px * 4), width_px, height_px};
    return to->bgra != NULL;
}

static void replace(struct pixels *pixels, struct pixels *by)
{
    free(pixels->bgra);
    *pixels = *by;
}

bool pixels_scale(struct pixels *pixels, uint32_t width_px, uint32_t height_px)
{
    struct pixels scaled;
    WebPPicture picture;
    if (pixels->width_px == width_px && pixels->height_px == height_px)
        return true;
    if (!WebPPictureInit(&picture) || !make(width_px, height_px, &scaled))
        return false;
    picture.use_argb = 1;
    picture.width = picture.argb_stride = (int)pixels->width_px;
    picture.height = (int)pixels->height_px;
    picture.argb = (uint32_t *)(void *)pixels->bgra; /* malloc() aligns it; not freed by libwebp */
    if (!WebPPictureRescale(&picture, (int)width_px, (int)height_px)) {
        free(scaled.bgra);
        return false;
    }
    for (size_t y = 0; y < height_px; y++)
        memcpy(scaled.bgra + 4 * y * width_px, picture.argb + y * (size_t)picture.argb_stride,
               4 * (size_t)width_px);
    WebPPictureFree(&picture);
    replace(pixels, &scaled);
    return true;
}

bool pixels_turn(struct pixels *pixels, unsigned orientation)
{
    /* Where the upright image's first pixel is stored, and whether its rows are stored as columns.
     */
    static const struct {
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
    if (orientation == 1)
        return true;
    const ptrdiff_t width = (ptrdiff_t)pixels->width_px, height = (ptrdiff_t)pixels->height_px;
    const bool lies = turns[orientation].lies;
    struct pixels turned;
    if (!make(lies ? pixels->height_px : pixels->width_px,
              lies ? pixels->width_px : pixels->height_px, &turned))
        return false;
    /* Steps in the stored image, in pixels. */
    const ptrdiff_t across = turns[orientation].from_right ? -1 : 1;
    const ptrdiff_t down = turns[orientation].from_bottom ? -width : width;
    const ptrdiff_t step = lies ? down : across, line = lies ? across : down;
    const uint8_t *first =
        pixels->bgra + 4 * ((across < 0 ? width - 1 : 0) + (down < 0 ? (height - 1) * width : 0));
    uint8_t *out = turned.bgra;
    for (ptrdiff_t y = 0; y < (ptrdiff_t)turned.height_px; y++) {
        const uint8_t *in = first + 4 * y * line;
        for (uint32_t x = 0; x < turned.width_px; x++, in += 4 * step, out += 4)
            memcpy(out, in, 4);
    }
    replace(pixels, &turned);
    return true;
}

bool pixels_pad(struct pixels *pixels, uint32_t min_side_px)
{
    const uint32_t width = pixels->width_px < min_side_px ? min_side_px : pixels->width_px;
    const uint32_t height = pixels->height_px < min_side_px ? min_side_px : pixels->height_px;
    struct pixels padded;
    if (width == pixels->width_px && height == pixels->height_px)
        return true;
    if (!make(width, height, &padded))
        return false;
    memset(padded.bgra, 0xff, (size_t)width * height * 4);
    const size_t left = (width - pixels->width_px) / 2, top = (height - pixels->height_px) / 2;
    for (size_t y = 0; y < pixels->height_px; y++)
        memcpy(padded.bgra + 4 * ((top + y) * width + left),
               pixels->bgra + 4 * y * pixels->width_px, 4 * (size_t)pixels->width_px);
    replace(pixels, &padded);
    return true;
}

void pixels_done(struct pixels *pixels)
{
    free(pixels->bgra);
    *pixels = (struct pixels){0};
}
