/* SPDX-License-Identifier: Apache-2.0
 *
 * Text as code points, for rules that are about characters and not about bytes. Pure.
 */
#ifndef MOA_STUDY_POINTS_H
#define MOA_STUDY_POINTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POINTS_BYTE_ESCAPE 0xdc00u /* a byte that is no UTF-8, kept as a lone surrogate */

struct points {
    uint32_t *p;
    size_t n;
};

/** The code points of `text`, to be freed with free(ret->p); false if out of memory. */
bool points_decode(const char *text, struct points *ret_points);

/** UTF-8 again, to be freed; bytes that were none come back as they were. NULL: no memory. */
char *points_encode(const struct points *points);

/** Writes one code point of at most 4 bytes; returns how many. */
size_t points_encode_one(uint32_t point, char *out);

/** White space as Unicode has it. */
bool points_is_space(uint32_t c);

#endif
