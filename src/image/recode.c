/* SPDX-License-Identifier: Apache-2.0
 *
 * The size that a picture gets, whether it must be changed at all, and the file that replaces it;
 * see moaoff/recode.h.
 */
#include <moaoff/recode.h>

#include <math.h>
#include <stddef.h>

#include "../params.h"
#include "format.h"
#include "shrink.h"

#define CELL_PX 28

enum {
    TARGET_FIRST_BYTES = offsetof(struct moa_recode_target, jpeg_quality) + sizeof(int),
    QUALITY = 85, /* of JPEG, if none is asked for */
};

void moa_recode_target_default(struct moa_recode_target *ret_target)
{
    if (ret_target)
        *ret_target =
            (struct moa_recode_target){.size = sizeof(*ret_target), .jpeg_quality = QUALITY};
}

static struct moa_recode_target checked(const struct moa_recode_target *target)
{
    struct moa_recode_target ours;
    moa_recode_target_default(&ours);
    moa_params_read(&ours, sizeof(ours), TARGET_FIRST_BYTES, target);
    if (ours.jpeg_quality < 1 || ours.jpeg_quality > 100)
        ours.jpeg_quality = ours.jpeg_quality > 100 ? 100 : QUALITY;
    return ours;
}

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

/* Whether a picture may stay as large as it is: up to a quarter above the budget saves nothing
 * that is worth its re-encoding. */
static bool fits(uint32_t width_px, uint32_t height_px, uint32_t max_tokens)
{
    return max_tokens == 0 || moa_image_tokens(width_px, height_px) * 4 <= (uint64_t)max_tokens * 5;
}

void moa_recode_size(uint32_t width_px, uint32_t height_px, uint32_t max_tokens,
                     uint32_t *ret_width_px, uint32_t *ret_height_px)
{
    width_px = width_px ? width_px : 1;
    height_px = height_px ? height_px : 1;
    double best = fits(width_px, height_px, max_tokens) ? 1 : 0;
    /* Every grid that the budget allows: the image may fill its width or its height. */
    for (uint32_t rows = 1; best < 1 && rows <= max_tokens; rows++) {
        const uint32_t columns = max_tokens / rows;
        const double across = (double)columns * CELL_PX / width_px;
        const double down = (double)rows * CELL_PX / height_px;
        best = fmax(best, fmin(1, fmin(across, down)));
    }
    if (ret_width_px)
        *ret_width_px = scaled(width_px, best);
    if (ret_height_px)
        *ret_height_px = scaled(height_px, best);
}

static bool takes(const struct moa_recode_target *target, enum moa_image_format format)
{
    return !target->formats || ((unsigned)format < 32 && target->formats >> format & 1);
}

bool moa_recode_needed(const struct moa_image_info *info, unsigned orientation, uint32_t notes,
                       const struct moa_recode_target *target)
{
    const struct moa_recode_target t = checked(target);
    return info &&
           (!fits(info->width_px, info->height_px, t.max_tokens) || !takes(&t, info->format) ||
            (t.upright && orientation != 1) || (t.flatten && notes) ||
            info->width_px < t.min_side_px || info->height_px < t.min_side_px);
}

/* ---- pixels to a file ---- */

#define JPEG_SIDE_MAX 65500 /* of libjpeg */

static void write_file(const struct moa_pixels *pixels, bool is_drawn,
                       const struct moa_recode_target *target, struct moa_recoded *ret)
{
    struct moa_encode_options options = {
        .quality = target->jpeg_quality,
        .full_chroma = is_drawn,
        .few_colors = true,
    };
    const bool fits_jpeg = pixels->width_px <= JPEG_SIDE_MAX && pixels->height_px <= JPEG_SIDE_MAX;
    ret->p = NULL;
    ret->format = MOA_IMAGE_PNG;
    if (takes(target, MOA_IMAGE_PNG) && is_drawn)
        ret->p = moa_format_png.encode(pixels, &options, &ret->n);
    options.few_colors = false;
    if (!ret->p && takes(target, MOA_IMAGE_JPEG) && fits_jpeg) {
        ret->format = MOA_IMAGE_JPEG;
        ret->p = moa_format_jpeg.encode(pixels, &options, &ret->n);
    } else if (!ret->p && pixels->color != MOA_COLOR_YCC) {
        ret->p = moa_format_png.encode(pixels, &options, &ret->n);
    }
}

/* What is decoded is the file, whatever the caller says that it is; formats check its size. */
static enum moa_err check(struct moa_bytes file, const struct moa_image_info *info,
                          struct moa_error *error)
{
    struct moa_image_info own;
    if (!info)
        return moa_fail(error, MOA_ERR_ARGUMENT, 0, "nothing is known of the image");
    const enum moa_err err = moa_image_probe(file, &own, error);
    if (err)
        return err;
    if (own.format != info->format)
        return moa_fail(error, MOA_ERR_ARGUMENT, 0, "what is known is of another image");
    return MOA_OK;
}

static enum moa_err recode(struct moa_bytes file, const struct moa_image_info *info,
                           unsigned orientation, const struct moa_recode_target *target,
                           struct moa_recoded *ret_recoded, struct moa_error *ret_error)
{
    const struct moa_picture picture = {file, *info};
    struct moa_wanted wanted = {.width_px = 0};
    struct moa_pixels pixels;
    if (info->width_px > MOA_SHRINK_SIDE_MAX || info->height_px > MOA_SHRINK_SIDE_MAX)
        return moa_fail(ret_error, MOA_ERR_LIMIT, 0, "image side is longer than allowed");
    moa_recode_size(info->width_px, info->height_px, target->max_tokens, &wanted.width_px,
                    &wanted.height_px);
    wanted.takes_ycc = takes(target, MOA_IMAGE_JPEG) && wanted.width_px <= JPEG_SIDE_MAX &&
                       wanted.height_px <= JPEG_SIDE_MAX;
    wanted.moves = orientation != 1 || wanted.width_px < target->min_side_px ||
                   wanted.height_px < target->min_side_px;
    const enum moa_err err = moa_picture_pixels(&picture, &wanted, &pixels, ret_error);
    if (err)
        return err;
    struct moa_recoded made = {.p = NULL};
    /* The file that replaces this one says nothing of its orientation: it is turned in any case. */
    if (moa_pixels_turn(&pixels, orientation) && moa_pixels_pad(&pixels, target->min_side_px))
        write_file(&pixels, moa_format_of(info->format)->is_drawn, target, &made);
    moa_pixels_done(&pixels);
    if (!made.p)
        return moa_fail(ret_error, MOA_ERR_MEMORY, 0,
                        "out of memory while the image was re-encoded");
    *ret_recoded = made;
    return MOA_OK;
}

enum moa_err moa_recode(struct moa_bytes file, const struct moa_image_info *info,
                        unsigned orientation, const struct moa_recode_target *target,
                        struct moa_recoded *ret_recoded, struct moa_error *ret_error)
{
    struct moa_error error;
    const struct moa_recode_target ours = checked(target);
    enum moa_err err = ret_recoded ? check(file, info, &error)
                                   : moa_fail(&error, MOA_ERR_ARGUMENT, 0, "no place for it");
    if (err == MOA_OK)
        err = recode(file, info, orientation, &ours, ret_recoded, &error);
    if (err && ret_error)
        *ret_error = error;
    return err;
}
