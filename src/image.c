/* SPDX-License-Identifier: Apache-2.0
 *
 * Image features and complexity (section 3.1.1): the public entries of moaoff/image.h. Decoding is
 * in image_<format>.c, the statistics in luma_scan.c.
 */
#include <moaoff/image.h>

#include <math.h>
#include <string.h>

#include "image_decode.h"
#include "kernels.h"
#include "luma_scan.h"

static const double epsilon = 1.0; /* one gray level, Eq. 2 and 4 */

void moa_image_limits_default(struct moa_image_limits *ret_limits)
{
    *ret_limits = (struct moa_image_limits){
        .max_px = (uint64_t)64 << 20,
        .max_width_px = 65535,
    };
}

void moa_image_params_default(struct moa_image_params *ret_params)
{
    *ret_params = (struct moa_image_params){
        .reference_px = 1024.0 * 1024.0,
        /* moaoff calibrate over the wallpapers of Debian 12; docs/perceive.md names the packages */
        .laplacian_p5 = 0.83,
        .laplacian_p95 = 1875.0,
        .weight_resolution = 1.0,
        .weight_edge = 1.0,
        .weight_entropy = 1.0,
        .weight_sharpness = 1.0,
    };
}

const char *moa_image_format_name(enum moa_image_format format)
{
    switch (format) {
    case MOA_IMAGE_JPEG:
        return "jpeg";
    case MOA_IMAGE_PNG:
        return "png";
    case MOA_IMAGE_WEBP:
        return "webp";
    case MOA_IMAGE_GIF:
        return "gif";
    case MOA_IMAGE_UNKNOWN:
        break;
    }
    return "unknown";
}

enum moa_err moa_image_probe(struct moa_bytes file, struct moa_image_info *ret_info,
                             struct moa_error *ret_error)
{
    struct moa_error error;
    const enum moa_err err = moa_probe(file, ret_info, &error);
    if (err && ret_error)
        *ret_error = error;
    return err;
}

static enum moa_err check_limits(const struct moa_image_info *info,
                                 const struct moa_image_limits *limits, struct moa_error *error)
{
    struct moa_image_limits checked;
    moa_image_limits_default(&checked);
    if (limits)
        checked = *limits;
    if (info->width_px > checked.max_width_px || info->height_px > checked.max_width_px)
        return moa_fail(error, MOA_ERR_LIMIT, 0, "image side is longer than allowed");
    if ((uint64_t)info->width_px * info->height_px > checked.max_px)
        return moa_fail(error, MOA_ERR_LIMIT, 0, "image has more pixels than allowed");
    return MOA_OK;
}

static moa_decode_fn *decoder_of(enum moa_image_format format)
{
    switch (format) {
    case MOA_IMAGE_JPEG:
        return moa_decode_jpeg;
    case MOA_IMAGE_PNG:
        return moa_decode_png;
    case MOA_IMAGE_WEBP:
        return moa_decode_webp;
    case MOA_IMAGE_GIF:
        return moa_decode_gif;
    case MOA_IMAGE_UNKNOWN:
        break;
    }
    return NULL;
}

/* The second scan of an image with unusual gradients; see luma_scan.h. */
static enum moa_err measure_exactly(const struct moa_decode_job *job, moa_decode_fn *decode,
                                    struct moa_image_features *ret_features,
                                    struct moa_error *error)
{
    if (!moa_scan_restart_exact(job->scan))
        return moa_fail(error, MOA_ERR_MEMORY, 0, "out of memory for the image statistics");
    const enum moa_err err = decode(job, error);
    if (err == MOA_OK)
        (void)moa_scan_finish(job->scan, ret_features);
    return err;
}

static enum moa_err measure(struct moa_decode_job *job, struct moa_image_features *ret_features,
                            struct moa_error *error)
{
    moa_decode_fn *decode = decoder_of(job->info.format);
    if (!decode)
        return moa_fail(error, MOA_ERR_UNSUPPORTED, 0, "pixels of this format are not decoded");
    job->scan = moa_scan_new(job->info.width_px);
    if (!job->scan)
        return moa_fail(error, MOA_ERR_MEMORY, 0, "out of memory for the image statistics");
    struct moa_image_features features;
    enum moa_err err = decode(job, error);
    if (err == MOA_OK && !moa_scan_finish(job->scan, &features))
        err = measure_exactly(job, decode, &features, error);
    moa_scan_free(job->scan);
    if (err)
        return err;
    struct moa_image_header header;
    moa_fill_header(job->file, &job->info, &header);
    features.height_px = job->info.height_px;
    features.bits_per_pixel = header.bits_per_pixel;
    features.bits_per_pixel_normal = header.bits_per_pixel_normal;
    *ret_features = features;
    return MOA_OK;
}

enum moa_err moa_image_measure_with(struct moa_bytes file, const struct moa_image_options *options,
                                    const struct moa_image_limits *limits,
                                    struct moa_image_info *ret_info,
                                    struct moa_image_features *ret_features,
                                    struct moa_error *ret_error)
{
    struct moa_error error;
    struct moa_decode_job job = {
        .file = file,
        .mode = options ? options->mode : MOA_IMAGE_EXACT,
    };
    enum moa_err err = moa_probe(file, &job.info, &error);
    if (err == MOA_OK) {
        if (ret_info)
            *ret_info = job.info;
        err = check_limits(&job.info, limits, &error);
    }
    if (err == MOA_OK)
        err = measure(&job, ret_features, &error);
    if (err && ret_error)
        *ret_error = error;
    return err;
}

enum moa_err moa_image_measure(struct moa_bytes file, const struct moa_image_limits *limits,
                               struct moa_image_info *ret_info,
                               struct moa_image_features *ret_features, struct moa_error *ret_error)
{
    return moa_image_measure_with(file, NULL, limits, ret_info, ret_features, ret_error);
}

enum moa_err moa_luma_measure(const uint8_t *luma, uint32_t width_px, uint32_t height_px,
                              size_t stride_bytes, struct moa_image_features *ret_features)
{
    if (!luma || width_px == 0 || height_px == 0 || stride_bytes < width_px)
        return MOA_ERR_ARGUMENT;
    struct moa_luma_scan *scan = moa_scan_new(width_px);
    if (!scan)
        return MOA_ERR_MEMORY;
    enum moa_err err = MOA_OK;
    struct moa_image_features features;
    moa_scan_plane(scan, luma, height_px, stride_bytes);
    if (!moa_scan_finish(scan, &features)) {
        if (moa_scan_restart_exact(scan)) {
            moa_scan_plane(scan, luma, height_px, stride_bytes);
            (void)moa_scan_finish(scan, &features);
        } else {
            err = MOA_ERR_MEMORY;
        }
    }
    moa_scan_free(scan);
    if (err)
        return err;
    features.height_px = height_px;
    features.bits_per_pixel = 8.0;
    features.bits_per_pixel_normal = 8.0;
    *ret_features = features;
    return MOA_OK;
}

static double clip(double x)
{
    return x < 0.0 ? 0.0 : x > 1.0 ? 1.0 : x;
}

void moa_image_complexity(const struct moa_image_params *params,
                          const struct moa_image_features *features,
                          struct moa_image_complexity *ret_complexity)
{
    struct moa_image_params p;
    moa_image_params_default(&p);
    if (params)
        p = *params;

    const struct moa_image_features *f = features;
    const double max_entropy = 5.5451774444795625; /* ln 256 */
    struct moa_image_complexity c = {
        .resolution = clip((double)f->width_px * f->height_px / p.reference_px),
        .edge = clip((f->gradient_mean - f->gradient_p5) /
                     (f->gradient_p95 - f->gradient_p5 + epsilon)),
        .entropy = clip(f->entropy_nats / max_entropy),
        .sharpness = clip((f->laplacian_variance - p.laplacian_p5) /
                          (p.laplacian_p95 - p.laplacian_p5 + epsilon)),
    };
    const double total =
        p.weight_resolution + p.weight_edge + p.weight_entropy + p.weight_sharpness;
    c.score = clip((p.weight_resolution * c.resolution + p.weight_edge * c.edge +
                    p.weight_entropy * c.entropy + p.weight_sharpness * c.sharpness) /
                   total);
    *ret_complexity = c;
}
