/* SPDX-License-Identifier: Apache-2.0
 *
 * BMP (Windows bitmaps): headers of 12, 40, 52, 56, 108 and 124 bytes, 1, 4, 8, 16, 24 and 32 bits
 * a pixel, with a palette or bit masks. Its pixels stand in the file as they are, so any row can be
 * read at any time. The run-length forms, which engines do not read either, are refused.
 */
#include "format.h"

#include <stdlib.h>
#include <string.h>

enum {
    FILE_HEADER_BYTES = 14,
    CORE_HEADER_BYTES = 12,
    INFO_HEADER_BYTES = 40,
    COMPRESSION_NONE = 0,
    COMPRESSION_MASKS = 3,
    COMPRESSION_ALPHA_MASKS = 6,
};

/* ---- the header ---- */

static bool sniff_bmp(const uint8_t *p, size_t n)
{
    /* "BM" alone begins many a text. */
    if (n < FILE_HEADER_BYTES + 4 || p[0] != 'B' || p[1] != 'M')
        return false;
    const uint32_t size = moa_le32(p + FILE_HEADER_BYTES);
    return size == CORE_HEADER_BYTES || (size >= INFO_HEADER_BYTES && size <= 124);
}

static enum moa_err probe_bmp(const uint8_t *p, size_t n, struct moa_image_info *ret_info,
                              struct moa_error *error)
{
    if (n < FILE_HEADER_BYTES + CORE_HEADER_BYTES)
        return moa_fail(error, MOA_ERR_TRUNCATED, n, "BMP ends in its header");
    const uint8_t *header = p + FILE_HEADER_BYTES;
    if (moa_le32(header) == CORE_HEADER_BYTES) {
        ret_info->width_px = moa_le16(header + 4);
        ret_info->height_px = moa_le16(header + 6);
        return MOA_OK;
    }
    const int32_t width = (int32_t)moa_le32(header + 4), height = (int32_t)moa_le32(header + 8);
    if (width < 0 || height == INT32_MIN)
        return moa_fail(error, MOA_ERR_CORRUPT, FILE_HEADER_BYTES + 4, "BMP side out of range");
    ret_info->width_px = (uint32_t)width;
    ret_info->height_px = (uint32_t)(height < 0 ? -height : height);
    return MOA_OK;
}

static void header_of_bmp(struct moa_bytes file, struct moa_image_header *header)
{
    (void)file;
    /* Nothing is compressed: the size of the file says nothing of the picture. */
    moa_header_lossless(header, header->bits_per_pixel);
}

/* ---- what the pixels are ---- */

struct mask {
    uint32_t bits; /* 0: there is none */
    unsigned shift;
    uint32_t max;
};

struct bmp {
    const uint8_t *pixels; /* of the row that is stored first */
    size_t row_bytes;
    bool is_top_down;
    unsigned depth;         /* bits a pixel */
    const uint8_t *palette; /* B, G, R and, if entries have 4 bytes, nothing */
    size_t entry_bytes;
    uint32_t n_colors;
    struct mask masks[4]; /* R, G, B, alpha: of 16 and 32 bits */
};

static struct mask mask_of(uint32_t bits)
{
    struct mask mask = {.bits = bits};
    if (bits) {
        mask.shift = (unsigned)__builtin_ctz(bits);
        mask.max = bits >> mask.shift;
    }
    return mask;
}

static void set_masks(struct bmp *bmp, uint32_t r, uint32_t g, uint32_t b, uint32_t alpha)
{
    bmp->masks[0] = mask_of(r);
    bmp->masks[1] = mask_of(g);
    bmp->masks[2] = mask_of(b);
    bmp->masks[3] = mask_of(alpha);
}

/* They stand behind the first 40 bytes of the header, whether those are all of it or not. False if
 * the file ends before. */
static bool read_masks(struct bmp *bmp, struct moa_bytes file, uint32_t header_bytes,
                       uint32_t compression)
{
    if (compression == COMPRESSION_NONE) {
        if (bmp->depth == 16)
            set_masks(bmp, 0x7c00, 0x03e0, 0x001f, 0);
        else
            set_masks(bmp, 0xff0000, 0x00ff00, 0x0000ff, 0);
        return true;
    }
    const bool has_alpha = header_bytes >= 56 || compression == COMPRESSION_ALPHA_MASKS;
    const uint8_t *p =
        moa_part_of(file, FILE_HEADER_BYTES + INFO_HEADER_BYTES, has_alpha ? 16 : 12).p;
    if (p)
        set_masks(bmp, moa_le32(p), moa_le32(p + 4), moa_le32(p + 8),
                  has_alpha ? moa_le32(p + 12) : 0);
    return p != NULL;
}

static enum moa_err find_palette(struct bmp *bmp, struct moa_bytes file, size_t at, uint32_t n_used,
                                 struct moa_error *error)
{
    const uint32_t most = 1u << bmp->depth;
    bmp->n_colors = n_used == 0 || n_used > most ? most : n_used;
    bmp->palette = moa_part_of(file, at, bmp->n_colors * bmp->entry_bytes).p;
    return bmp->palette ? MOA_OK
                        : moa_fail(error, MOA_ERR_TRUNCATED, file.n, "BMP ends in its palette");
}

static enum moa_err find_pixels(struct bmp *bmp, const struct moa_picture *picture,
                                struct moa_error *error)
{
    const uint8_t *p = picture->file.p;
    const size_t at = moa_le32(p + 10);
    bmp->row_bytes = ((size_t)picture->info.width_px * bmp->depth + 31) / 32 * 4;
    const uint64_t n_bytes = (uint64_t)bmp->row_bytes * picture->info.height_px;
    if (at > picture->file.n || n_bytes > picture->file.n - at)
        return moa_fail(error, MOA_ERR_TRUNCATED, picture->file.n, "BMP ends too early");
    bmp->pixels = p + at;
    return MOA_OK;
}

static enum moa_err read_headers(struct bmp *bmp, const struct moa_picture *picture,
                                 struct moa_error *error)
{
    const struct moa_bytes file = picture->file;
    const uint8_t *header = (const uint8_t *)file.p + FILE_HEADER_BYTES;
    const uint32_t header_bytes = moa_le32(header);
    const bool is_core = header_bytes == CORE_HEADER_BYTES;
    if (!moa_part_of(file, FILE_HEADER_BYTES, header_bytes).p)
        return moa_fail(error, MOA_ERR_TRUNCATED, file.n, "BMP ends in its header");
    bmp->depth = moa_le16(header + (is_core ? 10 : 14));
    bmp->is_top_down = !is_core && (int32_t)moa_le32(header + 8) < 0;
    bmp->entry_bytes = is_core ? 3 : 4;
    const uint32_t compression = is_core ? COMPRESSION_NONE : moa_le32(header + 16);
    const bool has_masks =
        compression == COMPRESSION_MASKS || compression == COMPRESSION_ALPHA_MASKS;
    const bool takes_masks = bmp->depth == 16 || bmp->depth == 32;
    if (compression != COMPRESSION_NONE && !(has_masks && takes_masks))
        return moa_fail(error, MOA_ERR_UNSUPPORTED, FILE_HEADER_BYTES + 16,
                        "BMP with run-length or other compression");
    switch (bmp->depth) {
    case 1:
    case 4:
    case 8: {
        const uint32_t n_used = is_core ? 0 : moa_le32(header + 32);
        const enum moa_err err =
            find_palette(bmp, file, FILE_HEADER_BYTES + header_bytes, n_used, error);
        return err ? err : find_pixels(bmp, picture, error);
    }
    case 16:
    case 24:
    case 32:
        if (!read_masks(bmp, file, header_bytes, compression))
            return moa_fail(error, MOA_ERR_TRUNCATED, file.n, "BMP ends in its header");
        return find_pixels(bmp, picture, error);
    default:
        return moa_fail(error, MOA_ERR_UNSUPPORTED, FILE_HEADER_BYTES + 14,
                        "BMP with an unknown number of bits a pixel");
    }
}

/* ---- rows ---- */

static void unpack_indices(const struct bmp *bmp, const uint8_t *in, uint32_t n, uint8_t *rgb)
{
    const unsigned per_byte = 8 / bmp->depth, mask = (1u << bmp->depth) - 1;
    for (uint32_t x = 0; x < n; x++, rgb += 3) {
        const unsigned shift = 8 - bmp->depth * (x % per_byte + 1);
        const uint32_t index = in[x / per_byte] >> shift & mask;
        const uint8_t *color = bmp->palette + index * bmp->entry_bytes;
        for (unsigned c = 0; c < 3; c++)
            rgb[c] = index < bmp->n_colors ? color[2 - c] : 0;
    }
}

static uint32_t pixel_at(const struct bmp *bmp, const uint8_t *in, uint32_t x)
{
    return bmp->depth == 16 ? moa_le16(in + 2 * (size_t)x) : moa_le32(in + 4 * (size_t)x);
}

static uint8_t part(uint32_t pixel, const struct mask *mask)
{
    if (!mask->bits)
        return 0;
    return (uint8_t)(((uint64_t)((pixel & mask->bits) >> mask->shift) * 255 + mask->max / 2) /
                     mask->max);
}

static void unpack_masked(const struct bmp *bmp, const uint8_t *in, uint32_t n, uint8_t *out)
{
    for (uint32_t x = 0; x < n; x++) {
        const uint32_t pixel = pixel_at(bmp, in, x);
        for (unsigned c = 0; c < (bmp->masks[3].bits ? 4 : 3); c++)
            *out++ = part(pixel, &bmp->masks[c]);
    }
}

/* Row `y` from the top, in RGB, or RGBA if there is a mask of alpha. */
static void unpack_row(const struct bmp *bmp, const struct moa_image_info *info, uint32_t y,
                       uint8_t *out)
{
    const uint32_t stored = bmp->is_top_down ? y : info->height_px - 1 - y;
    const uint8_t *in = bmp->pixels + stored * bmp->row_bytes;
    if (bmp->depth <= 8) {
        unpack_indices(bmp, in, info->width_px, out);
    } else if (bmp->depth == 24) {
        for (uint32_t x = 0; x < info->width_px; x++, in += 3, out += 3) {
            out[0] = in[2];
            out[1] = in[1];
            out[2] = in[0];
        }
    } else {
        unpack_masked(bmp, in, info->width_px, out);
    }
}

/* Some writers have a mask of alpha and leave it 0 everywhere. */
static bool is_all_transparent(const struct bmp *bmp, const struct moa_image_info *info)
{
    for (uint32_t y = 0; y < info->height_px; y++) {
        for (uint32_t x = 0; x < info->width_px; x++) {
            if (pixel_at(bmp, bmp->pixels + y * bmp->row_bytes, x) & bmp->masks[3].bits)
                return false;
        }
    }
    return true;
}

static enum moa_err rows_of_bmp(const struct moa_picture *picture, struct moa_rows *rows,
                                struct moa_error *error)
{
    const struct moa_image_info *info = &picture->info;
    struct bmp bmp = {.pixels = NULL};
    const enum moa_err err = read_headers(&bmp, picture, error);
    if (err)
        return err;
    if (bmp.masks[3].bits && is_all_transparent(&bmp, info))
        bmp.masks[3].bits = 0;
    const unsigned n_channels = bmp.masks[3].bits ? 4 : 3;
    uint8_t *row = malloc(4 * (size_t)info->width_px);
    if (!row || !rows->begin(rows, 3)) {
        free(row);
        return moa_fail_memory(error);
    }
    for (uint32_t y = 0; y < info->height_px; y++) {
        unpack_row(&bmp, info, y, row);
        if (moa_lay_on_white(row, info->width_px, n_channels, row))
            rows->notes |= MOA_IMAGE_TRANSPARENT;
        rows->push(rows, row);
    }
    free(row);
    return MOA_OK;
}

const struct moa_format moa_format_bmp = {
    .name = "bmp",
    .mime = "image/bmp",
    .is_drawn = true,
    .sniff = sniff_bmp,
    .probe = probe_bmp,
    .header = header_of_bmp,
    .rows = rows_of_bmp,
};
