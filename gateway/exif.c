/* SPDX-License-Identifier: Apache-2.0
 *
 * The one tag of EXIF that matters here; see exif.h. A file that lies about its lengths ends the
 * search: every read is checked against what is there.
 */
#include "exif.h"

#include <stdbool.h>
#include <string.h>

#define ORIENTATION_TAG 0x0112
#define TYPE_SHORT 3
#define ENTRIES_MAX 1000 /* of the first directory; cameras write about 15 */

static const struct moa_bytes none = {NULL, 0};

static uint32_t big(const uint8_t *p, size_t n)
{
    uint32_t value = 0;
    for (size_t i = 0; i < n; i++)
        value = value << 8 | p[i];
    return value;
}

static uint32_t little(const uint8_t *p, size_t n)
{
    uint32_t value = 0;
    for (size_t i = n; i > 0; i--)
        value = value << 8 | p[i - 1];
    return value;
}

static struct moa_bytes part_of(struct moa_bytes bytes, size_t at, size_t n)
{
    if (at > bytes.n || n > bytes.n - at)
        return none;
    return (struct moa_bytes){(const uint8_t *)bytes.p + at, n};
}

/* ---- where the EXIF block is ---- */

/* It stands before the frame header, in a segment APP1. */
static struct moa_bytes exif_of_jpeg(struct moa_bytes file)
{
    static const uint8_t name[6] = "Exif\0";
    const uint8_t *p = file.p;
    size_t at = 2;
    while (at + 4 <= file.n && p[at] == 0xff) {
        const uint8_t marker = p[at + 1];
        if (marker == 0xff) {
            at++;
            continue;
        }
        const size_t n = big(p + at + 2, 2);
        if (marker == 0xda || marker == 0xd9 || n < 2)
            break;
        struct moa_bytes segment = part_of(file, at + 4, n - 2);
        if (marker == 0xe1 && segment.n >= sizeof(name) &&
            memcmp(segment.p, name, sizeof(name)) == 0)
            return part_of(segment, sizeof(name), segment.n - sizeof(name));
        at += 2 + n;
    }
    return none;
}

static struct moa_bytes exif_of_png(struct moa_bytes file)
{
    const uint8_t *p = file.p;
    for (size_t at = 8; at + 12 <= file.n;) {
        const size_t n = big(p + at, 4);
        if (memcmp(p + at + 4, "eXIf", 4) == 0)
            return part_of(file, at + 8, n);
        at += 12 + n;
    }
    return none;
}

static struct moa_bytes exif_of_webp(struct moa_bytes file)
{
    const uint8_t *p = file.p;
    for (size_t at = 12; at + 8 <= file.n;) {
        const size_t n = little(p + at + 4, 4);
        if (memcmp(p + at, "EXIF", 4) == 0) {
            /* Some writers put JPEG's prefix before it. */
            struct moa_bytes exif = part_of(file, at + 8, n);
            bool prefixed = exif.n >= 6 && memcmp(exif.p, "Exif\0", 6) == 0;
            return prefixed ? part_of(exif, 6, exif.n - 6) : exif;
        }
        at += 8 + n + (n & 1);
    }
    return none;
}

/* ---- what it says: a TIFF header, then directories of entries of 12 bytes ---- */

static unsigned orientation_of(struct moa_bytes exif)
{
    const uint8_t *p = exif.p;
    if (exif.n < 8 || (memcmp(p, "II*\0", 4) != 0 && memcmp(p, "MM\0*", 4) != 0))
        return 1;
    uint32_t (*number)(const uint8_t *, size_t) = p[0] == 'I' ? little : big;
    const size_t at = number(p + 4, 4);
    if (at > exif.n - 2)
        return 1;
    size_t n = number(p + at, 2);
    if (n > ENTRIES_MAX || part_of(exif, at + 2, 12 * n).n == 0)
        return 1;
    for (const uint8_t *entry = p + at + 2; n > 0; n--, entry += 12) {
        if (number(entry, 2) != ORIENTATION_TAG || number(entry + 2, 2) != TYPE_SHORT)
            continue;
        const uint32_t value = number(entry + 8, 2);
        return value >= 1 && value <= 8 ? value : 1;
    }
    return 1;
}

unsigned exif_orientation(struct moa_bytes file, enum moa_image_format format)
{
    switch (format) {
    case MOA_IMAGE_JPEG:
        return orientation_of(exif_of_jpeg(file));
    case MOA_IMAGE_PNG:
        return orientation_of(exif_of_png(file));
    case MOA_IMAGE_WEBP:
        return orientation_of(exif_of_webp(file));
    case MOA_IMAGE_GIF:
    case MOA_IMAGE_UNKNOWN:
        break;
    }
    return 1;
}
