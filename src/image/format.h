/* SPDX-License-Identifier: Apache-2.0
 *
 * What a picture format is: a row of functions. Each format has one file and one row in image.c;
 * nothing else in the project knows one from another. image.c looks for the row, reads the header
 * and checks the limits; recode.c decides what becomes of the pixels; the rows do the rest.
 */
#ifndef MOA_SRC_IMAGE_FORMAT_H
#define MOA_SRC_IMAGE_FORMAT_H

#include <stdbool.h>

#include <moaoff/image.h>

#include "luma_scan.h"
#include "pixels.h"

/** A file whose header was read and found within the limits. */
struct moa_picture {
    struct moa_bytes file;
    struct moa_image_info info; /**< what the header said */
};

/**
 * Who takes the rows of a picture as a viewer shows it: from top to bottom, of an animation the
 * first frame, with all that is transparent on white. All of info.height_px rows are pushed.
 */
struct moa_rows {
    /** Before the first row: bytes a pixel, 1 (gray) or 3 (RGB). False if out of memory. */
    bool (*begin)(struct moa_rows *rows, unsigned n_channels);
    void (*push)(struct moa_rows *rows, const uint8_t *row);
    uint32_t notes; /**< of enum moa_image_note, for the decoder to add to */
};

/** What is wanted of pixels. */
struct moa_wanted {
    uint32_t width_px, height_px; /**< at most the picture's own */
    bool takes_ycc;               /**< else gray or RGB */
    bool moves;                   /**< will be turned or padded: MOA_COLOR_YCC needs even sides */
};

/** Who looks at a picture: for its luma, and perhaps by the same decoding for pixels. */
struct moa_look {
    enum moa_image_mode mode;
    struct moa_luma_scan *scan;
    const struct moa_wanted *wanted; /**< NULL: no pixels */
    uint32_t notes;                  /**< of enum moa_image_note, for the decoder to add to */
    struct moa_pixels pixels;        /**< of `wanted`; without planes where they did not come */
};

/** How pixels are written. */
struct moa_encode_options {
    int quality;      /**< of a lossy format, 1 to 100 */
    bool full_chroma; /**< of a lossy format, for MOA_COLOR_RGB */
    bool few_colors;  /**< write it only if it has few enough colours for a palette */
};

/**
 * A format has `rows`, or else `luma` and `pixels`; or all three, where `rows` is the general way
 * that the others use. `error` is never NULL.
 */
struct moa_format {
    const char *name; /**< as users write it: "jpeg" */
    const char *mime; /**< "image/jpeg" */
    bool is_drawn;    /**< made for drawings: with few colours it stays one */

    /** Whether the `n` bytes at `p` begin such a file. */
    bool (*sniff)(const uint8_t *p, size_t n);

    /** Width and height. */
    enum moa_err (*probe)(const uint8_t *p, size_t n, struct moa_image_info *ret_info,
                          struct moa_error *error);

    /** Fills `quantiser` and `bits_per_pixel_normal`; the rest is there. */
    void (*header)(struct moa_bytes file, struct moa_image_header *header);

    /** The EXIF block; p == NULL if there is none. NULL: the format has none. */
    struct moa_bytes (*exif)(struct moa_bytes file);

    /** Pushes all rows. */
    enum moa_err (*rows)(const struct moa_picture *picture, struct moa_rows *rows,
                         struct moa_error *error);

    /** Pushes the rows of luma into the scan, adds to the notes, and gives the pixels that pixels()
     * would, where it can. NULL: from `rows`. */
    enum moa_err (*luma)(const struct moa_picture *picture, struct moa_look *look,
                         struct moa_error *error);

    /** The pixels in the size that is wanted; a JPEG's half, quarter or eighth if that is 7/8 of it
     * or more. NULL: from `rows`. */
    enum moa_err (*pixels)(const struct moa_picture *picture, const struct moa_wanted *wanted,
                           struct moa_pixels *ret_pixels, struct moa_error *error);

    /** The file, to be freed with free(); NULL if out of memory, or if there are too many colours
     * and few were asked for. May fill up rows to their stride. NULL: the format is not written. */
    void *(*encode)(const struct moa_pixels *pixels, const struct moa_encode_options *options,
                    size_t *ret_n);
};

#define DECLARE_FORMAT(upper, number, lower) extern const struct moa_format moa_format_##lower;
MOA_IMAGE_FORMATS(DECLARE_FORMAT)
#undef DECLARE_FORMAT

/** What a file is that has no row, in a message with its name; NULL if that is not known either. */
const char *moa_foreign_format(const uint8_t *p, size_t n);

/** The row of a format. Not for MOA_IMAGE_UNKNOWN. */
const struct moa_format *moa_format_of(enum moa_image_format format);

/** Luma and pixels of a picture whose format is known, in whichever way it gives them. */
enum moa_err moa_picture_luma(const struct moa_picture *picture, struct moa_look *look,
                              struct moa_error *error);
enum moa_err moa_picture_pixels(const struct moa_picture *picture, const struct moa_wanted *wanted,
                                struct moa_pixels *ret_pixels, struct moa_error *error);

/** For a format that gives only some of its pixels in a way of its own: `with_pixels`, those that
 * are wanted would be from rows. */
enum moa_err moa_luma_from_rows(const struct moa_picture *picture, struct moa_look *look,
                                bool with_pixels, struct moa_error *error);
enum moa_err moa_pixels_from_rows(const struct moa_picture *picture,
                                  const struct moa_wanted *wanted, struct moa_pixels *ret_pixels,
                                  struct moa_error *error);

/**
 * Lays `n` pixels on white: of `n_channels` 2 or 4 the last is alpha and goes; 1 and 3 are copied.
 * `ret` may be `in`. Returns whether anything was transparent.
 */
bool moa_lay_on_white(const uint8_t *in, size_t n, unsigned n_channels, uint8_t *ret);

/** moa_image_measure_with(), and by the way of pixels (`look->wanted`, moa_pixels_done()); the rest
 * of `look` is filled here. */
enum moa_err moa_image_look(struct moa_bytes file, const struct moa_image_options *options,
                            const struct moa_image_limits *limits, struct moa_look *look,
                            struct moa_image_info *ret_info,
                            struct moa_image_features *ret_features, struct moa_error *ret_error);

/** What EXIF 2.3 calls orientation in its block `exif`: 1 to 8, and 1 for whatever is not valid. */
unsigned moa_exif_orientation(struct moa_bytes exif);

/** bits_per_pixel_normal of a lossless file, whose pixels have `stored_bits` each. */
void moa_header_lossless(struct moa_image_header *header, double stored_bits);

/** Fills `error` and returns its code, so that a failure is one statement. */
static inline enum moa_err moa_fail(struct moa_error *error, enum moa_err code, size_t offset,
                                    const char *message)
{
    *error = (struct moa_error){code, offset, message};
    return code;
}

static inline enum moa_err moa_fail_memory(struct moa_error *error)
{
    return moa_fail(error, MOA_ERR_MEMORY, 0, "out of memory for the pixels");
}

/* ---- numbers ---- */

static inline uint32_t moa_le16(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static inline uint32_t moa_le24(const uint8_t *p)
{
    return moa_le16(p) | (uint32_t)p[2] << 16;
}

static inline uint32_t moa_le32(const uint8_t *p)
{
    return moa_le24(p) | (uint32_t)p[3] << 24;
}

static inline uint32_t moa_be16(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | (uint32_t)p[1];
}

static inline uint32_t moa_be32(const uint8_t *p)
{
    return moa_be16(p) << 16 | moa_be16(p + 2);
}

/** `n` bytes from `at` on; p == NULL where they are not all there. */
static inline struct moa_bytes moa_part_of(struct moa_bytes bytes, size_t at, size_t n)
{
    if (at > bytes.n || n > bytes.n - at)
        return (struct moa_bytes){NULL, 0};
    return (struct moa_bytes){(const uint8_t *)bytes.p + at, n};
}

#endif
