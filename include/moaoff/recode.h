/* SPDX-License-Identifier: Apache-2.0
 *
 * Images as an engine wants them: small enough for its visual-token budget, upright, in a format
 * that it reads.
 */
#ifndef MOAOFF_RECODE_H
#define MOAOFF_RECODE_H

#include <stdbool.h>

#include <moaoff/image.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What a tier takes. All zero: everything as it comes. */
struct moa_recode_target {
    size_t size;          /**< of this struct; base.h */
    uint32_t max_tokens;  /**< visual tokens of an image; 0: no limit */
    uint32_t formats;     /**< 1 << enum moa_image_format each; 0: any, else with JPEG or PNG */
    uint32_t min_side_px; /**< shorter sides are padded; 0: none is too short */
    bool upright;         /**< EXIF orientation is applied, because the engine does not */
    bool flatten;         /**< images with a note (enum moa_image_note) are made plain, because the
                               engine would see another picture, or refuse it */
    int jpeg_quality;     /**< 1 to 100; 0: 85 */
};

/** A file in memory, to be freed with free(). */
struct moa_recoded {
    void *p;
    size_t n;
    enum moa_image_format format;
};

MOA_API void moa_recode_target_default(struct moa_recode_target *ret_target);

/** Qwen-VL's grid: each side rounded up to a multiple of 28 px, one token per 28 x 28. */
MOA_API uint64_t moa_image_tokens(uint32_t width_px, uint32_t height_px);

/**
 * The size as it is if that has at most 5/4 of `max_tokens` tokens, or if that is 0; else the
 * largest with the same shape that has at most `max_tokens`. Sides are at least 1.
 */
MOA_API void moa_recode_size(uint32_t width_px, uint32_t height_px, uint32_t max_tokens,
                             uint32_t *ret_width_px, uint32_t *ret_height_px);

/** Whether an image must be changed for `target`; `notes` are those of its features. */
MOA_API bool moa_recode_needed(const struct moa_image_info *info, unsigned orientation,
                               uint32_t notes, const struct moa_recode_target *target);

/**
 * `file`, whose header said `info`, as a file that `target` takes: of the size that
 * moa_recode_size() says, or up to 1/8 smaller where that is a JPEG's half or quarter. It is a PNG
 * if the file was of a format for drawings (PNG, GIF, BMP, TGA) and the result has at most 256
 * colours, or if the target takes no JPEG; else a JPEG. What was transparent is white; of an
 * animation it is the first frame. Errors: those of moa_image_measure(), whose limits `info` must
 * have passed; MOA_ERR_LIMIT also for a side above 65535 px; MOA_ERR_ARGUMENT also if `info` is of
 * another format. `ret_error` may be NULL.
 */
MOA_API MOA_WARN_UNUSED enum moa_err
moa_recode(struct moa_bytes file, const struct moa_image_info *info, unsigned orientation,
           const struct moa_recode_target *target, struct moa_recoded *ret_recoded,
           struct moa_error *ret_error);

/** Pixels of a picture, decoded while it was measured, for moa_recode_kept(). */
struct moa_kept;

/**
 * moa_image_measure_with(), and of the same decoding the pixels that moa_recode() would decode for
 * `target` once more, if they take at most `max_bytes`. `*ret_kept` is to be freed with
 * moa_kept_free(); NULL if there are none: nothing is to be changed for the target (as far as the
 * header tells), the format gives luma and pixels in different ways, or there is no memory for
 * them. Errors: those of moa_image_measure_with().
 */
MOA_API MOA_WARN_UNUSED enum moa_err
moa_recode_measure(struct moa_bytes file, const struct moa_image_options *options,
                   const struct moa_image_limits *limits, const struct moa_recode_target *target,
                   uint64_t max_bytes, struct moa_image_info *ret_info,
                   struct moa_image_features *ret_features, struct moa_kept **ret_kept,
                   struct moa_error *ret_error);

/** Whether moa_recode() for `target` would decode just those pixels. False for NULL. */
MOA_API bool moa_kept_suits(const struct moa_kept *kept, const struct moa_recode_target *target);

/** Memory that they take; 0 for NULL. */
MOA_API uint64_t moa_kept_bytes(const struct moa_kept *kept);

/** NULL is allowed. */
MOA_API void moa_kept_free(struct moa_kept *kept);

/**
 * What moa_recode() would make of the picture, byte for byte. Takes ownership of `kept`, and frees
 * it in any case. Errors: MOA_ERR_ARGUMENT (it does not suit), MOA_ERR_MEMORY.
 */
MOA_API MOA_WARN_UNUSED enum moa_err moa_recode_kept(struct moa_kept *kept,
                                                     const struct moa_recode_target *target,
                                                     struct moa_recoded *ret_recoded,
                                                     struct moa_error *ret_error);

#ifdef __cplusplus
}
#endif
#endif
