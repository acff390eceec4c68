/* SPDX-License-Identifier: Apache-2.0
 *
 * The EXIF orientation of an image file. Pure; any thread.
 */
#ifndef MOA_GATEWAY_EXIF_H
#define MOA_GATEWAY_EXIF_H

#include <moaoff/image.h>

/**
 * 1 to 8 as EXIF 2.3 numbers them (tag 0x0112); 1, upright, also if the file says nothing or
 * nonsense. Reads JPEG (APP1), PNG (eXIf) and WebP (EXIF).
 */
unsigned exif_orientation(struct moa_bytes file, enum moa_image_format format);

#endif
