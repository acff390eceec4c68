/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of image decoding: image.c probes a file, checks the limits, makes the scan and hands both
 * to the decoder of the format, which pushes luma rows into the scan and nothing else.
 */
#ifndef MOA_SRC_IMAGE_DECODE_H
#define MOA_SRC_IMAGE_DECODE_H

#include <moaoff/image.h>

#include "luma_scan.h"

/** What a decoder works on. */
struct moa_decode_job {
    struct moa_bytes file;
    struct moa_image_info info; /**< what the header said */
    enum moa_image_mode mode;
    struct moa_luma_scan *scan;
};

/** Decodes the file into the scan. `error` is never NULL. */
typedef enum moa_err moa_decode_fn(const struct moa_decode_job *job, struct moa_error *error);

moa_decode_fn moa_decode_jpeg;
moa_decode_fn moa_decode_png;
moa_decode_fn moa_decode_webp;
moa_decode_fn moa_decode_gif;

/** Reads the header only. `error` is never NULL. */
enum moa_err moa_probe(struct moa_bytes file, struct moa_image_info *ret_info,
                       struct moa_error *error);

/** The rest of the header of a file that was probed. */
void moa_fill_header(struct moa_bytes file, const struct moa_image_info *info,
                     struct moa_image_header *ret_header);

/** Fills `error` and returns its code, so that a failure is one statement. */
static inline enum moa_err moa_fail(struct moa_error *error, enum moa_err code, size_t offset,
                                    const char *message)
{
    *error = (struct moa_error){code, offset, message};
    return code;
}

#endif
