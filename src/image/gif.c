/* SPDX-License-Identifier: Apache-2.0
 *
 * The first frame of a GIF (GIF89a, appendix F for the compression), on a white canvas: white is
 * where the frame is transparent, and what it does not cover. Rows stream unless they are
 * interlaced.
 */
#include "format.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_CODES = 4096 };

/* ---- the header ---- */

static bool sniff_gif(const uint8_t *p, size_t n)
{
    return n >= 6 && (memcmp(p, "GIF87a", 6) == 0 || memcmp(p, "GIF89a", 6) == 0);
}

static enum moa_err probe_gif(const uint8_t *p, size_t n, struct moa_image_info *ret_info,
                              struct moa_error *error)
{
    if (n < 10)
        return moa_fail(error, MOA_ERR_TRUNCATED, n, "GIF ends in its header");
    ret_info->width_px = moa_le16(p + 6);
    ret_info->height_px = moa_le16(p + 8);
    return MOA_OK;
}

static void header_of_gif(struct moa_bytes file, struct moa_image_header *header)
{
    (void)file;
    moa_header_lossless(header, 8.0);
}

/* ---- the frame's header ---- */

struct gif {
    const struct moa_picture *picture;
    struct moa_rows *rows;
    const uint8_t *p;
    size_t n;
    size_t at;
    const uint8_t *palette; /* RGB */
    unsigned n_colors;
    int transparent; /* index, or -1 */
    /* of each index: RGB on white, and whether it leaves the white bare */
    uint8_t colors[256][4];
    /* the frame on its canvas */
    uint32_t left, top, width, height;
    bool is_interlaced;
    uint8_t *indices; /* of a row; of the whole frame, if it is interlaced */
    uint8_t *canvas;  /* a row of RGB */
    /* where the next pixel goes */
    uint8_t *row;
    uint32_t x;
    uint32_t y;
    unsigned pass;
    /* code input */
    size_t block_left; /* bytes left in the sub-block */
    uint32_t bits;
    unsigned n_bits;
    /* A code is its prefix and one byte more. */
    uint16_t prefix[MAX_CODES];
    uint16_t length[MAX_CODES]; /* in bytes */
    uint8_t last[MAX_CODES];
    uint8_t text[MAX_CODES]; /* of a code */
};

static enum moa_err fail_truncated(const struct gif *gif, struct moa_error *error)
{
    return moa_fail(error, MOA_ERR_TRUNCATED, gif->n, "GIF ends too early");
}

/* The palette at gif->at, of 2^(bits + 1) colours. */
static enum moa_err read_palette(struct gif *gif, unsigned bits, struct moa_error *error)
{
    const unsigned n = 2u << bits;
    if (gif->n - gif->at < 3 * (size_t)n)
        return fail_truncated(gif, error);
    gif->palette = gif->p + gif->at;
    gif->n_colors = n;
    gif->at += 3 * (size_t)n;
    return MOA_OK;
}

/* Extensions before the first image; leaves gif->at behind the image separator. */
static enum moa_err skip_to_image(struct gif *gif, struct moa_error *error)
{
    while (gif->at + 1 < gif->n && gif->p[gif->at] == 0x21) {
        const uint8_t *extension = gif->p + gif->at;
        /* Graphic control: label, size, flags, delay, transparent index. */
        if (gif->n - gif->at >= 7 && extension[1] == 0xf9 && extension[2] >= 4)
            gif->transparent = extension[3] & 1 ? extension[6] : -1;
        gif->at += 2;
        while (gif->at < gif->n && gif->p[gif->at] > 0)
            gif->at += 1 + (size_t)gif->p[gif->at];
        gif->at++;
    }
    if (gif->at >= gif->n)
        return fail_truncated(gif, error);
    if (gif->p[gif->at] != 0x2c)
        return moa_fail(error, MOA_ERR_CORRUPT, gif->at, "GIF without an image");
    gif->at++;
    return MOA_OK;
}

static enum moa_err read_frame_header(struct gif *gif, struct moa_error *error)
{
    if (gif->n - gif->at < 9)
        return fail_truncated(gif, error);
    const uint8_t *frame = gif->p + gif->at;
    const uint8_t flags = frame[8];
    gif->left = moa_le16(frame);
    gif->top = moa_le16(frame + 2);
    gif->width = moa_le16(frame + 4);
    gif->height = moa_le16(frame + 6);
    if (gif->width == 0 || gif->height == 0)
        return moa_fail(error, MOA_ERR_CORRUPT, gif->at, "GIF frame with a side of 0 px");
    if (gif->left + gif->width > gif->picture->info.width_px ||
        gif->top + gif->height > gif->picture->info.height_px)
        return moa_fail(error, MOA_ERR_CORRUPT, gif->at, "GIF frame outside of its canvas");
    gif->is_interlaced = (flags & 0x40) != 0;
    gif->at += 9;
    if (flags & 0x80)
        return read_palette(gif, flags & 7, error);
    return gif->palette ? MOA_OK
                        : moa_fail(error, MOA_ERR_CORRUPT, gif->at, "GIF without a palette");
}

static enum moa_err read_headers(struct gif *gif, struct moa_error *error)
{
    gif->at = 13;
    if (gif->n < gif->at)
        return fail_truncated(gif, error);
    enum moa_err err = MOA_OK;
    if (gif->p[10] & 0x80)
        err = read_palette(gif, gif->p[10] & 7, error);
    if (err == MOA_OK)
        err = skip_to_image(gif, error);
    return err ? err : read_frame_header(gif, error);
}

/* ---- the canvas ---- */

static void mix_colors(struct gif *gif)
{
    memset(gif->colors, 0xff, sizeof(gif->colors));
    for (unsigned i = 0; i < gif->n_colors; i++) {
        if ((int)i == gif->transparent)
            continue;
        memcpy(gif->colors[i], gif->palette + 3 * (size_t)i, 3);
        gif->colors[i][3] = 0;
    }
}

/* A row of the canvas, with what `indices` paint of it; NULL: nothing. */
static void push_row(struct gif *gif, const uint8_t *indices)
{
    const uint32_t canvas_width = gif->picture->info.width_px;
    const uint32_t width = indices ? gif->width : 0;
    uint8_t *out = gif->canvas;
    unsigned bare = width < canvas_width;
    memset(out, 0xff, 3 * (size_t)gif->left);
    out += 3 * (size_t)gif->left;
    for (uint32_t x = 0; x < width; x++, out += 3) {
        const uint8_t *color = gif->colors[indices[x]];
        memcpy(out, color, 4); /* the fourth is the next pixel's first, or behind the canvas */
        bare |= color[3];
    }
    memset(out, 0xff, 3 * (size_t)(canvas_width - gif->left - width));
    if (bare)
        gif->rows->notes |= MOA_IMAGE_TRANSPARENT;
    gif->rows->push(gif->rows, gif->canvas);
}

static void push_empty(struct gif *gif, uint32_t n_rows)
{
    for (uint32_t i = 0; i < n_rows; i++)
        push_row(gif, NULL);
}

/* ---- the compression ---- */

/* Returns false at the end of the data. */
static bool read_code(struct gif *gif, unsigned size, unsigned *ret_code)
{
    while (gif->n_bits < size) {
        if (gif->block_left == 0) {
            if (gif->at >= gif->n || gif->p[gif->at] == 0)
                return false;
            gif->block_left = gif->p[gif->at++];
        }
        if (gif->at >= gif->n)
            return false;
        gif->bits |= (uint32_t)gif->p[gif->at++] << gif->n_bits;
        gif->n_bits += 8;
        gif->block_left--;
    }
    *ret_code = gif->bits & ((1u << size) - 1);
    gif->bits >>= size;
    gif->n_bits -= size;
    return true;
}

/* Rows of an interlaced image: every 8th from 0, every 8th from 4, every 4th from 2, every 2nd. */
static void next_interlaced_row(struct gif *gif)
{
    static const uint8_t first[4] = {0, 4, 2, 1};
    static const uint8_t step[4] = {8, 8, 4, 2};
    gif->y += step[gif->pass];
    while (gif->y >= gif->height && gif->pass < 3)
        gif->y = first[++gif->pass];
    if (gif->y < gif->height)
        gif->row = gif->indices + (size_t)gif->y * gif->width;
}

static void next_row(struct gif *gif)
{
    gif->x = 0;
    if (gif->is_interlaced) {
        next_interlaced_row(gif);
    } else {
        push_row(gif, gif->row);
        gif->y++;
    }
}

/* `n` pixels of the current row, which has room for them. False once the image is full. */
static bool advance(struct gif *gif, uint32_t n)
{
    gif->x += n;
    if (gif->x < gif->width)
        return true;
    next_row(gif);
    return gif->y < gif->height;
}

/* The bytes of `code` from the last to the first, which is returned, at `to` and behind. */
static uint8_t expand(const struct gif *gif, unsigned code, unsigned clear, uint8_t *to)
{
    uint8_t *at = to + gif->length[code];
    for (; code >= clear; code = gif->prefix[code])
        *--at = gif->last[code];
    *--at = (uint8_t)code;
    return *at;
}

/* The pixels of `code`, which is defined; returns whether the image has room for more. */
static bool put_code(struct gif *gif, unsigned code, unsigned clear, uint8_t *ret_first)
{
    const uint32_t n = gif->length[code];
    if (n <= gif->width - gif->x) { /* as a rule */
        *ret_first = expand(gif, code, clear, gif->row + gif->x);
        return advance(gif, n);
    }
    *ret_first = expand(gif, code, clear, gif->text);
    bool has_room = true;
    for (uint32_t i = 0; i < n && has_room; i++) {
        gif->row[gif->x] = gif->text[i];
        has_room = advance(gif, 1);
    }
    return has_room;
}

/* A new code is that of the previous one and a byte. */
static void define(struct gif *gif, unsigned code, unsigned previous, uint8_t last)
{
    gif->prefix[code] = (uint16_t)previous;
    gif->length[code] = (uint16_t)(gif->length[previous] + 1);
    gif->last[code] = last;
}

static enum moa_err decompress(struct gif *gif, struct moa_error *error)
{
    if (gif->at >= gif->n)
        return fail_truncated(gif, error);
    const unsigned min_size = gif->p[gif->at++];
    if (min_size < 1 || min_size > 8)
        return moa_fail(error, MOA_ERR_CORRUPT, gif->at, "GIF code size out of range");
    const unsigned clear = 1u << min_size;
    const unsigned none = MAX_CODES;
    unsigned size = min_size + 1;
    unsigned n_codes = clear + 2;
    unsigned previous = none;
    uint8_t first = 0;
    unsigned code;
    for (code = 0; code < clear; code++)
        gif->length[code] = 1;
    while (read_code(gif, size, &code)) {
        if (code == clear) {
            size = min_size + 1;
            n_codes = clear + 2;
            previous = none;
            continue;
        }
        if (code == clear + 1)
            break;
        if (code > n_codes || (code == n_codes && (previous == none || n_codes == MAX_CODES)))
            return moa_fail(error, MOA_ERR_CORRUPT, gif->at, "GIF data with an invalid code");
        if (code == n_codes) /* which is about to be defined, by its own first byte */
            define(gif, code, previous, first);
        if (!put_code(gif, code, clear, &first))
            return MOA_OK;
        if (previous != none && n_codes < MAX_CODES)
            define(gif, n_codes++, previous, first);
        if (n_codes == 1u << size && size < 12)
            size++;
        previous = code;
    }
    return fail_truncated(gif, error);
}

/* ---- all of it ---- */

static enum moa_err decode_gif(struct gif *gif, struct moa_error *error)
{
    const struct moa_image_info *info = &gif->picture->info;
    enum moa_err err = read_headers(gif, error);
    if (err)
        return err;
    gif->indices = malloc((size_t)gif->width * (gif->is_interlaced ? gif->height : 1));
    gif->canvas = malloc(3 * (size_t)info->width_px + 1);
    if (!gif->indices || !gif->canvas || !gif->rows->begin(gif->rows, 3))
        return moa_fail_memory(error);
    gif->row = gif->indices;
    mix_colors(gif);
    push_empty(gif, gif->top);
    err = decompress(gif, error);
    if (err)
        return err;
    for (uint32_t y = 0; gif->is_interlaced && y < gif->height; y++)
        push_row(gif, gif->indices + (size_t)y * gif->width);
    push_empty(gif, info->height_px - gif->top - gif->height);
    return MOA_OK;
}

static enum moa_err rows_of_gif(const struct moa_picture *picture, struct moa_rows *rows,
                                struct moa_error *error)
{
    struct gif *gif = calloc(1, sizeof(*gif));
    if (!gif)
        return moa_fail(error, MOA_ERR_MEMORY, 0, "out of memory in the GIF decoder");
    gif->picture = picture;
    gif->rows = rows;
    gif->p = picture->file.p;
    gif->n = picture->file.n;
    gif->transparent = -1;
    const enum moa_err err = decode_gif(gif, error);
    free(gif->indices);
    free(gif->canvas);
    free(gif);
    return err;
}

const struct moa_format moa_format_gif = {
    .name = "gif",
    .mime = "image/gif",
    .is_drawn = true,
    .sniff = sniff_gif,
    .probe = probe_gif,
    .header = header_of_gif,
    .rows = rows_of_gif,
};
