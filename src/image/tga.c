/* SPDX-License-Identifier: Apache-2.0
 *
 * TGA (Truevision, version 2.0): palettes, gray and RGB, plain or run-length coded, from any of the
 * four corners. The format has no signature; a file is taken for one if its whole header makes
 * sense, after all others were asked.
 */
#include "format.h"

#include <stdlib.h>
#include <string.h>

enum {
    HEADER_BYTES = 18,
    TYPE_PALETTE = 1,
    TYPE_RGB = 2,
    TYPE_GRAY = 3,
    TYPE_PACKED = 8, /* added to one of the others */
};

/* ---- the header ---- */

static bool is_rgb_depth(unsigned depth)
{
    return depth == 15 || depth == 16 || depth == 24 || depth == 32;
}

static bool sniff_tga(const uint8_t *p, size_t n)
{
    if (n < HEADER_BYTES || p[1] > 1 || (p[17] & 0xc0) || moa_le16(p + 12) == 0 ||
        moa_le16(p + 14) == 0)
        return false;
    switch (p[2] & ~TYPE_PACKED) {
    case TYPE_PALETTE:
        return p[1] == 1 && p[16] == 8 && is_rgb_depth(p[7]) && moa_le16(p + 5) > 0;
    case TYPE_RGB:
        return p[1] == 0 && is_rgb_depth(p[16]);
    case TYPE_GRAY:
        return p[1] == 0 && p[16] == 8;
    default:
        return false;
    }
}

static enum moa_err probe_tga(const uint8_t *p, size_t n, struct moa_image_info *ret_info,
                              struct moa_error *error)
{
    (void)n; /* the signature is the header */
    (void)error;
    ret_info->width_px = moa_le16(p + 12);
    ret_info->height_px = moa_le16(p + 14);
    return MOA_OK;
}

static void header_of_tga(struct moa_bytes file, struct moa_image_header *header)
{
    (void)file;
    moa_header_lossless(header, 24.0);
}

/* ---- what the pixels are ---- */

struct tga {
    const struct moa_picture *picture;
    unsigned type;
    unsigned pixel_bytes;   /* in the file */
    const uint8_t *palette; /* of entries that are pixels */
    unsigned color_depth;   /* of a pixel, or of an entry of the palette */
    uint32_t first_color, n_colors;
    bool is_top_down, is_right_to_left, has_alpha;
    size_t at;      /* of the pixels in the file */
    uint8_t *whole; /* unpacked pixels */
};

static unsigned bytes_of(unsigned depth)
{
    return (depth + 7) / 8;
}

static enum moa_err read_headers(struct tga *tga, struct moa_error *error)
{
    const struct moa_bytes file = tga->picture->file;
    const uint8_t *p = file.p;
    tga->type = p[2] & (TYPE_PACKED - 1u);
    tga->pixel_bytes = bytes_of(p[16]);
    tga->is_top_down = p[17] & 0x20;
    tga->is_right_to_left = p[17] & 0x10;
    tga->at = HEADER_BYTES + (size_t)p[0];
    tga->color_depth = p[16];
    if (tga->type == TYPE_PALETTE) {
        tga->color_depth = p[7];
        tga->first_color = moa_le16(p + 3);
        tga->n_colors = moa_le16(p + 5);
        const size_t n_bytes = (size_t)tga->n_colors * bytes_of(tga->color_depth);
        tga->palette = moa_part_of(file, tga->at, n_bytes).p;
        if (!tga->palette)
            return moa_fail(error, MOA_ERR_TRUNCATED, file.n, "TGA ends in its palette");
        tga->at += n_bytes;
    }
    tga->has_alpha = tga->color_depth == 32 && (p[17] & 0x0f) == 8;
    return MOA_OK;
}

/* Packets of up to 128 pixels: one of them repeated, or all of them. */
static enum moa_err unpack(struct tga *tga, size_t n_px, struct moa_error *error)
{
    const struct moa_bytes file = tga->picture->file;
    const uint8_t *p = file.p;
    tga->whole = malloc(n_px * tga->pixel_bytes);
    if (!tga->whole)
        return moa_fail_memory(error);
    uint8_t *out = tga->whole;
    for (size_t left = n_px; left > 0;) {
        if (tga->at >= file.n)
            return moa_fail(error, MOA_ERR_TRUNCATED, file.n, "TGA ends too early");
        const uint8_t head = p[tga->at++];
        const size_t n = (head & 0x7fu) + 1 < left ? (head & 0x7fu) + 1 : left;
        const bool repeats = head & 0x80;
        const struct moa_bytes in =
            moa_part_of(file, tga->at, (repeats ? 1 : n) * tga->pixel_bytes);
        if (!in.p)
            return moa_fail(error, MOA_ERR_TRUNCATED, file.n, "TGA ends too early");
        for (size_t i = 0; i < (repeats ? n : 1); i++, out += in.n)
            memcpy(out, in.p, in.n);
        tga->at += in.n;
        left -= n;
    }
    return MOA_OK;
}

/* ---- rows ---- */

static uint8_t five_bits(uint32_t value)
{
    value &= 31;
    return (uint8_t)(value << 3 | value >> 2);
}

static void put_color(const struct tga *tga, const uint8_t *p, uint8_t *rgba)
{
    rgba[3] = 255;
    if (tga->color_depth < 24) {
        const uint32_t color = moa_le16(p);
        rgba[0] = five_bits(color >> 10);
        rgba[1] = five_bits(color >> 5);
        rgba[2] = five_bits(color);
        return;
    }
    rgba[0] = p[2];
    rgba[1] = p[1];
    rgba[2] = p[0];
    if (tga->has_alpha)
        rgba[3] = p[3];
}

static void put_pixel(const struct tga *tga, const uint8_t *p, uint8_t *rgba)
{
    static const uint8_t black[4];
    if (tga->type != TYPE_PALETTE) {
        put_color(tga, p, rgba);
        return;
    }
    const uint32_t i = (uint32_t)p[0] - tga->first_color;
    put_color(tga,
              i < tga->n_colors ? tga->palette + (size_t)i * bytes_of(tga->color_depth) : black,
              rgba);
}

static void push_rows(const struct tga *tga, const uint8_t *pixels, uint8_t *row,
                      struct moa_rows *rows)
{
    const struct moa_image_info *info = &tga->picture->info;
    for (uint32_t y = 0; y < info->height_px; y++) {
        const uint32_t stored = tga->is_top_down ? y : info->height_px - 1 - y;
        const uint8_t *in = pixels + (size_t)stored * info->width_px * tga->pixel_bytes;
        for (uint32_t x = 0; x < info->width_px; x++, in += tga->pixel_bytes) {
            const size_t to = tga->is_right_to_left ? info->width_px - 1 - x : x;
            if (tga->type == TYPE_GRAY)
                row[to] = in[0];
            else
                put_pixel(tga, in, row + 4 * to);
        }
        if (tga->type != TYPE_GRAY && moa_lay_on_white(row, info->width_px, 4, row))
            rows->notes |= MOA_IMAGE_TRANSPARENT;
        rows->push(rows, row);
    }
}

/* Some writers say that there is alpha and leave it 0 everywhere. */
static bool is_all_transparent(const struct tga *tga, const uint8_t *pixels, size_t n_px)
{
    const bool by_palette = tga->type == TYPE_PALETTE;
    const uint8_t *p = by_palette ? tga->palette : pixels;
    const size_t n = by_palette ? tga->n_colors : n_px;
    for (size_t i = 0; i < n; i++) {
        if (p[4 * i + 3])
            return false;
    }
    return true;
}

static enum moa_err decode_tga(struct tga *tga, struct moa_rows *rows, struct moa_error *error)
{
    const struct moa_bytes file = tga->picture->file;
    const struct moa_image_info *info = &tga->picture->info;
    const size_t n_px = (size_t)info->width_px * info->height_px;
    enum moa_err err = read_headers(tga, error);
    if (!err && ((const uint8_t *)file.p)[2] & TYPE_PACKED)
        err = unpack(tga, n_px, error);
    if (err)
        return err;
    const uint8_t *pixels =
        tga->whole ? tga->whole : moa_part_of(file, tga->at, n_px * tga->pixel_bytes).p;
    if (!pixels)
        return moa_fail(error, MOA_ERR_TRUNCATED, file.n, "TGA ends too early");
    if (tga->has_alpha && is_all_transparent(tga, pixels, n_px))
        tga->has_alpha = false;
    uint8_t *row = malloc(4 * (size_t)info->width_px);
    if (!row || !rows->begin(rows, tga->type == TYPE_GRAY ? 1 : 3))
        err = moa_fail_memory(error);
    else
        push_rows(tga, pixels, row, rows);
    free(row);
    return err;
}

static enum moa_err rows_of_tga(const struct moa_picture *picture, struct moa_rows *rows,
                                struct moa_error *error)
{
    struct tga tga = {.picture = picture};
    const enum moa_err err = decode_tga(&tga, rows, error);
    free(tga.whole);
    return err;
}

const struct moa_format moa_format_tga = {
    .name = "tga",
    .mime = "image/x-tga",
    .is_drawn = true,
    .sniff = sniff_tga,
    .probe = probe_tga,
    .header = header_of_tga,
    .rows = rows_of_tga,
};
