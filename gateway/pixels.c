/* SPDX-License-Identifier: Apache-2.0
 *
 * Pixels in memory: scaling, turning and padding, by libyuv; see pixels.h.
 */
#include "pixels.h"

#include <stdlib.h>
#include <string.h>

#include <libyuv.h>

static bool make(uint32_t width_px, uint32_t height_px, struct pixels *to)
{
    *to = (struct pixels){malloc((size_t)width_px * height_px * 4), width_px, height_px};
    return to->bgra != NULL;
}

static int stride(const struct pixels *p)
{
    return (int)(4 * p->width_px);
}

static void replace(struct pixels *pixels, struct pixels *by)
{
    free(pixels->bgra);
    *pixels = *by;
}

bool pixels_scale(struct pixels *pixels, uint32_t width_px, uint32_t height_px)
{
    struct pixels scaled;
    if (pixels->width_px == width_px && pixels->height_px == height_px)
        return true;
    if (!make(width_px, height_px, &scaled))
        return false;
    if (ARGBScale(pixels->bgra, stride(pixels), (int)pixels->width_px, (int)pixels->height_px,
                  scaled.bgra, stride(&scaled), (int)width_px, (int)height_px, kFilterBox)) {
        free(scaled.bgra);
        return false;
    }
    replace(pixels, &scaled);
    return true;
}

static bool mirror(struct pixels *pixels)
{
    struct pixels mirrored;
    if (!make(pixels->width_px, pixels->height_px, &mirrored))
        return false;
    ARGBMirror(pixels->bgra, stride(pixels), mirrored.bgra, stride(&mirrored),
               (int)pixels->width_px, (int)pixels->height_px);
    replace(pixels, &mirrored);
    return true;
}

bool pixels_turn(struct pixels *pixels, unsigned orientation)
{
    /* Every orientation is a mirroring or none, then a rotation clockwise. */
    static const struct {
        bool mirrored;
        enum RotationMode rotation;
    } steps[9] = {
        [2] = {true, kRotate0},    [3] = {false, kRotate180}, [4] = {true, kRotate180},
        [5] = {true, kRotate270},  [6] = {false, kRotate90},  [7] = {true, kRotate90},
        [8] = {false, kRotate270},
    };
    const enum RotationMode rotation = steps[orientation].rotation;
    if (steps[orientation].mirrored && !mirror(pixels))
        return false;
    if (rotation == kRotate0)
        return true;
    const bool lies = rotation != kRotate180;
    struct pixels turned;
    if (!make(lies ? pixels->height_px : pixels->width_px,
              lies ? pixels->width_px : pixels->height_px, &turned))
        return false;
    ARGBRotate(pixels->bgra, stride(pixels), turned.bgra, stride(&turned), (int)pixels->width_px,
               (int)pixels->height_px, rotation);
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
