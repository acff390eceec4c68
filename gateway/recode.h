/* SPDX-License-Identifier: Apache-2.0
 *
 * Images as an engine wants them: small enough for its visual-token budget, upright, in a format
 * that it reads. Pure; any thread.
 */
#ifndef MOA_GATEWAY_RECODE_H
#define MOA_GATEWAY_RECODE_H

#include <stdbool.h>

#include <moaoff/image.h>

/** What a tier takes. All zero: everything as it comes. */
struct recode_target {
    uint32_t max_tokens;  /* visual tokens of an image; 0: no limit */
    uint32_t formats;     /* 1 << enum moa_image_format each; 0: any, else with JPEG or PNG */
    uint32_t min_side_px; /* shorter sides are padded; 0: none is too short */
    bool upright;         /* EXIF orientation is applied, because the engine does not */
    int jpeg_quality;     /* 1 to 100 */
};

/** The target in a number: equal for targets that make the same of an image, and never 0. */
uint64_t recode_variant(const struct recode_target *target);

/** Qwen-VL's grid: each side rounded up to a multiple of 28 px, one token per 28 x 28. */
uint64_t recode_tokens(uint32_t width_px, uint32_t height_px);

/**
 * The largest size with the shape of `width_px` x `height_px`, not larger than it, that has at most
 * `max_tokens` tokens (0: no limit). Sides are at least 1.
 */
void recode_size(uint32_t width_px, uint32_t height_px, uint32_t max_tokens, uint32_t *ret_width_px,
                 uint32_t *ret_height_px);

/** Whether the image must be changed for `target`. */
bool recode_needed(const struct moa_image_info *info, unsigned orientation,
                   const struct recode_target *target);

/**
 * `file`, whose header said `info`, as a data URI that `target` takes, to be freed with free(): of
 * the size that recode_size() says, or up to 1/8 smaller where that is a JPEG's half or quarter. It
 * is a PNG if the file was PNG or GIF and the result has at most 256 colours, or if the target
 * takes no JPEG; else a JPEG. What was transparent is white.
 */
MOA_WARN_UNUSED enum moa_err recode_image(struct moa_bytes file, const struct moa_image_info *info,
                                          unsigned orientation, const struct recode_target *target,
                                          char **ret_uri, size_t *ret_n,
                                          struct moa_error *ret_error);

#endif
