/* SPDX-License-Identifier: Apache-2.0
 *
 * Pixels in memory: scaling (libwebp's area average), turning and padding; see pixels.h.
 */
#include "pixels.h"

#include <stdlib.h>
#include <string.h>

#include <webp/encode.h>

bool moa_pixels_init(struct moa_pixels *pixels, uint32_t width_px, uint32_t height_px)
{
    *pixels = (struct moa_pixels){malloc((size_t)width_px * height_px * 4), width_px, height_px};
    return pixels->bgra != NULL;
}

void moa_pixels_done(struct moa_pixels *pixels)
{
    free(pixels->bgra);
    *pixels = (struct moa_pixels){0};
}

static void replace(struct moa_pixels *pixels, struct moa_pixels *by)
{
    free(pixels->bgra);
    *pixels = *by;
}

bool moa_pixels_scale(struct moa_pixels *pixels, uint32_t width_px, uint32_t height_px)
{
    struct moa_pixels scaled;
    WebPPicture picture;
    if (pixels->width_px == width_px && pixels->height_px == height_px)
        return true;
    if (!WebPPictureInit(&picture) || !moa_pixels_init(&scaled, width_px, height_px))
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

bool moa_pixels_turn(struct moa_pixels *pixels, unsigned orientation)
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
    struct moa_pixels turned;
    if (!moa_pixels_init(&turned, lies ? pixels->height_px : pixels->width_px,
                         lies ? pixels->width_px : pixels->height_px))
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

bool moa_pixels_pad(struct moa_pixels *pixels, uint32_t min_side_px)
{
    const uint32_t width = pixels->width_px < min_side_px ? min_side_px : pixels->width_px;
    const uint32_t height = pixels->height_px < min_side_px ? min_side_px : pixels->height_px;
    struct moa_pixels padded;
    if (width == pixels->width_px && height == pixels->height_px)
        return true;
    if (!moa_pixels_init(&padded, width, height))
        return false;
    memset(padded.bgra, 0xff, (size_t)width * height * 4);
    const size_t left = (width - pixels->width_px) / 2, top = (height - pixels->height_px) / 2;
    for (size_t y = 0; y < pixels->height_px; y++)
        memcpy(padded.bgra + 4 * ((top + y) * width + left),
               pixels->bgra + 4 * y * pixels->width_px, 4 * (size_t)pixels->width_px);
    replace(pixels, &padded);
    return true;
}

/* ---- rows in, averaged over squares of factor x factor ---- */

bool moa_shrink_init(struct moa_shrink *s, uint32_t width, uint32_t height, uint32_t wanted_width,
                     uint32_t wanted_height)
{
    const uint32_t across = width / wanted_width, down = height / wanted_height;
    /* A sum of 255 x factor x factor must fit its 32 bits. */
    const uint32_t most = across < down ? across : down;
    const uint32_t factor = most > 4096 ? 4096 : most;
    *s = (struct moa_shrink){.in_width = width, .in_height = height, .factor = factor};
    const bool has_out =
        moa_pixels_init(&s->out, (width + factor - 1) / factor, (height + factor - 1) / factor);
    s->line = malloc((size_t)width * 4);
    s->sums = factor > 1 ? calloc(s->out.width_px, 3 * sizeof(*s->sums)) : NULL;
    return has_out && s->line && (s->sums || factor == 1);
}

void moa_shrink_done(struct moa_shrink *s)
{
    free(s->sums);
    free(s->line);
    moa_pixels_done(&s->out);
}

void moa_pixels_flatten(uint8_t *bgra, size_t n)
{
    for (size_t i = 0; i < n; i++, bgra += 4) {
        const uint32_t a = bgra[3];
        if (a == 255)
            continue;
        for (size_t c = 0; c < 3; c++)
            bgra[c] = (uint8_t)((bgra[c] * a + 255 * (255 - a) + 127) / 255);
        bgra[3] = 255;
    }
}

/* The sums of a row of squares to their means. */
static void emit(struct moa_shrink *s, uint32_t n_rows)
{
    uint8_t *out = s->out.bgra + 4 * (size_t)s->out.width_px * ((s->row - 1) / s->factor);
    for (uint32_t x = 0; x < s->out.width_px; x++, out += 4) {
        const uint32_t left = s->in_width - x * s->factor;
        const uint32_t n = n_rows * (left < s->factor ? left : s->factor);
        for (size_t c = 0; c < 3; c++)
            out[c] = (uint8_t)((s->sums[3 * (size_t)x + c] + n / 2) / n);
        out[3] = 255;
    }
    memset(s->sums, 0, 3 * sizeof(*s->sums) * (size_t)s->out.width_px);
}

void moa_shrink_row(struct moa_shrink *s)
{
    moa_pixels_flatten(s->line, s->in_width);
    if (s->factor == 1) {
        const size_t n = 4 * (size_t)s->in_width;
        memcpy(s->out.bgra + n * s->row++, s->line, n);
        return;
    }
    const uint8_t *in = s->line;
    for (uint32_t x = 0; x < s->in_width;) {
        uint32_t *sum = s->sums + 3 * (size_t)(x / s->factor);
        uint32_t end = x + s->factor < s->in_width ? x + s->factor : s->in_width;
        for (; x < end; x++, in += 4) {
            sum[0] += in[0];
            sum[1] += in[1];
            sum[2] += in[2];
        }
    }
    s->row++;
    const uint32_t n_rows = (s->row - 1) % s->factor + 1;
    if (n_rows == s->factor || s->row == s->in_height)
        emit(s, n_rows);
}
