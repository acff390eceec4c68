/* SPDX-License-Identifier: Apache-2.0
 *
 * Pictures (section 3.1.1): the public entries of moaoff/image.h. What is known of a format is in
 * its row of formats[]; the statistics are in luma_scan.c.
 */
#include <moaoff/image.h>

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "../params.h"
#include "format.h"

static const double epsilon = 1.0; /* one gray level, Eq. 2 and 4 */

/* What fitted the sizes of photographs best; docs/perceive.md says how. */
static const double lossless_factor = 0.143;
static const double lossless_exponent = 0.885;

/* ---- the formats ---- */

#define ROW(upper, number, lower) [number] = &moa_format_##lower,
static const struct moa_format *const formats[] = {MOA_IMAGE_FORMATS(ROW)};

static const char no_picture[] = "no picture in a format that is known:" MOA_IMAGE_NAMES;

static const size_t n_formats = sizeof(formats) / sizeof(formats[0]);

static bool is_known(enum moa_image_format format)
{
    return format > MOA_IMAGE_UNKNOWN && (size_t)format < n_formats;
}

const struct moa_format *moa_format_of(enum moa_image_format format)
{
    return is_known(format) ? formats[format] : NULL;
}

const char *moa_image_format_name(enum moa_image_format format)
{
    return is_known(format) ? formats[format]->name : "unknown";
}

const char *moa_image_format_mime(enum moa_image_format format)
{
    return is_known(format) ? formats[format]->mime : "application/octet-stream";
}

enum moa_image_format moa_image_format_named(struct moa_bytes name)
{
    for (size_t i = MOA_IMAGE_JPEG; name.p && i < n_formats; i++) {
        if (strlen(formats[i]->name) == name.n && memcmp(formats[i]->name, name.p, name.n) == 0)
            return (enum moa_image_format)i;
    }
    return MOA_IMAGE_UNKNOWN;
}

uint32_t moa_image_formats_written(void)
{
    uint32_t written = 0;
    for (size_t i = MOA_IMAGE_JPEG; i < n_formats; i++)
        written |= (uint32_t)(formats[i]->encode != NULL) << i;
    return written;
}

const char *moa_image_note_name(enum moa_image_note note)
{
    return note == MOA_IMAGE_TRUNCATED     ? "truncated"
           : note == MOA_IMAGE_TRANSPARENT ? "transparent"
                                           : "unknown";
}

const char *moa_image_mode_name(enum moa_image_mode mode)
{
    return mode == MOA_IMAGE_EXACT ? "exact" : mode == MOA_IMAGE_FAST ? "fast" : "unknown";
}

/* ---- the header ---- */

static enum moa_err probe(struct moa_bytes file, struct moa_image_info *ret_info,
                          struct moa_error *error)
{
    struct moa_image_info info = {.format = MOA_IMAGE_UNKNOWN};
    size_t i = MOA_IMAGE_JPEG;
    while (i < n_formats && !formats[i]->sniff(file.p, file.n))
        i++;
    if (i == n_formats) {
        const char *message = moa_foreign_format(file.p, file.n);
        return moa_fail(error, MOA_ERR_FORMAT, 0, message ? message : no_picture);
    }
    info.format = (enum moa_image_format)i;
    const enum moa_err err = formats[i]->probe(file.p, file.n, &info, error);
    if (err)
        return err;
    if (info.width_px == 0 || info.height_px == 0)
        return moa_fail(error, MOA_ERR_CORRUPT, 0, "image with a side of 0 px");
    *ret_info = info;
    return MOA_OK;
}

enum moa_err moa_image_probe(struct moa_bytes file, struct moa_image_info *ret_info,
                             struct moa_error *ret_error)
{
    struct moa_error error;
    struct moa_image_info info;
    const enum moa_err err = probe(moa_bytes_checked(file), ret_info ? ret_info : &info, &error);
    if (err && ret_error)
        *ret_error = error;
    return err;
}

void moa_header_lossless(struct moa_image_header *header, double stored_bits)
{
    /* As if the picture were stored at 24 bits. */
    const double bits = header->bits_per_pixel * 24.0 / stored_bits;
    header->bits_per_pixel_normal = lossless_factor * pow(bits, lossless_exponent);
}

/* The rest of the header of a file that was probed. */
static void fill_header(struct moa_bytes file, const struct moa_image_info *info,
                        struct moa_image_header *ret_header)
{
    struct moa_image_header header = {
        .info = *info,
        .bits_per_pixel = (double)file.n * 8.0 / ((double)info->width_px * info->height_px),
        .decode_bytes = 4 * (uint64_t)info->width_px * info->height_px,
    };
    formats[info->format]->header(file, &header);
    *ret_header = header;
}

enum moa_err moa_image_header(struct moa_bytes file, struct moa_image_header *ret_header,
                              struct moa_error *ret_error)
{
    struct moa_image_info info;
    const enum moa_err err = moa_image_probe(file, &info, ret_error);
    if (err == MOA_OK && ret_header)
        fill_header(file, &info, ret_header);
    return err;
}

unsigned moa_image_orientation(struct moa_bytes file, enum moa_image_format format)
{
    if (!is_known(format) || !formats[format]->exif)
        return 1;
    return moa_exif_orientation(formats[format]->exif(moa_bytes_checked(file)));
}

/* ---- limits and parameters ---- */

enum {
    LIMITS_FIRST_BYTES = offsetof(struct moa_image_limits, max_width_px) + sizeof(uint32_t),
    OPTIONS_FIRST_BYTES = offsetof(struct moa_image_options, mode) + sizeof(enum moa_image_mode),
    PARAMS_FIRST_BYTES = offsetof(struct moa_image_params, weight_sharpness) + sizeof(double),
};

void moa_image_options_default(struct moa_image_options *ret_options)
{
    if (ret_options)
        *ret_options = (struct moa_image_options){.size = sizeof(*ret_options)};
}

void moa_image_limits_default(struct moa_image_limits *ret_limits)
{
    if (!ret_limits)
        return;
    *ret_limits = (struct moa_image_limits){
        .size = sizeof(*ret_limits),
        .max_px = (uint64_t)64 << 20,
        .max_width_px = 65535,
    };
}

void moa_image_params_default(struct moa_image_params *ret_params)
{
    if (!ret_params)
        return;
    *ret_params = (struct moa_image_params){
        .size = sizeof(*ret_params),
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

static enum moa_err check_limits(const struct moa_image_info *info,
                                 const struct moa_image_limits *limits, struct moa_error *error)
{
    struct moa_image_limits checked;
    moa_image_limits_default(&checked);
    moa_params_read(&checked, sizeof(checked), LIMITS_FIRST_BYTES, limits);
    if (info->width_px > checked.max_width_px || info->height_px > checked.max_width_px)
        return moa_fail(error, MOA_ERR_LIMIT, 0, "image side is longer than allowed");
    if ((uint64_t)info->width_px * info->height_px > checked.max_px)
        return moa_fail(error, MOA_ERR_LIMIT, 0, "image has more pixels than allowed");
    return MOA_OK;
}

/* ---- measuring ---- */

/* Scans, and once more with a bin for everything if the gradients are unusual; see luma_scan.h. */
static enum moa_err scan_luma(const struct moa_picture *picture, struct moa_look *look,
                              struct moa_image_features *ret_features, struct moa_error *error)
{
    struct moa_image_features features;
    enum moa_err err = moa_picture_luma(picture, look, error);
    if (err == MOA_OK && !moa_scan_finish(look->scan, &features)) {
        struct moa_look again = {.mode = look->mode, .scan = look->scan};
        if (!moa_scan_restart_exact(look->scan))
            return moa_fail(error, MOA_ERR_MEMORY, 0, "out of memory for the image statistics");
        err = moa_picture_luma(picture, &again, error);
        if (err == MOA_OK)
            (void)moa_scan_finish(look->scan, &features);
    }
    if (err)
        return err;
    features.notes = look->notes;
    *ret_features = features;
    return MOA_OK;
}

static enum moa_err measure(const struct moa_picture *picture, struct moa_look *look,
                            struct moa_image_features *ret_features, struct moa_error *error)
{
    look->scan = moa_scan_new(picture->info.width_px, picture->info.height_px);
    if (!look->scan)
        return moa_fail(error, MOA_ERR_MEMORY, 0, "out of memory for the image statistics");
    struct moa_image_features features;
    const enum moa_err err = scan_luma(picture, look, &features, error);
    moa_scan_free(look->scan);
    if (err) {
        moa_pixels_done(&look->pixels);
        return err;
    }
    struct moa_image_header header;
    fill_header(picture->file, &picture->info, &header);
    features.bits_per_pixel = header.bits_per_pixel;
    features.bits_per_pixel_normal = header.bits_per_pixel_normal;
    *ret_features = features;
    return MOA_OK;
}

enum moa_err moa_image_look(struct moa_bytes file, const struct moa_image_options *options,
                            const struct moa_image_limits *limits, struct moa_look *look,
                            struct moa_image_info *ret_info,
                            struct moa_image_features *ret_features, struct moa_error *ret_error)
{
    struct moa_error error;
    struct moa_picture picture = {.file = moa_bytes_checked(file)};
    struct moa_image_features features;
    struct moa_image_options checked;
    moa_image_options_default(&checked);
    moa_params_read(&checked, sizeof(checked), OPTIONS_FIRST_BYTES, options);
    enum moa_err err = checked.mode == MOA_IMAGE_EXACT || checked.mode == MOA_IMAGE_FAST
                           ? probe(picture.file, &picture.info, &error)
                           : moa_fail(&error, MOA_ERR_ARGUMENT, 0, "there is no such mode");
    if (err == MOA_OK) {
        if (ret_info)
            *ret_info = picture.info;
        err = check_limits(&picture.info, limits, &error);
    }
    look->mode = checked.mode;
    if (err == MOA_OK)
        err = measure(&picture, look, ret_features ? ret_features : &features, &error);
    if (err && ret_error)
        *ret_error = error;
    return err;
}

enum moa_err moa_image_measure_with(struct moa_bytes file, const struct moa_image_options *options,
                                    const struct moa_image_limits *limits,
                                    struct moa_image_info *ret_info,
                                    struct moa_image_features *ret_features,
                                    struct moa_error *ret_error)
{
    struct moa_look look = {.wanted = NULL};
    return moa_image_look(file, options, limits, &look, ret_info, ret_features, ret_error);
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
    if (!luma || !ret_features || width_px == 0 || height_px == 0 || stride_bytes < width_px)
        return MOA_ERR_ARGUMENT;
    struct moa_luma_scan *scan = moa_scan_new(width_px, height_px);
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
    features.bits_per_pixel = 8.0;
    features.bits_per_pixel_normal = 8.0;
    *ret_features = features;
    return MOA_OK;
}

/* ---- features to a complexity ---- */

void moa_image_complexity(const struct moa_image_params *params,
                          const struct moa_image_features *features,
                          struct moa_image_complexity *ret_complexity)
{
    static const struct moa_image_features none;
    struct moa_image_params p;
    if (!ret_complexity)
        return;
    moa_image_params_default(&p);
    moa_params_read(&p, sizeof(p), PARAMS_FIRST_BYTES, params);

    const struct moa_image_features *f = features ? features : &none;
    const double max_entropy = 5.5451774444795625; /* ln 256 */
    struct moa_image_complexity c = {
        .resolution = moa_clip((double)f->width_px * f->height_px / p.reference_px),
        .edge = moa_clip((f->gradient_mean - f->gradient_p5) /
                         (f->gradient_p95 - f->gradient_p5 + epsilon)),
        .entropy = moa_clip(f->entropy_nats / max_entropy),
        .sharpness = moa_clip((f->laplacian_variance - p.laplacian_p5) /
                              (p.laplacian_p95 - p.laplacian_p5 + epsilon)),
    };
    const double indicators[] = {c.resolution, c.edge, c.entropy, c.sharpness};
    const double weights[] = {p.weight_resolution, p.weight_edge, p.weight_entropy,
                              p.weight_sharpness};
    c.score = moa_weighted_mean(indicators, weights, 4);
    *ret_complexity = c;
}
