/* SPDX-License-Identifier: Apache-2.0
 *
 * Size arithmetic, and pixels to a file in a data URI; see recode.h.
 */
#include "recode.h"

#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <spng.h>

#include "data_uri.h"
#include "pixels.h"

#define CELL_PX 28
#define PALETTE_MAX 256
#define SLOTS 1024 /* of the hash table of colours; a power of two above PALETTE_MAX */

static enum moa_err fail(struct moa_error *error, enum moa_err code, const char *message)
{
    *error = (struct moa_error){code, 0, message};
    return code;
}

/* ---- sizes ---- */

uint64_t recode_variant(const struct recode_target *target)
{
    return (uint64_t)1 << 63 | (uint64_t)target->max_tokens << 24 |
           (uint64_t)(target->formats & 0xff) << 16 | (uint64_t)(target->min_side_px & 0xff) << 8 |
           (uint64_t)target->upright << 7 | (uint64_t)(target->jpeg_quality & 0x7f);
}

uint64_t recode_tokens(uint32_t width_px, uint32_t height_px)
{
    return ((uint64_t)width_px + CELL_PX - 1) / CELL_PX *
           (((uint64_t)height_px + CELL_PX - 1) / CELL_PX);
}

static uint32_t scaled(uint32_t side_px, double scale)
{
    const double side = floor(side_px * scale + 1e-6); /* 28.0 must not become 27.999 */
    return side < 1 ? 1 : (uint32_t)side;
}

void recode_size(uint32_t width_px, uint32_t height_px, uint32_t max_tokens, uint32_t *ret_width_px,
                 uint32_t *ret_height_px)
{
    double best = 0;
    if (max_tokens == 0 || recode_tokens(width_px, height_px) <= max_tokens)
        best = 1;
    /* Every grid that the budget allows: the image may fill its width or its height. */
    for (uint32_t rows = 1; best < 1 && rows <= max_tokens; rows++) {
        const uint32_t columns = max_tokens / rows;
        const double across = (double)columns * CELL_PX / width_px;
        const double down = (double)rows * CELL_PX / height_px;
        best = fmax(best, fmin(1, fmin(across, down)));
    }
    *ret_width_px = scaled(width_px, best);
    *ret_height_px = scaled(height_px, best);
}

bool recode_needed(const struct moa_image_info *info, unsigned orientation,
                   const struct recode_target *target)
{
    return (target->max_tokens &&
            recode_tokens(info->width_px, info->height_px) > target->max_tokens) ||
           (target->formats && !(target->formats >> info->format & 1)) ||
           (target->upright && orientation != 1) || info->width_px < target->min_side_px ||
           info->height_px < target->min_side_px;
}

/* ---- PNG ---- */

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
static uint8_t *index_colors(const struct pixels *pixels, struct palette *palette)
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
static void *write_png(const struct pixels *pixels, struct spng_plte *plte, const uint8_t *rows,
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

static void *encode_few_colors(const struct pixels *pixels, size_t *ret_n)
{
    struct palette *palette = calloc(1, sizeof(*palette));
    uint8_t *indices = palette ? index_colors(pixels, palette) : NULL;
    void *file = indices ? write_png(pixels, &palette->plte, indices, ret_n) : NULL;
    free(indices);
    free(palette);
    return file;
}

static void *encode_true_color(const struct pixels *pixels, size_t *ret_n)
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

/* ---- JPEG ---- */

struct encoder {
    struct jpeg_error_mgr errors;
    struct jpeg_compress_struct cinfo;
    jmp_buf failed;
    unsigned char *file;
    unsigned long n;
};

static void on_error(j_common_ptr common)
{
    struct encoder *encoder = common->client_data;
    longjmp(encoder->failed, 1);
}

static void write_jpeg(struct encoder *encoder, const struct pixels *pixels, int quality,
                       bool full_chroma)
{
    struct jpeg_compress_struct *cinfo = &encoder->cinfo;
    jpeg_create_compress(cinfo);
    cinfo->client_data = encoder;
    jpeg_mem_dest(cinfo, &encoder->file, &encoder->n);
    cinfo->image_width = pixels->width_px;
    cinfo->image_height = pixels->height_px;
    cinfo->input_components = 4;
    cinfo->in_color_space = JCS_EXT_BGRX;
    jpeg_set_defaults(cinfo);
    jpeg_set_quality(cinfo, quality, TRUE);
    if (full_chroma)
        cinfo->comp_info[0].h_samp_factor = cinfo->comp_info[0].v_samp_factor = 1;
    jpeg_start_compress(cinfo, TRUE);
    while (cinfo->next_scanline < cinfo->image_height) {
        JSAMPROW row = pixels->bgra + 4 * (size_t)pixels->width_px * cinfo->next_scanline;
        jpeg_write_scanlines(cinfo, &row, 1);
    }
    jpeg_finish_compress(cinfo);
}

static void *encode_jpeg(const struct pixels *pixels, int quality, bool full_chroma, size_t *ret_n)
{
    struct encoder encoder = {0};
    encoder.cinfo.err = jpeg_std_error(&encoder.errors);
    encoder.cinfo.client_data = &encoder;
    encoder.errors.error_exit = on_error;
    bool written = false;
    if (setjmp(encoder.failed) == 0) {
        write_jpeg(&encoder, pixels, quality, full_chroma);
        written = true;
    }
    jpeg_destroy_compress(&encoder.cinfo);
    if (!written) {
        free(encoder.file);
        return NULL;
    }
    *ret_n = encoder.n;
    return encoder.file;
}

/* ---- all of it ---- */

static void *encode(const struct pixels *pixels, enum moa_image_format source,
                    const struct recode_target *target, enum moa_image_format *ret_format,
                    size_t *ret_n)
{
    const bool takes_jpeg = !target->formats || target->formats >> MOA_IMAGE_JPEG & 1;
    const bool takes_png = !target->formats || target->formats >> MOA_IMAGE_PNG & 1;
    const bool drawn = source == MOA_IMAGE_PNG || source == MOA_IMAGE_GIF;
    void *file = takes_png && drawn ? encode_few_colors(pixels, ret_n) : NULL;
    *ret_format = MOA_IMAGE_PNG;
    if (!file && takes_jpeg) {
        *ret_format = MOA_IMAGE_JPEG;
        file = encode_jpeg(pixels, target->jpeg_quality, drawn, ret_n);
    } else if (!file) {
        file = encode_true_color(pixels, ret_n);
    }
    return file;
}

static bool shape(struct pixels *pixels, uint32_t width, uint32_t height, unsigned orientation,
                  const struct recode_target *target)
{
    const bool fits = pixels->width_px <= width && pixels->height_px <= height;
    return (fits || pixels_scale(pixels, width, height)) && pixels_turn(pixels, orientation) &&
           pixels_pad(pixels, target->min_side_px);
}

enum moa_err recode_image(struct moa_bytes file, const struct moa_image_info *info,
                          unsigned orientation, const struct recode_target *target, char **ret_uri,
                          size_t *ret_n, struct moa_error *ret_error)
{
    uint32_t width, height;
    struct pixels pixels;
    recode_size(info->width_px, info->height_px, target->max_tokens, &width, &height);
    const enum moa_err err = pixels_decode(file, info, width, height, &pixels, ret_error);
    if (err)
        return err;
    enum moa_image_format format = MOA_IMAGE_UNKNOWN;
    struct moa_bytes made = {NULL, 0};
    /* The file that replaces this one says nothing of its orientation: it is turned in any case. */
    if (shape(&pixels, width, height, orientation, target))
        made.p = encode(&pixels, info->format, target, &format, &made.n);
    pixels_done(&pixels);
    char mime[32];
    snprintf(mime, sizeof(mime), "image/%s", moa_image_format_name(format));
    char *uri = made.p ? data_uri_encode(made, mime, ret_n) : NULL;
    free((void *)(uintptr_t)made.p);
    if (!uri)
        return fail(ret_error, MOA_ERR_MEMORY, "out of memory while the image was re-encoded");
    *ret_uri = uri;
    return MOA_OK;
}
