/* SPDX-License-Identifier: Apache-2.0
 *
 * The one tag of EXIF that matters here. A file that lies about its lengths ends the search: every
 * read is checked against what is there.
 */
#include "format.h"

#include <string.h>

#define ORIENTATION_TAG 0x0112
#define TYPE_SHORT 3
#define ENTRIES_MAX 1000 /* of the first directory; cameras write about 15 */

/* A TIFF header, then directories of entries of 12 bytes. */
unsigned moa_exif_orientation(struct moa_bytes exif)
{
    const uint8_t *p = exif.p;
    if (exif.n < 8 || (memcmp(p, "II*\0", 4) != 0 && memcmp(p, "MM\0*", 4) != 0))
        return 1;
    uint32_t (*number)(const uint8_t *) = p[0] == 'I' ? moa_le16 : moa_be16;
    const size_t at = p[0] == 'I' ? moa_le32(p + 4) : moa_be32(p + 4);
    if (at > exif.n - 2)
        return 1;
    size_t n = number(p + at);
    if (n > ENTRIES_MAX || moa_part_of(exif, at + 2, 12 * n).n == 0)
        return 1;
    for (const uint8_t *entry = p + at + 2; n > 0; n--, entry += 12) {
        if (number(entry) != ORIENTATION_TAG || number(entry + 2) != TYPE_SHORT)
            continue;
        const uint32_t value = number(entry + 8);
        return value >= 1 && value <= 8 ? value : 1;
    }
    return 1;
}
