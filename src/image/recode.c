/* SPDX-License-Identifier: Apache-2.0
 *
 * The size that a picture gets, whether it must be changed at all, and the file that replaces it;
 * see moaoff/recode.h.
 */
#include <moaoff/recode.h>

#include <math.h>
#include <stddef.h>
#include <stdlib.h>

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

static bool is_too_long(const struct moa_image_info *info)
{
    return info->width_px > MOA_SHRINK_SIDE_MAX || info->height_px > MOA_SHRINK_SIDE_MAX;
}

/* What has to be decoded for the target. */
static struct moa_wanted wanted_for(const struct moa_image_info *info, unsigned orientation,
                                    const struct moa_recode_target *target)
{
    struct moa_wanted wanted = {.width_px = 0};
    moa_recode_size(info->width_px, info->height_px, target->max_tokens, &wanted.width_px,
                    &wanted.height_px);
    wanted.takes_ycc = takes(target, MOA_IMAGE_JPEG) && wanted.width_px <= JPEG_SIDE_MAX &&
                       wanted.height_px <= JPEG_SIDE_MAX;
    wanted.moves = orientation != 1 || wanted.width_px < target->min_side_px ||
                   wanted.height_px < target->min_side_px;
    return wanted;
}

/* Pixels to the file; they are done with. */
static enum moa_err finish(struct moa_pixels *pixels, const struct moa_image_info *info,
                           unsigned orientation, const struct moa_recode_target *target,
                           struct moa_recoded *ret_recoded, struct moa_error *ret_error)
{
    struct moa_recoded made = {.p = NULL};
    /* The file that replaces this one says nothing of its orientation: it is turned in any case. */
    if (moa_pixels_turn(pixels, orientation) && moa_pixels_pad(pixels, target->min_side_px))
        write_file(pixels, moa_format_of(info->format)->is_drawn, target, &made);
    moa_pixels_done(pixels);
    if (!made.p)
        return moa_fail(ret_error, MOA_ERR_MEMORY, 0,
                        "out of memory while the image was re-encoded");
    *ret_recoded = made;
    return MOA_OK;
}

static enum moa_err recode(struct moa_bytes file, const struct moa_image_info *info,
                           unsigned orientation, const struct moa_recode_target *target,
                           struct moa_recoded *ret_recoded, struct moa_error *ret_error)
{
    const struct moa_picture picture = {file, *info};
    const struct moa_wanted wanted = wanted_for(info, orientation, target);
    struct moa_pixels pixels;
    if (is_too_long(info))
        return moa_fail(ret_error, MOA_ERR_LIMIT, 0, "image side is longer than allowed");
    const enum moa_err err = moa_picture_pixels(&picture, &wanted, &pixels, ret_error);
    return err ? err : finish(&pixels, info, orientation, target, ret_recoded, ret_error);
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

/* ---- pixels that were decoded while a picture was measured ---- */

struct moa_kept {
    struct moa_image_info info;
    unsigned orientation;
    struct moa_wanted wanted;
    struct moa_pixels pixels;
};

void moa_kept_free(struct moa_kept *kept)
{
    if (kept)
        moa_pixels_done(&kept->pixels);
    free(kept);
}

uint64_t moa_kept_bytes(const struct moa_kept *kept)
{
    uint64_t n = kept ? sizeof(*kept) : 0;
    for (unsigned i = 0; kept && i < moa_pixels_n_planes(kept->pixels.color); i++)
        n += kept->pixels.planes[i].stride_bytes * (uint64_t)kept->pixels.planes[i].height;
    return n;
}

bool moa_kept_suits(const struct moa_kept *kept, const struct moa_recode_target *target)
{
    if (!kept)
        return false;
    const struct moa_recode_target ours = checked(target);
    const struct moa_wanted wanted = wanted_for(&kept->info, kept->orientation, &ours);
    return wanted.width_px == kept->wanted.width_px && wanted.height_px == kept->wanted.height_px &&
           wanted.takes_ycc == kept->wanted.takes_ycc && wanted.moves == kept->wanted.moves;
}

/* What is wanted beside luma; without a width if nothing is. At most three bytes a pixel, and a
 * stride that is up to 15 pixels wider than a row. */
static struct moa_kept plan(struct moa_bytes file, const struct moa_recode_target *target,
                            uint64_t max_bytes)
{
    const struct moa_recode_target ours = checked(target);
    struct moa_kept kept = {.orientation = 1};
    if (moa_image_probe(file, &kept.info, NULL))
        return kept;
    kept.orientation = moa_image_orientation(file, kept.info.format);
    if (is_too_long(&kept.info) || !moa_recode_needed(&kept.info, kept.orientation, 0, &ours))
        return kept;
    const struct moa_wanted wanted = wanted_for(&kept.info, kept.orientation, &ours);
    if (3 * ((uint64_t)wanted.width_px + 15) * wanted.height_px + sizeof(kept) <= max_bytes)
        kept.wanted = wanted;
    return kept;
}

enum moa_err moa_recode_measure(struct moa_bytes file, const struct moa_image_options *options,
                                const struct moa_image_limits *limits,
                                const struct moa_recode_target *target, uint64_t max_bytes,
                                struct moa_image_info *ret_info,
                                struct moa_image_features *ret_features, struct moa_kept **ret_kept,
                                struct moa_error *ret_error)
{
    const struct moa_kept planned = plan(file, target, max_bytes);
    struct moa_look look = {.wanted = planned.wanted.width_px > 0 ? &planned.wanted : NULL};
    enum moa_err err =
        moa_image_look(file, options, limits, &look, ret_info, ret_features, ret_error);
    if (err == MOA_ERR_MEMORY && look.wanted)
        err = moa_image_measure_with(file, options, limits, ret_info, ret_features, ret_error);
    if (err)
        return err;
    struct moa_kept *kept = look.pixels.planes[0].p && ret_kept ? malloc(sizeof(*kept)) : NULL;
    if (kept) {
        *kept = planned;
        kept->pixels = look.pixels;
    } else {
        moa_pixels_done(&look.pixels);
    }
    if (ret_kept)
        *ret_kept = kept;
    return MOA_OK;
}

enum moa_err moa_recode_kept(struct moa_kept *kept, const struct moa_recode_target *target,
                             struct moa_recoded *ret_recoded, struct moa_error *ret_error)
{
    struct moa_error error;
    const struct moa_recode_target ours = checked(target);
    const enum moa_err err =
        moa_kept_suits(kept, target) && ret_recoded
            ? finish(&kept->pixels, &kept->info, kept->orientation, &ours, ret_recoded, &error)
            : moa_fail(&error, MOA_ERR_ARGUMENT, 0, "other pixels are needed");
    moa_kept_free(kept);
    if (err && ret_error)
        *ret_error = error;
    return err;
}
