/* SPDX-License-Identifier: Apache-2.0
 *
 * UTF-8 to code points and back; see points.h.
 */
#include "points.h"

#include <stdlib.h>
#include <string.h>

static size_t sequence_length(unsigned char lead)
{
    if (lead < 0x80)
        return 1;
    if (lead >= 0xc2 && lead < 0xe0)
        return 2;
    if (lead >= 0xe0 && lead < 0xf0)
        return 3;
    return lead >= 0xf0 && lead < 0xf5 ? 4 : 0;
}

static uint32_t decode_one(const unsigned char *text, size_t *ret_length)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    static const unsigned char lead_bits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    size_t n = sequence_length(text[0]);
    uint32_t point = n > 0 ? text[0] & lead_bits[n] : 0;
    size_t i = 1;
    for (; i < n && (text[i] & 0xc0) == 0x80; i++)
        point = point << 6 | (text[i] & 0x3f);
    bool whole = n > 0 && i == n && point >= least[n] && point <= 0x10ffff &&
                 (point < 0xd800 || point > 0xdfff);
    *ret_length = whole ? n : 1;
    return whole ? point : POINTS_BYTE_ESCAPE + text[0];
}

bool points_decode(const char *text, struct points *ret_points)
{
    struct points out = {malloc((strlen(text) + 1) * sizeof(*out.p)), 0};
    if (!out.p)
        return false;
    const unsigned char *at = (const unsigned char *)text;
    while (*at) {
        size_t length;
        out.p[out.n++] = decode_one(at, &length);
        at += length;
    }
    *ret_points = out;
    return true;
}

size_t points_encode_one(uint32_t point, char *out)
{
    static const unsigned char leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    if (point >= POINTS_BYTE_ESCAPE && point < POINTS_BYTE_ESCAPE + 0x100) {
        out[0] = (char)(point & 0xff);
        return 1;
    }
    size_t n = 1;
    if (point >= 0x80)
        n = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (point & 0x3f));
        point >>= 6;
    }
    out[0] = (char)(leads[n] | point);
    return n;
}

char *points_encode(const struct points *points)
{
    char *text = malloc(4 * points->n + 1);
    size_t n = 0;
    for (size_t i = 0; text && i < points->n; i++)
        n += points_encode_one(points->p[i], text + n);
    if (text)
        text[n] = '\0';
    return text;
}

bool points_is_space(uint32_t c)
{
    return (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 ||
           c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
           c == 0x202f || c == 0x205f || c == 0x3000;
}
