/* SPDX-License-Identifier: Apache-2.0
 *
 * The first frame of a GIF (GIF89a, appendix F for the compression). A palette maps to luma once,
 * so a pixel of luma is a table look-up. Rows stream unless they are interlaced. A first frame that
 * does not cover the canvas is not scored. Pixels come by giflib.
 */
#include "format.h"

#include <stdlib.h>
#include <string.h>

#include <gif_lib.h>

#define WHOLE_PX_MAX ((uint64_t)24 << 20) /* of a frame, for its pixels */

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

/* ---- luma ---- */

struct gif {
    const struct moa_picture *picture;
    struct moa_luma_scan *scan;
    const uint8_t *p;
    size_t n;
    size_t at;
    uint8_t luma[256]; /* of every palette index; indices beyond the palette are black */
    bool is_interlaced;
    uint8_t *plane; /* interlaced only */
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
    uint8_t last[MAX_CODES];
    uint8_t stack[MAX_CODES];
};

static enum moa_err fail_truncated(const struct gif *gif, struct moa_error *error)
{
    return moa_fail(error, MOA_ERR_TRUNCATED, gif->n, "GIF ends too early");
}

/* The palette at gif->at, of 2^(bits + 1) colours. */
static enum moa_err read_palette(struct gif *gif, unsigned bits, struct moa_error *error)
{
    const size_t n = (size_t)2 << bits;
    if (gif->n - gif->at < 3 * n)
        return fail_truncated(gif, error);
    memset(gif->luma, 0, sizeof(gif->luma));
    for (size_t i = 0; i < n; i++) {
        const uint8_t *rgb = gif->p + gif->at + 3 * i;
        gif->luma[i] =
            (uint8_t)((19595u * rgb[0] + 38470u * rgb[1] + 7471u * rgb[2] + 32768u) >> 16);
    }
    gif->at += 3 * n;
    return MOA_OK;
}

/* Extensions before the first image; leaves gif->at behind the image separator. */
static enum moa_err skip_to_image(struct gif *gif, struct moa_error *error)
{
    while (gif->at + 1 < gif->n && gif->p[gif->at] == 0x21) {
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
    if (err)
        return err;
    if (gif->n - gif->at < 9)
        return fail_truncated(gif, error);
    const uint8_t *frame = gif->p + gif->at;
    if (moa_le16(frame) != 0 || moa_le16(frame + 2) != 0 ||
        moa_le16(frame + 4) != gif->picture->info.width_px ||
        moa_le16(frame + 6) != gif->picture->info.height_px)
        return moa_fail(error, MOA_ERR_UNSUPPORTED, gif->at,
                        "GIF whose first frame does not cover its canvas");
    const uint8_t flags = frame[8];
    gif->is_interlaced = (flags & 0x40) != 0;
    gif->at += 9;
    if (flags & 0x80)
        return read_palette(gif, flags & 7, error);
    return gif->p[10] & 0x80 ? MOA_OK
                             : moa_fail(error, MOA_ERR_CORRUPT, gif->at, "GIF without a palette");
}

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
    while (gif->y >= gif->picture->info.height_px && gif->pass < 3)
        gif->y = first[++gif->pass];
}

static void next_row(struct gif *gif)
{
    gif->x = 0;
    if (gif->is_interlaced) {
        next_interlaced_row(gif);
        if (gif->y < gif->picture->info.height_px)
            gif->row = gif->plane + (size_t)gif->y * gif->picture->info.width_px;
    } else {
        moa_scan_push(gif->scan, 1);
        gif->y++;
        gif->row = moa_scan_space(gif->scan, 0);
    }
}

/* False once the image is full. */
static bool put(struct gif *gif, uint8_t index)
{
    gif->row[gif->x++] = gif->luma[index];
    if (gif->x < gif->picture->info.width_px)
        return true;
    next_row(gif);
    return gif->y < gif->picture->info.height_px;
}

/* The bytes of `code`, which is defined; returns whether the image has room for more. */
static bool put_code(struct gif *gif, unsigned code, unsigned clear, uint8_t *ret_first)
{
    size_t n = 0;
    while (code >= clear) {
        gif->stack[n++] = gif->last[code];
        code = gif->prefix[code];
    }
    *ret_first = (uint8_t)code;
    bool has_room = put(gif, (uint8_t)code);
    while (n > 0 && has_room)
        has_room = put(gif, gif->stack[--n]);
    return has_room;
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
        if (code == n_codes) {
            /* The code about to be defined: the previous one and its own first byte. */
            gif->prefix[code] = (uint16_t)previous;
            gif->last[code] = first;
        }
        if (!put_code(gif, code, clear, &first))
            return MOA_OK;
        if (previous != none && n_codes < MAX_CODES) {
            gif->prefix[n_codes] = (uint16_t)previous;
            gif->last[n_codes] = first;
            n_codes++;
        }
        if (n_codes == 1u << size && size < 12)
            size++;
        previous = code;
    }
    return fail_truncated(gif, error);
}

static enum moa_err luma_of_gif(const struct moa_picture *picture, enum moa_image_mode mode,
                                struct moa_luma_scan *scan, struct moa_error *error)
{
    (void)mode;
    struct gif *gif = calloc(1, sizeof(*gif));
    if (!gif)
        return moa_fail(error, MOA_ERR_MEMORY, 0, "out of memory in the GIF decoder");
    gif->picture = picture;
    gif->scan = scan;
    gif->p = picture->file.p;
    gif->n = picture->file.n;
    enum moa_err err = read_headers(gif, error);
    if (err == MOA_OK && gif->is_interlaced) {
        gif->plane = malloc((size_t)picture->info.width_px * picture->info.height_px);
        if (!gif->plane)
            err = moa_fail(error, MOA_ERR_MEMORY, 0, "out of memory for an interlaced image");
    }
    if (err == MOA_OK) {
        gif->row = gif->is_interlaced ? gif->plane : moa_scan_space(scan, 0);
        err = decompress(gif, error);
    }
    if (err == MOA_OK && gif->is_interlaced)
        moa_scan_plane(scan, gif->plane, picture->info.height_px, picture->info.width_px);
    free(gif->plane);
    free(gif);
    return err;
}

/* ---- pixels ---- */

static int read_gif(GifFileType *gif, GifByteType *out, int n)
{
    struct moa_bytes *left = gif->UserData;
    const size_t given = (size_t)n < left->n ? (size_t)n : left->n;
    memcpy(out, left->p, given);
    left->p = (const uint8_t *)left->p + given;
    left->n -= given;
    return (int)given;
}

/* Reads up to the first image; its transparent colour, or -1. */
static enum moa_err find_gif_frame(GifFileType *gif, int *ret_transparent, struct moa_error *error)
{
    *ret_transparent = NO_TRANSPARENT_COLOR;
    for (;;) { /* every turn takes bytes of the file */
        GifRecordType type;
        if (DGifGetRecordType(gif, &type) == GIF_ERROR || type == TERMINATE_RECORD_TYPE)
            return moa_fail(error, MOA_ERR_TRUNCATED, 0, "GIF without an image");
        if (type == IMAGE_DESC_RECORD_TYPE)
            break;
        int code;
        GifByteType *block;
        if (DGifGetExtension(gif, &code, &block) == GIF_ERROR)
            return moa_fail(error, MOA_ERR_CORRUPT, 0, "GIF data is damaged");
        while (block) {
            GraphicsControlBlock control;
            if (code == GRAPHICS_EXT_FUNC_CODE &&
                DGifExtensionToGCB(block[0], block + 1, &control) == GIF_OK)
                *ret_transparent = control.TransparentColor;
            if (DGifGetExtensionNext(gif, &block) == GIF_ERROR)
                return moa_fail(error, MOA_ERR_CORRUPT, 0, "GIF data is damaged");
        }
    }
    if (DGifGetImageDesc(gif) == GIF_ERROR || gif->Image.Width < 1 || gif->Image.Height < 1)
        return moa_fail(error, MOA_ERR_CORRUPT, 0, "GIF image header is damaged");
    if (!gif->Image.ColorMap && !gif->SColorMap)
        return moa_fail(error, MOA_ERR_CORRUPT, 0, "GIF without colours");
    return MOA_OK;
}

/* The colour indices of the whole frame, rows in order, also if the file interlaces them. */
static uint8_t *gif_indices(GifFileType *gif, struct moa_error *error)
{
    static const struct {
        int first, step;
    } passes[5] = {{0, 8}, {4, 8}, {2, 4}, {1, 2}, {0, 1}};
    const int width = gif->Image.Width, height = gif->Image.Height;
    if ((uint64_t)width * (uint64_t)height > WHOLE_PX_MAX) {
        moa_fail(error, MOA_ERR_LIMIT, 0, "GIF that is too large to be resized");
        return NULL;
    }
    uint8_t *indices = malloc((size_t)width * (size_t)height);
    if (!indices) {
        moa_fail_memory(error);
        return NULL;
    }
    const size_t from = gif->Image.Interlace ? 0 : 4, to = gif->Image.Interlace ? 4 : 5;
    for (size_t pass = from; pass < to; pass++) {
        for (int y = passes[pass].first; y < height; y += passes[pass].step) {
            if (DGifGetLine(gif, indices + (size_t)y * (size_t)width, width) == GIF_OK)
                continue;
            moa_fail(error, MOA_ERR_CORRUPT, 0, "GIF data is damaged");
            free(indices);
            return NULL;
        }
    }
    return indices;
}

static void paint_gif_row(const GifFileType *gif, const uint8_t *indices, int transparent,
                          struct moa_shrink *s)
{
    const ColorMapObject *map = gif->Image.ColorMap ? gif->Image.ColorMap : gif->SColorMap;
    const size_t left = (size_t)gif->Image.Left, width = (size_t)gif->Image.Width;
    for (size_t i = 0; i < width && left + i < s->in_width; i++) {
        if (indices[i] == transparent || indices[i] >= map->ColorCount)
            continue;
        const GifColorType *color = &map->Colors[indices[i]];
        uint8_t *out = s->line + 4 * (left + i);
        out[0] = color->Blue;
        out[1] = color->Green;
        out[2] = color->Red;
    }
}

static enum moa_err paint_gif(GifFileType *gif, struct moa_shrink *s, struct moa_error *error)
{
    int transparent;
    const enum moa_err err = find_gif_frame(gif, &transparent, error);
    if (err)
        return err;
    uint8_t *indices = gif_indices(gif, error);
    if (!indices)
        return error->code;
    const size_t top = (size_t)gif->Image.Top, height = (size_t)gif->Image.Height;
    while (s->row < s->in_height) {
        memset(s->line, 0xff, 4 * (size_t)s->in_width);
        if (s->row >= top && s->row < top + height)
            paint_gif_row(gif, indices + (s->row - top) * (size_t)gif->Image.Width, transparent, s);
        moa_shrink_row(s);
    }
    free(indices);
    return MOA_OK;
}

static enum moa_err decode_gif(struct moa_bytes file, struct moa_shrink *s, struct moa_error *error)
{
    int code;
    GifFileType *gif = DGifOpen(&file, read_gif, &code);
    if (!gif)
        return moa_fail(error, code == D_GIF_ERR_NOT_ENOUGH_MEM ? MOA_ERR_MEMORY : MOA_ERR_CORRUPT,
                        0, "GIF header is damaged");
    const enum moa_err err = paint_gif(gif, s, error);
    DGifCloseFile(gif, &code);
    return err;
}

static enum moa_err pixels_of_gif(const struct moa_picture *picture, uint32_t width_px,
                                  uint32_t height_px, struct moa_pixels *ret_pixels,
                                  struct moa_error *error)
{
    const struct moa_image_info *info = &picture->info;
    struct moa_shrink s;
    enum moa_err err;
    if (moa_shrink_init(&s, info->width_px, info->height_px, width_px, height_px))
        err = decode_gif(picture->file, &s, error);
    else
        err = moa_fail_memory(error);
    if (!err) {
        *ret_pixels = s.out;
        s.out.bgra = NULL;
    }
    moa_shrink_done(&s);
    return err;
}

const struct moa_format moa_format_gif = {
    .name = "gif",
    .mime = "image/gif",
    .sniff = sniff_gif,
    .probe = probe_gif,
    .header = header_of_gif,
    .luma = luma_of_gif,
    .pixels = pixels_of_gif,
};
