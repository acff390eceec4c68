/* SPDX-License-Identifier: Apache-2.0
 *
 * PNG (version 1.2) by libspng. Rows stream; only an interlaced picture is held whole, because its
 * seven passes visit every part of it in turn: its luma, one byte a pixel, or its pixels.
 */
#include "format.h"

#include <stdlib.h>
#include <string.h>

#include <spng.h>

#include "../kernels.h"

/* Colour profiles and comments are inflated before the first pixel: a bound for hostile ones. */
#define MAX_METADATA_BYTES ((size_t)8 << 20)
#define WHOLE_PX_MAX ((uint64_t)24 << 20) /* of an interlaced picture, for its pixels */
#define PALETTE_MAX 256
#define SLOTS 1024 /* of the hash table of colours; a power of two above PALETTE_MAX */

/* ---- the header ---- */

static bool sniff_png(const uint8_t *p, size_t n)
{
    static const uint8_t signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    return n >= sizeof(signature) && memcmp(p, signature, sizeof(signature)) == 0;
}

static enum moa_err probe_png(const uint8_t *p, size_t n, struct moa_image_info *ret_info,
                              struct moa_error *error)
{
    if (n < 24)
        return moa_fail(error, MOA_ERR_TRUNCATED, n, "PNG ends in its header");
    if (memcmp(p + 12, "IHDR", 4) != 0)
        return moa_fail(error, MOA_ERR_CORRUPT, 12, "PNG without IHDR first");
    ret_info->width_px = moa_be32(p + 16);
    ret_info->height_px = moa_be32(p + 20);
    if (ret_info->width_px > INT32_MAX || ret_info->height_px > INT32_MAX)
        return moa_fail(error, MOA_ERR_CORRUPT, 16, "PNG side above 2^31 - 1");
    return MOA_OK;
}

static void header_of_png(struct moa_bytes file, struct moa_image_header *header)
{
    static const uint8_t channels[8] = {1, 1, 3, 1, 2, 1, 4, 1};
    const uint8_t *p = file.p;
    const double bits = file.n > 25 && p[24] > 0 ? p[24] * channels[p[25] & 7] : 24.0;
    moa_header_lossless(header, bits);
}

static struct moa_bytes exif_of_png(struct moa_bytes file)
{
    const uint8_t *p = file.p;
    for (size_t at = 8; at + 12 <= file.n;) {
        const size_t n = moa_be32(p + at);
        if (memcmp(p + at + 4, "eXIf", 4) == 0)
            return moa_part_of(file, at + 8, n);
        at += 12 + n;
    }
    return (struct moa_bytes){NULL, 0};
}

/* ---- luma ---- */

struct png {
    spng_ctx *ctx;
    const struct moa_image_info *info;
    struct moa_luma_scan *scan;
    bool is_gray; /* rows come as 8-bit gray, else as 8-bit RGB */
    uint8_t *rgb; /* one row */
    uint8_t *plane;
};

static enum moa_err fail_png(int status, struct moa_error *error)
{
    switch (status) {
    case SPNG_EMEM:
    case SPNG_EZLIB_INIT: /* only ever for want of memory */
        return moa_fail(error, MOA_ERR_MEMORY, 0, "out of memory in the PNG decoder");
    case SPNG_IO_EOF:
    case SPNG_EOF:
    case SPNG_EIDAT_TOO_SHORT:
        return moa_fail(error, MOA_ERR_TRUNCATED, 0, "PNG ends too early");
    case SPNG_ECHUNK_LIMITS:
        return moa_fail(error, MOA_ERR_LIMIT, 0, "PNG with more than 8 MiB of metadata");
    case SPNG_EOVERFLOW:
        return moa_fail(error, MOA_ERR_LIMIT, 0, "interlaced PNG that is too large to be resized");
    case SPNG_ECHUNK_CRC:
        return moa_fail(error, MOA_ERR_CORRUPT, 0, "PNG chunk with a wrong checksum");
    case SPNG_EIDAT_STREAM:
    case SPNG_EZLIB:
    case SPNG_EFILTER:
        return moa_fail(error, MOA_ERR_CORRUPT, 0, "PNG pixel data is damaged");
    default:
        return moa_fail(error, MOA_ERR_CORRUPT, 0, "PNG structure is damaged");
    }
}

/* One row or, of an interlaced image, one row of a pass: `n` pixels. */
static int read_row(struct png *png, size_t n, uint8_t *ret_luma)
{
    if (png->is_gray)
        return spng_decode_scanline(png->ctx, ret_luma, n);
    const int status = spng_decode_scanline(png->ctx, png->rgb, 3 * n);
    if (status == SPNG_OK || status == SPNG_EOI)
        moa_kernels_get()->luma_from_rgb(png->rgb, n, ret_luma);
    return status;
}

static int decode_plain(struct png *png)
{
    int status = SPNG_OK;
    for (uint32_t y = 0; y < png->info->height_px && status == SPNG_OK; y++) {
        status = read_row(png, png->info->width_px, moa_scan_space(png->scan, 0));
        if (status == SPNG_OK || status == SPNG_EOI)
            moa_scan_push(png->scan, 1);
    }
    return status;
}

/* Adam7: first column and step of each pass (PNG 1.2, section 2.6). */
static const struct {
    uint8_t x;
    uint8_t dx;
} adam7[7] = {{0, 8}, {4, 8}, {0, 4}, {2, 4}, {0, 2}, {1, 2}, {0, 1}};

static int decode_interlaced(struct png *png)
{
    const size_t width = png->info->width_px;
    int status = SPNG_OK;
    do {
        struct spng_row_info row;
        status = spng_get_row_info(png->ctx, &row);
        if (status)
            return status;
        const size_t x0 = adam7[row.pass].x;
        const size_t dx = adam7[row.pass].dx;
        const size_t n = (width - x0 + dx - 1) / dx;
        uint8_t *luma = moa_scan_space(png->scan, 0);
        status = read_row(png, n, luma);
        if (status && status != SPNG_EOI)
            return status;
        uint8_t *out = png->plane + row.row_num * width + x0;
        for (size_t i = 0; i < n; i++)
            out[i * dx] = luma[i];
    } while (status == SPNG_OK);
    moa_scan_plane(png->scan, png->plane, png->info->height_px, width);
    return status;
}

static int decode_luma(struct png *png, struct moa_bytes file)
{
    int status = spng_set_png_buffer(png->ctx, file.p, file.n);
    if (status)
        return status;
    status = spng_set_chunk_limits(png->ctx, MAX_METADATA_BYTES, MAX_METADATA_BYTES);
    if (status)
        return status;
    struct spng_ihdr ihdr;
    status = spng_get_ihdr(png->ctx, &ihdr);
    if (status)
        return status;
    png->is_gray = ihdr.color_type == SPNG_COLOR_TYPE_GRAYSCALE && ihdr.bit_depth <= 8;
    const size_t width = png->info->width_px;
    const bool is_interlaced = ihdr.interlace_method != SPNG_INTERLACE_NONE;
    if (!png->is_gray && !(png->rgb = malloc(3 * width)))
        return SPNG_EMEM;
    if (is_interlaced && !(png->plane = malloc(width * png->info->height_px)))
        return SPNG_EMEM;
    status = spng_decode_image(png->ctx, NULL, 0, png->is_gray ? SPNG_FMT_G8 : SPNG_FMT_RGB8,
                               SPNG_DECODE_PROGRESSIVE);
    if (status)
        return status;
    return is_interlaced ? decode_interlaced(png) : decode_plain(png);
}

static enum moa_err luma_of_png(const struct moa_picture *picture, enum moa_image_mode mode,
                                struct moa_luma_scan *scan, struct moa_error *error)
{
    (void)mode;
    struct png png = {.ctx = spng_ctx_new(0), .info = &picture->info, .scan = scan};
    if (!png.ctx)
        return fail_png(SPNG_EMEM, error);
    const int status = decode_luma(&png, picture->file);
    spng_ctx_free(png.ctx);
    free(png.rgb);
    free(png.plane);
    /* "End of image" is what the last row returns. */
    return status == SPNG_OK || status == SPNG_EOI ? MOA_OK : fail_png(status, error);
}

/* ---- pixels ---- */

static void take_rgba_row(struct moa_shrink *s, const uint8_t *rgba)
{
    uint8_t *bgra = s->line;
    for (size_t i = 0; i < s->in_width; i++, rgba += 4, bgra += 4) {
        bgra[0] = rgba[2];
        bgra[1] = rgba[1];
        bgra[2] = rgba[0];
        bgra[3] = rgba[3];
    }
    moa_shrink_row(s);
}

static int pixels_by_rows(spng_ctx *ctx, struct moa_shrink *s)
{
    int status =
        spng_decode_image(ctx, NULL, 0, SPNG_FMT_RGBA8, SPNG_DECODE_TRNS | SPNG_DECODE_PROGRESSIVE);
    const size_t n = 4 * (size_t)s->in_width;
    uint8_t *rgba = malloc(n);
    if (!rgba)
        status = SPNG_EMEM;
    while (status == SPNG_OK && s->row < s->in_height) {
        status = spng_decode_scanline(ctx, rgba, n);
        if (status == SPNG_OK || status == SPNG_EOI)
            take_rgba_row(s, rgba);
    }
    free(rgba);
    return status == SPNG_EOI ? SPNG_OK : status;
}

static int pixels_of_whole(spng_ctx *ctx, struct moa_shrink *s)
{
    if ((uint64_t)s->in_width * s->in_height > WHOLE_PX_MAX)
        return SPNG_EOVERFLOW;
    const size_t n = 4 * (size_t)s->in_width;
    uint8_t *rgba = malloc(n * s->in_height);
    if (!rgba)
        return SPNG_EMEM;
    const int status =
        spng_decode_image(ctx, rgba, n * s->in_height, SPNG_FMT_RGBA8, SPNG_DECODE_TRNS);
    while (status == SPNG_OK && s->row < s->in_height)
        take_rgba_row(s, rgba + n * s->row);
    free(rgba);
    return status;
}

static int decode_pixels(spng_ctx *ctx, struct moa_bytes file, struct moa_shrink *s)
{
    struct spng_ihdr ihdr;
    int status = spng_set_png_buffer(ctx, file.p, file.n);
    if (!status)
        status = spng_set_chunk_limits(ctx, MAX_METADATA_BYTES, MAX_METADATA_BYTES);
    if (!status)
        status = spng_get_ihdr(ctx, &ihdr);
    if (status)
        return status;
    if (ihdr.width != s->in_width || ihdr.height != s->in_height)
        return SPNG_EINVAL;
    return ihdr.interlace_method == SPNG_INTERLACE_NONE ? pixels_by_rows(ctx, s)
                                                        : pixels_of_whole(ctx, s);
}

static enum moa_err pixels_of_png(const struct moa_picture *picture, uint32_t width_px,
                                  uint32_t height_px, struct moa_pixels *ret_pixels,
                                  struct moa_error *error)
{
    const struct moa_image_info *info = &picture->info;
    struct moa_shrink s;
    spng_ctx *ctx = spng_ctx_new(0);
    int status = SPNG_EMEM;
    if (moa_shrink_init(&s, info->width_px, info->height_px, width_px, height_px) && ctx)
        status = decode_pixels(ctx, picture->file, &s);
    if (!status) {
        *ret_pixels = s.out;
        s.out.bgra = NULL;
    }
    moa_shrink_done(&s);
    spng_ctx_free(ctx);
    return status ? fail_png(status, error) : MOA_OK;
}

/* ---- encoding ---- */

struct palette {
    struct spng_plte plte;
    uint32_t colors[SLOTS]; /* B, G, R and 255: never 0 */
    uint8_t indices[SLOTS];
};

/* The index of `color`, which is added if it is new; -1 if there is no room. */
static int palette_index(struct palette *palette, uint32_t color)
{
    size_t slot = (color * 0x9e3779b1u) >> 22;
    while (palette->colors[slot] && palette->colors[slot] != color)
        slot = (slot + 1) % SLOTS;
    if (!palette->colors[slot]) {
        const uint32_t n = palette->plte.n_entries;
        if (n == PALETTE_MAX)
            return -1;
        palette->colors[slot] = color;
        palette->indices[slot] = (uint8_t)n;
        palette->plte.entries[n] = (struct spng_plte_entry){
            .red = (uint8_t)(color >> 16), .green = (uint8_t)(color >> 8), .blue = (uint8_t)color};
        palette->plte.n_entries++;
    }
    return palette->indices[slot];
}

/* One byte a pixel, or NULL if there are too many colours or no memory. */
static uint8_t *index_colors(const struct moa_pixels *pixels, struct palette *palette)
{
    const size_t n = (size_t)pixels->width_px * pixels->height_px;
    uint8_t *indices = malloc(n);
    uint32_t last = 0;
    int index = 0;
    for (size_t i = 0; indices && i < n; i++) {
        uint32_t color;
        memcpy(&color, pixels->bgra + 4 * i, 4);
        color |= 0xff000000;
        if (color != last)
            index = palette_index(palette, color);
        if (index < 0) {
            free(indices);
            return NULL;
        }
        last = color;
        indices[i] = (uint8_t)index;
    }
    return indices;
}

/* `plte` NULL: `rows` are R, G, B. The file, or NULL. */
static void *write_png(const struct moa_pixels *pixels, struct spng_plte *plte, const uint8_t *rows,
                       size_t *ret_n)
{
    struct spng_ihdr ihdr = {
        .width = pixels->width_px,
        .height = pixels->height_px,
        .bit_depth = 8,
        .color_type = plte ? SPNG_COLOR_TYPE_INDEXED : SPNG_COLOR_TYPE_TRUECOLOR,
    };
    const size_t n = (size_t)pixels->width_px * pixels->height_px * (plte ? 1 : 3);
    spng_ctx *ctx = spng_ctx_new(SPNG_CTX_ENCODER);
    int status = ctx ? spng_set_option(ctx, SPNG_ENCODE_TO_BUFFER, 1) : SPNG_EMEM;
    if (!status)
        status = spng_set_ihdr(ctx, &ihdr);
    if (!status && plte)
        status = spng_set_plte(ctx, plte);
    if (!status)
        status = spng_encode_image(ctx, rows, n, SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE);
    void *file = status ? NULL : spng_get_png_buffer(ctx, ret_n, &status);
    spng_ctx_free(ctx);
    return file;
}

static void *encode_few_colors(const struct moa_pixels *pixels, size_t *ret_n)
{
    struct palette *palette = calloc(1, sizeof(*palette));
    uint8_t *indices = palette ? index_colors(pixels, palette) : NULL;
    void *file = indices ? write_png(pixels, &palette->plte, indices, ret_n) : NULL;
    free(indices);
    free(palette);
    return file;
}

static void *encode_true_color(const struct moa_pixels *pixels, size_t *ret_n)
{
    const size_t n = (size_t)pixels->width_px * pixels->height_px;
    uint8_t *rgb = malloc(3 * n);
    if (!rgb)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        rgb[3 * i] = pixels->bgra[4 * i + 2];
        rgb[3 * i + 1] = pixels->bgra[4 * i + 1];
        rgb[3 * i + 2] = pixels->bgra[4 * i];
    }
    void *file = write_png(pixels, NULL, rgb, ret_n);
    free(rgb);
    return file;
}

static void *encode_png(const struct moa_pixels *pixels, const struct moa_encode_options *options,
                        size_t *ret_n)
{
    return options->few_colors ? encode_few_colors(pixels, ret_n)
                               : encode_true_color(pixels, ret_n);
}

const struct moa_format moa_format_png = {
    .name = "png",
    .mime = "image/png",
    .sniff = sniff_png,
    .probe = probe_png,
    .header = header_of_png,
    .exif = exif_of_png,
    .luma = luma_of_png,
    .pixels = pixels_of_png,
    .encode = encode_png,
};
