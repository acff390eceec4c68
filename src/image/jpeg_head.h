/* SPDX-License-Identifier: Apache-2.0
 *
 * The header of a JPEG: size, quantisation and EXIF, for its row in jpeg.c.
 */
#ifndef MOA_SRC_IMAGE_JPEG_HEAD_H
#define MOA_SRC_IMAGE_JPEG_HEAD_H

#include "format.h"

/* Functions of struct moa_format. */
bool moa_jpeg_sniff(const uint8_t *p, size_t n);
enum moa_err moa_jpeg_probe(const uint8_t *p, size_t n, struct moa_image_info *ret_info,
                            struct moa_error *error);
void moa_jpeg_header(struct moa_bytes file, struct moa_image_header *header);
struct moa_bytes moa_jpeg_exif(struct moa_bytes file);

#endif
