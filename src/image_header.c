/* SPDX-License-Identifier: Apache-2.0
 *
 * What a file's header gives for free: bits per pixel, and how coarsely the encoder quantised, so
 * that files of one picture at different qualities compare. Reads a few hundred bytes, decodes no
 * pixel and allocates nothing. Formats: ITU T.81 annex B (JPEG), RFC 6386 chapter 9 (VP8).
 */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "image_decode.h"

/* The mean luma step of libjpeg's tables at quality 85, and the exponents and factors that fitted
 * the sizes of photographs best; docs/perceive.md says how. */
static const double jpeg_reference_step = 17.33;
static const double jpeg_exponent = 0.57;
static const double webp_rate = 0.0345; /* of the logarithm, per quantiser index */
static const double webp_reference_index = 5.8;
static const double lossless_factor = 0.143;
static const double lossless_exponent = 0.885;
static const double webp_lossless_factor = 0.268;
static const double webp_lossless_exponent = 0.694;

/* ---- JPEG ---- */

struct jpeg_tables {
    double mean_step[4]; /* 0: not defined */
    unsigned luma_table; /* of the first component */
    bool has_frame;
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
            sum += step_bytes == 2 ? (uint32_t)p[i] << 8 | p[i + 1] : p[i];
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
        const size_t length = (size_t)p[at + 2] << 8 | p[at + 3];
        if (length < 2 || length > n - at - 2)
            break;
        const uint8_t *body = p + at + 4;
        if (marker == 0xdb)
            read_tables(body, length - 2, &tables);
        const bool is_frame =
            marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
        if (is_frame && !tables.has_frame && length - 2 >= 9) {
            tables.luma_table = body[8] & 3;
            tables.has_frame = true;
        }
        at += 2 + length;
    }
    return tables;
}

static void fill_jpeg(struct moa_bytes file, struct moa_image_header *header)
{
    const struct jpeg_tables tables = read_jpeg(file.p, file.n);
    header->quantiser = tables.mean_step[tables.luma_table];
    header->bits_per_pixel_normal = header->bits_per_pixel;
    if (header->quantiser > 0.0)
        header->bits_per_pixel_normal *=
            pow(header->quantiser / jpeg_reference_step, jpeg_exponent);
}

/* ---- VP8 ---- */

/* The boolean decoder of RFC 6386, section 7, for literals: every bit at even odds. Beyond the end
 * it reads zeros. */
struct bits {
    const uint8_t *p;
    size_t n;
    uint32_t value; /* 2 bytes */
    uint32_t range;
    unsigned n_shifted;
};

static uint32_t next_byte(struct bits *b)
{
    if (b->n == 0)
        return 0;
    b->n--;
    return *b->p++;
}

static struct bits bits_start(const uint8_t *p, size_t n)
{
    struct bits b = {.p = p, .n = n, .range = 255};
    b.value = next_byte(&b) << 8;
    b.value |= next_byte(&b);
    return b;
}

static uint32_t read_bit(struct bits *b)
{
    const uint32_t split = 1 + (((b->range - 1) * 128) >> 8);
    const uint32_t bit = b->value >= split << 8;
    if (bit) {
        b->range -= split;
        b->value -= split << 8;
    } else {
        b->range = split;
    }
    while (b->range < 128) {
        b->value <<= 1;
        b->range <<= 1;
        if (++b->n_shifted == 8) {
            b->n_shifted = 0;
            b->value |= next_byte(b);
        }
    }
    return bit;
}

static int read_literal(struct bits *b, int n_bits)
{
    uint32_t value = 0;
    while (n_bits-- > 0)
        value = value << 1 | read_bit(b);
    return (int)value;
}

/* A flag and, if it is set, a number; with a sign if `is_signed`. */
static int read_optional(struct bits *b, int n_bits, bool is_signed)
{
    if (!read_bit(b))
        return 0;
    const int value = read_literal(b, n_bits);
    return is_signed && read_bit(b) ? -value : value;
}

/* Mean quantiser index over the segments, section 9.3 and 9.6; `p` is behind the 10 bytes of tag,
 * start code and size. */
static double read_vp8(const uint8_t *p, size_t n)
{
    struct bits b = bits_start(p, n);
    read_literal(&b, 2); /* colour space, clamping */
    bool has_segments = read_bit(&b);
    bool is_absolute = false;
    int segment_sum = 0;
    if (has_segments) {
        const bool updates_map = read_bit(&b);
        has_segments = read_bit(&b);
        if (has_segments) {
            is_absolute = read_bit(&b);
            for (int i = 0; i < 4; i++)
                segment_sum += read_optional(&b, 7, true);
            for (int i = 0; i < 4; i++)
                read_optional(&b, 6, true);
        }
        for (int i = 0; updates_map && i < 3; i++)
            read_optional(&b, 8, false);
    }
    read_literal(&b, 1 + 6 + 3); /* loop filter: type, level, sharpness */
    if (read_bit(&b) && read_bit(&b)) {
        for (int i = 0; i < 8; i++)
            read_optional(&b, 6, true);
    }
    read_literal(&b, 2); /* partitions */
    const int base = read_literal(&b, 7);
    const double mean = has_segments ? segment_sum / 4.0 : 0.0;
    /* The decoder clips each segment; what this file says may be outside. */
    return fmin(127.0, fmax(0.0, is_absolute ? mean : base + mean));
}

/* ---- all formats ---- */

static void fill_lossless(struct moa_image_header *header, double stored_bits, double factor,
                          double exponent)
{
    /* As if the picture were stored at 24 bits. */
    const double bits = header->bits_per_pixel * 24.0 / stored_bits;
    header->bits_per_pixel_normal = factor * pow(bits, exponent);
}

static void fill_png(struct moa_bytes file, struct moa_image_header *header)
{
    static const uint8_t channels[8] = {1, 1, 3, 1, 2, 1, 4, 1};
    const uint8_t *p = file.p;
    const double bits = file.n > 25 && p[24] > 0 ? p[24] * channels[p[25] & 7] : 24.0;
    fill_lossless(header, bits, lossless_factor, lossless_exponent);
}

/* The first VP8 or VP8L chunk; an extended file has others before it. */
static void fill_webp(struct moa_bytes file, struct moa_image_header *header)
{
    const uint8_t *p = file.p;
    size_t at = 12;
    while (at + 8 <= file.n && memcmp(p + at, "VP8 ", 4) != 0 && memcmp(p + at, "VP8L", 4) != 0) {
        const size_t size = (size_t)p[at + 4] | (size_t)p[at + 5] << 8 | (size_t)p[at + 6] << 16 |
                            (size_t)p[at + 7] << 24;
        if (memcmp(p + at, "ANMF", 4) == 0) {
            at += 8 + 16;
            continue;
        }
        if (size > file.n - at - 8)
            break;
        at += 8 + size + (size & 1);
    }
    if (at + 8 + 10 <= file.n && memcmp(p + at, "VP8 ", 4) == 0) {
        header->quantiser = read_vp8(p + at + 18, file.n - at - 18);
        header->bits_per_pixel_normal =
            header->bits_per_pixel * exp(webp_rate * (header->quantiser - webp_reference_index));
        return;
    }
    fill_lossless(header, 24.0, webp_lossless_factor, webp_lossless_exponent);
}

void moa_fill_header(struct moa_bytes file, const struct moa_image_info *info,
                     struct moa_image_header *ret_header)
{
    struct moa_image_header header = {
        .info = *info,
        .bits_per_pixel = (double)file.n * 8.0 / ((double)info->width_px * info->height_px),
    };
    switch (info->format) {
    case MOA_IMAGE_JPEG:
        fill_jpeg(file, &header);
        break;
    case MOA_IMAGE_PNG:
        fill_png(file, &header);
        break;
    case MOA_IMAGE_WEBP:
        fill_webp(file, &header);
        break;
    case MOA_IMAGE_GIF:
    case MOA_IMAGE_UNKNOWN:
        fill_lossless(&header, 8.0, lossless_factor, lossless_exponent);
        break;
    }
    *ret_header = header;
}

enum moa_err moa_image_header(struct moa_bytes file, struct moa_image_header *ret_header,
                              struct moa_error *ret_error)
{
    struct moa_image_info info;
    const enum moa_err err = moa_image_probe(file, &info, ret_error);
    if (err == MOA_OK)
        moa_fill_header(file, &info, ret_header);
    return err;
}
