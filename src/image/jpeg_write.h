/* SPDX-License-Identifier: Apache-2.0
 *
 * The writer of JPEG, for its row in jpeg.c.
 */
#ifndef MOA_SRC_IMAGE_JPEG_WRITE_H
#define MOA_SRC_IMAGE_JPEG_WRITE_H

#include "format.h"

/** moa_format.encode; the longest side that the format has room for is longer than a limit of
 * 65500 px that libjpeg sets. */
void *moa_jpeg_write(const struct moa_pixels *pixels, const struct moa_encode_options *options,
                     size_t *ret_n);

#endif
