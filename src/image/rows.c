/* SPDX-License-Identifier: Apache-2.0
 *
 * Luma and pixels from the rows of a picture: what a format need not do by itself. One road for
 * both, so that what is scored and what is re-encoded cannot be two pictures.
 */
#include <stdlib.h>
#include <string.h>

#include "../kernels.h"
#include "format.h"
#include "shrink.h"

bool moa_lay_on_white(const uint8_t *in, size_t n, unsigned n_channels, uint8_t *ret)
{
    if (n_channels % 2) {
        memmove(ret, in, n * n_channels);
        return false;
    }
    const unsigned n_colors = n_channels - 1;
    uint32_t all = 255;
    for (size_t i = 0; i < n; i++, in += n_channels, ret += n_colors) {
        const uint32_t alpha = in[n_colors];
        all &= alpha;
        for (unsigned c = 0; c < n_colors; c++)
            ret[c] = (uint8_t)((in[c] * alpha + 255 * (255 - alpha) + 127) / 255);
    }
    return all != 255;
}

/* ---- pixels ---- */

struct pixel_rows {
    struct moa_rows rows; /* first */
    const struct moa_image_info *info;
    const struct moa_wanted *wanted;
    struct moa_pixels out;
    struct moa_shrink shrink;
};

static bool begin_pixels(struct moa_rows *rows, unsigned n_channels)
{
    struct pixel_rows *p = (struct pixel_rows *)rows;
    return moa_pixels_init(&p->out, n_channels == 1 ? MOA_COLOR_GRAY : MOA_COLOR_RGB,
                           p->wanted->width_px, p->wanted->height_px) &&
           moa_shrink_init(&p->shrink, p->info->width_px, p->info->height_px, &p->out.planes[0]);
}

static void push_pixels(struct moa_rows *rows, const uint8_t *row)
{
    moa_shrink_row(&((struct pixel_rows *)rows)->shrink, row);
}

enum moa_err moa_pixels_from_rows(const struct moa_picture *picture,
                                  const struct moa_wanted *wanted, struct moa_pixels *ret_pixels,
                                  struct moa_error *error)
{
    struct pixel_rows p = {
        .rows = {.begin = begin_pixels, .push = push_pixels},
        .info = &picture->info,
        .wanted = wanted,
    };
    const enum moa_err err = moa_format_of(picture->info.format)->rows(picture, &p.rows, error);
    moa_shrink_done(&p.shrink);
    if (err)
        moa_pixels_done(&p.out);
    else
        *ret_pixels = p.out;
    return err;
}

enum moa_err moa_picture_pixels(const struct moa_picture *picture, const struct moa_wanted *wanted,
                                struct moa_pixels *ret_pixels, struct moa_error *error)
{
    const struct moa_format *format = moa_format_of(picture->info.format);
    return (format->pixels ? format->pixels : moa_pixels_from_rows)(picture, wanted, ret_pixels,
                                                                    error);
}

/* ---- luma, and pixels of the same rows ---- */

struct luma_rows {
    struct pixel_rows pixels; /* first */
    struct moa_luma_scan *scan;
    unsigned n_channels;
};

static bool begin_luma(struct moa_rows *rows, unsigned n_channels)
{
    struct luma_rows *luma = (struct luma_rows *)rows;
    luma->n_channels = n_channels;
    return !luma->pixels.wanted || begin_pixels(rows, n_channels);
}

static void push_luma(struct moa_rows *rows, const uint8_t *row)
{
    const struct luma_rows *luma = (struct luma_rows *)rows;
    const uint32_t width_px = luma->pixels.info->width_px;
    uint8_t *to = moa_scan_space(luma->scan, 0);
    if (luma->n_channels == 1)
        memcpy(to, row, width_px);
    else
        moa_kernels_get()->luma_from_rgb(row, width_px, to);
    moa_scan_push(luma->scan, 1);
    if (luma->pixels.wanted)
        push_pixels(rows, row);
}

enum moa_err moa_luma_from_rows(const struct moa_picture *picture, struct moa_look *look,
                                bool with_pixels, struct moa_error *error)
{
    struct luma_rows luma = {
        .pixels = {.rows = {.begin = begin_luma, .push = push_luma},
                   .info = &picture->info,
                   .wanted = with_pixels ? look->wanted : NULL},
        .scan = look->scan,
    };
    const enum moa_err err =
        moa_format_of(picture->info.format)->rows(picture, &luma.pixels.rows, error);
    look->notes |= luma.pixels.rows.notes;
    moa_shrink_done(&luma.pixels.shrink);
    if (err)
        moa_pixels_done(&luma.pixels.out);
    else
        look->pixels = luma.pixels.out;
    return err;
}

enum moa_err moa_picture_luma(const struct moa_picture *picture, struct moa_look *look,
                              struct moa_error *error)
{
    const struct moa_format *format = moa_format_of(picture->info.format);
    return format->luma ? format->luma(picture, look, error)
                        : moa_luma_from_rows(picture, look, !format->pixels, error);
}
