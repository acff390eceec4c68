/* SPDX-License-Identifier: Apache-2.0
 *
 * What stands before a JPEG's first scan; see jpeg_head.h. No library is asked.
 */
#include "jpeg_head.h"

#include <math.h>
#include <string.h>

/* The mean luma step of libjpeg's tables at quality 85, and the exponent that fitted the sizes of
 * photographs best; docs/perceive.md says how. */
static const double reference_step = 17.33;
static const double size_exponent = 0.57;

/* Of a column while decoding goes from strip to strip, generously. */
static const uint64_t strip_bytes = 512;

bool moa_jpeg_sniff(const uint8_t *p, size_t n)
{
    return n >= 3 && p[0] == 0xff && p[1] == 0xd8 && p[2] == 0xff;
}

/* A frame header, SOF0 to SOF15; DHT, JPG and DAC lie between them. */
static bool is_frame_marker(uint8_t marker)
{
    return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
}

/* Markers without a length: TEM and RST0 to RST7. */
static bool is_bare_marker(uint8_t marker)
{
    return marker == 0x01 || (marker >= 0xd0 && marker <= 0xd7);
}

enum moa_err moa_jpeg_probe(const uint8_t *p, size_t n, struct moa_image_info *ret_info,
                            struct moa_error *error)
{
    size_t at = 2;
    for (;;) {
        if (at + 4 > n)
            return moa_fail(error, MOA_ERR_TRUNCATED, n, "JPEG ends before its frame header");
        const uint8_t marker = p[at + 1];
        if (p[at] != 0xff || marker == 0xff) {
            at++; /* stray bytes, which decoders pass over, or fill bytes before a marker */
            continue;
        }
        if (is_bare_marker(marker)) {
            at += 2;
            continue;
        }
        if (marker == 0xd9 || marker == 0xda)
            return moa_fail(error, MOA_ERR_CORRUPT, at, "JPEG without a frame header");
        const size_t length = moa_be16(p + at + 2);
        if (length < 2)
            return moa_fail(error, MOA_ERR_CORRUPT, at, "JPEG segment length below 2");
        if (is_frame_marker(marker)) {
            if (length < 8)
                return moa_fail(error, MOA_ERR_CORRUPT, at, "JPEG frame header too short");
            if (at + 9 > n)
                return moa_fail(error, MOA_ERR_TRUNCATED, n, "JPEG ends in its frame header");
            ret_info->height_px = moa_be16(p + at + 5);
            ret_info->width_px = moa_be16(p + at + 7);
            return MOA_OK;
        }
        at += 2 + length;
    }
}

struct jpeg_tables {
    double mean_step[4]; /* 0: not defined */
    unsigned luma_table; /* of the first component */
    unsigned n_components;
    bool has_frame;
    bool streams; /* one scan has it all: decoders need not hold its coefficients */
};

/* DQT: any number of tables, each a byte of precision and number and 64 steps. */
static void read_tables(const uint8_t *p, size_t n, struct jpeg_tables *tables)
{
    while (n > 0) {
        const size_t step_bytes = (p[0] >> 4) ? 2 : 1;
        const size_t size = 1 + 64 * step_bytes;
        if (n < size)
            return;
        uint32_t sum = 0;
        for (size_t i = 1; i < size; i += step_bytes)
            sum += step_bytes == 2 ? moa_be16(p + i) : p[i];
        tables->mean_step[p[0] & 3] = sum / 64.0;
        p += size;
        n -= size;
    }
}

/* The segments up to the first scan. The frame header was found by the probe before: what is read
 * here is only ever too short for more tables. */
static struct jpeg_tables read_jpeg(const uint8_t *p, size_t n)
{
    struct jpeg_tables tables = {0};
    size_t at = 2;
    while (at + 4 <= n && p[at] == 0xff && p[at + 1] != 0xda) {
        const uint8_t marker = p[at + 1];
        if (marker == 0xff || marker == 0x01 || (marker >= 0xd0 && marker <= 0xd9)) {
            at += marker == 0xff ? 1 : 2;
            continue;
        }
        const size_t length = moa_be16(p + at + 2);
        if (length < 2 || length > n - at - 2)
            break;
        const uint8_t *body = p + at + 4;
        if (marker == 0xdb)
            read_tables(body, length - 2, &tables);
        if (is_frame_marker(marker) && !tables.has_frame && length - 2 >= 9) {
            tables.luma_table = body[8] & 3;
            tables.n_components = body[5];
            tables.has_frame = true;
            tables.streams = (marker & 3) != 2; /* not progressive */
        }
        at += 2 + length;
    }
    const bool at_scan = at + 4 < n && p[at] == 0xff && p[at + 1] == 0xda;
    tables.streams &= at_scan && p[at + 4] == tables.n_components;
    return tables;
}

void moa_jpeg_header(struct moa_bytes file, struct moa_image_header *header)
{
    const struct jpeg_tables tables = read_jpeg(file.p, file.n);
    header->quantiser = tables.mean_step[tables.luma_table];
    header->bits_per_pixel_normal = header->bits_per_pixel;
    if (tables.streams)
        header->decode_bytes = (uint64_t)header->info.width_px * strip_bytes;
    else
        header->decode_bytes = (uint64_t)header->info.width_px * header->info.height_px * 2 *
                               (tables.n_components > 0 ? tables.n_components : 4);
    if (header->quantiser > 0.0)
        header->bits_per_pixel_normal *= pow(header->quantiser / reference_step, size_exponent);
}

/* It stands before the frame header, in a segment APP1. */
struct moa_bytes moa_jpeg_exif(struct moa_bytes file)
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
        const size_t n = moa_be16(p + at + 2);
        if (marker == 0xda || marker == 0xd9 || n < 2)
            break;
        struct moa_bytes segment = moa_part_of(file, at + 4, n - 2);
        if (marker == 0xe1 && segment.n >= sizeof(name) &&
            memcmp(segment.p, name, sizeof(name)) == 0)
            return moa_part_of(segment, sizeof(name), segment.n - sizeof(name));
        at += 2 + n;
    }
    return (struct moa_bytes){NULL, 0};
}
