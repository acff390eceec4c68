/* SPDX-License-Identifier: Apache-2.0
 *
 * The size that a picture gets, whether it must be changed at all, and the file that replaces it;
 * see moaoff/recode.h.
 */
#include <moaoff/recode.h>

#include <math.h>
#include <stdlib.h>

#include "format.h"

#define CELL_PX 28

/* ---- sizes ---- */

uint64_t moa_image_tokens(uint32_t width_px, uint32_t height_px)
{
    return ((uint64_t)width_px + CELL_PX - 1) / CELL_PX *
           (((uint64_t)height_px + CELL_PX - 1) / CELL_PX);
}

static uint32_t scaled(uint32_t side_px, double scale)
{
    const double side = floor(side_px * scale + 1e-6); /* 28.0 must not become 27.999 */
    return side < 1 ? 1 : (uint32_t)side;
}

void moa_recode_size(uint32_t width_px, uint32_t height_px, uint32_t max_tokens,
                     uint32_t *ret_width_px, uint32_t *ret_height_px)
{
    double best = 0;
    if (max_tokens == 0 || moa_image_tokens(width_px, height_px) <= max_tokens)
        best = 1;
    /* Every grid that the budget allows: the image may fill its width or its height. */
    for (uint32_t rows = 1; best < 1 && rows <= max_tokens; rows++) {
        const uint32_t columns = max_tokens / rows;
        const double across = (double)columns * CELL_PX / width_px;
        const double down = (double)rows * CELL_PX / height_px;
        best = fmax(best, fmin(1, fmin(across, down)));
    }
    *ret_width_px = scaled(width_px, best);
    *ret_height_px = scaled(height_px, best);
}

bool moa_recode_needed(const struct moa_image_info *info, unsigned orientation,
                       const struct moa_recode_target *target)
{
    return (target->max_tokens &&
            moa_image_tokens(info->width_px, info->height_px) > target->max_tokens) ||
           (target->formats && !(target->formats >> info->format & 1)) ||
           (target->upright && orientation != 1) || info->width_px < target->min_side_px ||
           info->height_px < target->min_side_px;
}

/* ---- pixels to a file ---- */

static bool takes(const struct moa_recode_target *target, enum moa_image_format format)
{
    return !target->formats || target->formats >> format & 1;
}

static void write_file(const struct moa_pixels *pixels, enum moa_image_format source,
                       const struct moa_recode_target *target, struct moa_recoded *ret)
{
    const bool drawn = source == MOA_IMAGE_PNG || source == MOA_IMAGE_GIF;
    struct moa_encode_options options = {
        .quality = target->jpeg_quality,
        .full_chroma = drawn,
        .few_colors = true,
    };
    ret->p = NULL;
    ret->format = MOA_IMAGE_PNG;
    if (takes(target, MOA_IMAGE_PNG) && drawn)
        ret->p = moa_format_png.encode(pixels, &options, &ret->n);
    options.few_colors = false;
    if (!ret->p && takes(target, MOA_IMAGE_JPEG)) {
        ret->format = MOA_IMAGE_JPEG;
        ret->p = moa_format_jpeg.encode(pixels, &options, &ret->n);
    } else if (!ret->p) {
        ret->p = moa_format_png.encode(pixels, &options, &ret->n);
    }
}

static bool shape(struct moa_pixels *pixels, uint32_t width, uint32_t height, unsigned orientation,
                  const struct moa_recode_target *target)
{
    const bool fits = pixels->width_px <= width && pixels->height_px <= height;
    return (fits || moa_pixels_scale(pixels, width, height)) &&
           moa_pixels_turn(pixels, orientation) && moa_pixels_pad(pixels, target->min_side_px);
}

enum moa_err moa_recode(struct moa_bytes file, const struct moa_image_info *info,
                        unsigned orientation, const struct moa_recode_target *target,
                        struct moa_recoded *ret_recoded, struct moa_error *ret_error)
{
    const struct moa_picture picture = {file, *info};
    uint32_t width, height;
    struct moa_pixels pixels;
    moa_recode_size(info->width_px, info->height_px, target->max_tokens, &width, &height);
    const enum moa_err err =
        moa_format_of(info->format)->pixels(&picture, width, height, &pixels, ret_error);
    if (err)
        return err;
    struct moa_recoded made = {.p = NULL};
    /* The file that replaces this one says nothing of its orientation: it is turned in any case. */
    if (shape(&pixels, width, height, orientation, target))
        write_file(&pixels, info->format, target, &made);
    moa_pixels_done(&pixels);
    if (!made.p)
        return moa_fail(ret_error, MOA_ERR_MEMORY, 0,
                        "out of memory while the image was re-encoded");
    *ret_recoded = made;
    return MOA_OK;
}
