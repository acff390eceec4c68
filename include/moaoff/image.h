/* SPDX-License-Identifier: Apache-2.0
 *
 * Image complexity (MoA-Off, arXiv 2509.16995, section 3.1.1): compressed bytes in, features and
 * a complexity in [0, 1] out, without running any model.
 */
#ifndef MOAOFF_IMAGE_H
#define MOAOFF_IMAGE_H

#include <moaoff/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * The formats that are read: name in capitals, number, name. The numbers are stable and never
 * reused. Files are asked in this order; TGA has no signature and comes last.
 */
#define MOA_IMAGE_FORMATS(X)                                                                       \
    X(JPEG, 1, jpeg)                                                                               \
    X(PNG, 2, png)                                                                                 \
    X(WEBP, 3, webp)                                                                               \
    X(GIF, 4, gif)                                                                                 \
    X(BMP, 5, bmp)                                                                                 \
    X(TGA, 6, tga)

/** " jpeg png" and so on, for messages. */
#define MOA_IMAGE_NAMES MOA_IMAGE_FORMATS(MOA_IMAGE_NAME)
#define MOA_IMAGE_NAME(upper, number, lower) " " #lower

/** MOA_IMAGE_JPEG and so on. */
enum moa_image_format {
#define MOA_IMAGE_ENUM(upper, number, lower) MOA_IMAGE_##upper = (number),
    MOA_IMAGE_UNKNOWN = 0,
    MOA_IMAGE_FORMATS(MOA_IMAGE_ENUM)
#undef MOA_IMAGE_ENUM
};

/** What the file header says. Reading it decodes no pixel and allocates nothing. */
struct moa_image_info {
    enum moa_image_format format;
    uint32_t width_px;  /**< as stored, before any EXIF orientation; at least 1 */
    uint32_t height_px; /**< at least 1 */
};

/** Cells of the reduced luma, on a side and in all. */
#define MOA_IMAGE_REDUCED 32
#define MOA_IMAGE_REDUCED_PX (MOA_IMAGE_REDUCED * MOA_IMAGE_REDUCED)

/** What a file has that decoders treat differently. */
enum moa_image_note {
    /** A JPEG that lacks its end, and of its pixels at most some in the last row of units: its
     * picture is taken as far as it goes. */
    MOA_IMAGE_TRUNCATED = 1,
    /** Something is transparent, or not covered by an animation's first frame: it is white. */
    MOA_IMAGE_TRANSPARENT = 2,
};

/** How much of the pixels is looked at. */
enum moa_image_mode {
    MOA_IMAGE_EXACT = 0, /**< every pixel */
    /**
     * Of a JPEG of at least 0.9 megapixels and 640 rows, 16 rows of every 64; of the others only
     * the mean of each block of 8 x 8, for the reduced luma. Any other image: the same as exact.
     * docs/perceive.md gives the time saved and the errors measured.
     */
    MOA_IMAGE_FAST = 1,
};

/**
 * Statistics of the 8-bit full-range luma plane Y' of `height_px` rows and `width_px` columns.
 *
 * Luma: of a JPEG the decoded Y component (accurate integer DCT), of RGB
 * (19595 R + 38470 G + 7471 B + 32768) >> 16. What is transparent lies on white, of an animation it
 * is the first frame, and of 16-bit samples the high byte is kept. Gradients are taken over
 * interior pixels only, G = sqrt(gx^2 + gy^2) with the 3x3 Sobel operator; an image with a side
 * below 3 px has gradient and Laplacian features 0.
 */
struct moa_image_features {
    uint32_t width_px;
    uint32_t height_px;
    double gradient_mean;         /**< mean of G, gray levels, [0, 1443] */
    double gradient_p5;           /**< 5th percentile of G, linear between order statistics */
    double gradient_p95;          /**< 95th percentile of G */
    double entropy_nats;          /**< of the 256-bin luma histogram, [0, ln 256] */
    double laplacian_variance;    /**< population variance of the 4-neighbour Laplacian */
    double edge_fraction;         /**< share of interior pixels with G > 128, [0, 1] */
    double bits_per_pixel;        /**< compressed bytes x 8 / pixels */
    double bits_per_pixel_normal; /**< as in struct moa_image_header */
    uint32_t notes;               /**< of enum moa_image_note */
    enum moa_image_mode mode;     /**< MOA_IMAGE_FAST: rows were left out */
    /** Reduced luma, rows from top to bottom: what moa_image_scene() and moa_image_distance() see.
     * Cell (i, j) is the mean of Y' over the columns [j W/32], ..., [(j+1) W/32] - 1 and those rows
     * of [i H/32], ..., [(i+1) H/32] - 1 whose number is a multiple of ceil(H/96), rounded to the
     * nearest gray level; of a side below 32 px several cells show the same pixels. As stored,
     * before any EXIF orientation. In fast mode the pixels of a row that is left out are the means
     * of their blocks. */
    uint8_t reduced[MOA_IMAGE_REDUCED_PX];
};

/** What a file's header says of its complexity, at no cost. */
struct moa_image_header {
    struct moa_image_info info;
    double bits_per_pixel; /**< compressed bytes x 8 / pixels */
    /**
     * What that would be, by estimate, if the picture were a JPEG of quality 85: files of different
     * formats and qualities compare. From the quantisation of JPEG and lossy WebP, and from the
     * stored bits per pixel of lossless formats.
     */
    double bits_per_pixel_normal;
    /** JPEG: mean luma quantisation step. Lossy WebP: mean quantiser index. Lossless: 0. */
    double quantiser;
    /** About how much memory decoding takes at most: little where rows stream. */
    uint64_t decode_bytes;
};

/** What is refused before a pixel is decoded or a plane allocated. */
struct moa_image_limits {
    size_t size;           /**< of this struct; base.h */
    uint64_t max_px;       /**< width x height, at most; default 64 x 1024 x 1024 */
    uint32_t max_width_px; /**< a side, at most; default 65535 */
};

/** All zero is the default. */
struct moa_image_options {
    size_t size; /**< of this struct; base.h */
    enum moa_image_mode mode;
};

/** How features become a complexity. Weights are non-negative, not all 0, and are normalised; a
 * negative or infinite one, or NaN, counts as 0, and if all do, all are 1. */
struct moa_image_params {
    size_t size;              /**< of this struct; base.h */
    double reference_px;      /**< H0 x W0 of C_res, > 0; default 1024 x 1024 */
    double laplacian_p5;      /**< P5 of the Laplacian variance over a calibration set */
    double laplacian_p95;     /**< P95 of the same, >= laplacian_p5 */
    double weight_resolution; /**< w of C_res; each weight defaults to 1 */
    double weight_edge;       /**< w of C_edge */
    double weight_entropy;    /**< w of C_ent */
    double weight_sharpness;  /**< w of C_lap */
};

/** The four indicators and their weighted mean, each in [0, 1]. */
struct moa_image_complexity {
    double resolution; /**< C_res = min(1, HW / (H0 W0)), Eq. 1 */
    double edge;       /**< C_edge = clip((mean(G) - P5) / (P95 - P5 + 1), 0, 1), Eq. 2 */
    double entropy;    /**< C_ent = H / ln 256, Eq. 3 */
    double sharpness;  /**< C_lap = clip((V - P5) / (P95 - P5 + 1), 0, 1), Eq. 4 */
    double score;      /**< c_img = sum of w C over the four, w normalised to sum 1 */
};

MOA_API void moa_image_options_default(struct moa_image_options *ret_options);
MOA_API void moa_image_limits_default(struct moa_image_limits *ret_limits);
MOA_API void moa_image_params_default(struct moa_image_params *ret_params);

/** The word for one note, "truncated" or "transparent". Never NULL. */
MOA_API const char *moa_image_note_name(enum moa_image_note note);

/** "exact" or "fast"; "unknown" if it is neither. Never NULL. */
MOA_API const char *moa_image_mode_name(enum moa_image_mode mode);

/** "jpeg" and so on, or "unknown". Never NULL. */
MOA_API const char *moa_image_format_name(enum moa_image_format format);

/** "image/jpeg" and so on; "application/octet-stream" if it is unknown. Never NULL. */
MOA_API const char *moa_image_format_mime(enum moa_image_format format);

/** The format of that name, in lower case; MOA_IMAGE_UNKNOWN if there is none. */
MOA_API enum moa_image_format moa_image_format_named(struct moa_bytes name);

/** 1 << each format that moa_recode() can write. */
MOA_API uint32_t moa_image_formats_written(void);

/**
 * Reads format, width and height from the first bytes of `file` (a prefix is enough if it holds the
 * header). Errors: MOA_ERR_FORMAT, MOA_ERR_CORRUPT, MOA_ERR_TRUNCATED. `ret_error` may be NULL.
 */
MOA_API MOA_WARN_UNUSED enum moa_err moa_image_probe(struct moa_bytes file,
                                                     struct moa_image_info *ret_info,
                                                     struct moa_error *ret_error);

/**
 * Reads what the header of `file`, which must be whole, says; no pixel is decoded and nothing is
 * allocated. Errors: those of moa_image_probe.
 */
MOA_API MOA_WARN_UNUSED enum moa_err moa_image_header(struct moa_bytes file,
                                                      struct moa_image_header *ret_header,
                                                      struct moa_error *ret_error);

/**
 * How the pixels of `file`, of which only the header is read, lie: 1 to 8 as EXIF 2.3 numbers them
 * (tag 0x0112); 1, upright, also if the file says nothing or nonsense.
 */
MOA_API unsigned moa_image_orientation(struct moa_bytes file, enum moa_image_format format);

/**
 * Decodes `file` to luma and measures it. The header is checked against `limits` (NULL: defaults)
 * before anything is allocated. `ret_info` is filled as soon as the header was readable, also when
 * a later step fails; it and `ret_error` may be NULL. `ret_features` is untouched on failure.
 * Errors: all of moa_image_probe, MOA_ERR_UNSUPPORTED, MOA_ERR_LIMIT, MOA_ERR_MEMORY,
 * MOA_ERR_ARGUMENT.
 */
MOA_API MOA_WARN_UNUSED enum moa_err moa_image_measure(struct moa_bytes file,
                                                       const struct moa_image_limits *limits,
                                                       struct moa_image_info *ret_info,
                                                       struct moa_image_features *ret_features,
                                                       struct moa_error *ret_error);

/** moa_image_measure() with options (NULL: defaults). */
MOA_API MOA_WARN_UNUSED enum moa_err
moa_image_measure_with(struct moa_bytes file, const struct moa_image_options *options,
                       const struct moa_image_limits *limits, struct moa_image_info *ret_info,
                       struct moa_image_features *ret_features, struct moa_error *ret_error);

/**
 * Measures a luma plane of the caller's: `height_px` rows of `width_px` bytes, rows `stride_bytes`
 * apart. Both bits per pixel are 8. Errors: MOA_ERR_ARGUMENT (a side is 0, stride below the width),
 * MOA_ERR_MEMORY.
 */
MOA_API MOA_WARN_UNUSED enum moa_err moa_luma_measure(const uint8_t *luma, uint32_t width_px,
                                                      uint32_t height_px, size_t stride_bytes,
                                                      struct moa_image_features *ret_features);

/**
 * Which scene a picture shows: 16 levels, byte k % 8 of word k / 8 counted from the lowest, for the
 * fields k = 0, ..., 15 of 8 x 8 cells of the reduced luma, row by row. A level is 12.5 c / m,
 * rounded down, with c the mean of the field and m that of the picture, at least 32 gray levels:
 * steps of 8 % of m, in [0, 200]. Two pictures show one scene if all of it is equal. Sensor noise,
 * lossy coding and exposure mostly leave it equal; what moves in it does not, if it is large
 * enough: docs/perceive.md gives the rates. Pure arithmetic, cannot fail; NULL is a black picture.
 */
MOA_API void moa_image_scene(const struct moa_image_features *features, uint64_t ret_scene[2]);

/**
 * How far two pictures are from each other, in gray levels: the largest and the mean absolute
 * difference of their reduced luma, [0, 255]; 255 if one is NULL. Sizes do not count. Cannot fail.
 */
MOA_API void moa_image_distance(const struct moa_image_features *one,
                                const struct moa_image_features *other, double *ret_max,
                                double *ret_mean);

/** Features to complexity; pure arithmetic, cannot fail. `params` may be NULL for the defaults. */
MOA_API void moa_image_complexity(const struct moa_image_params *params,
                                  const struct moa_image_features *features,
                                  struct moa_image_complexity *ret_complexity);

#ifdef __cplusplus
}
#endif
#endif
