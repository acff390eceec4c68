/* SPDX-License-Identifier: Apache-2.0
 *
 * PNG (version 1.2) by libpng. Rows stream; only an interlaced picture is held whole, because its
 * seven passes visit every part of it in turn. Of the chunks only those are read that say what the
 * pixels are: no colour profile and no comment is inflated.
 *
 * libpng reports errors through a callback that must not return: rows_of_png() and write_png()
 * catch them.
 */
#include "format.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

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

/* ---- what libpng wants of both directions ---- */

struct png {
    png_structp png;
    png_infop info;
    jmp_buf failed;
    bool no_memory;
    struct moa_error *error; /* NULL: of the encoder */
    /* for reading */
    const struct moa_picture *picture;
    struct moa_rows *rows;
    size_t at;      /* in the file */
    uint8_t *row;   /* as libpng gives it */
    uint8_t *white; /* the same, laid on white */
    uint8_t *whole; /* of an interlaced picture: all rows, laid on white */
    /* for writing */
    uint8_t *file;
    size_t n, room;
    bool is_written;
};

__attribute__((noreturn)) static void fail_png(struct png *png, enum moa_err code,
                                               const char *message)
{
    if (png->error)
        moa_fail(png->error, code, png->at, message);
    longjmp(png->failed, 1);
}

/* libpng says what is wrong in words only; a chunk's name stands before them. */
__attribute__((noreturn)) static void on_error(png_structp libpng, png_const_charp message)
{
    struct png *png = png_get_error_ptr(libpng);
    if (png->no_memory)
        fail_png(png, MOA_ERR_MEMORY, "out of memory in the PNG decoder");
    if (strstr(message, "CRC"))
        fail_png(png, MOA_ERR_CORRUPT, "PNG chunk with a wrong checksum");
    if (strstr(message, "Not enough") || strstr(message, "unexpected end"))
        fail_png(png, MOA_ERR_TRUNCATED, "PNG ends too early");
    if (strncmp(message, "IDAT", 4) == 0 || strstr(message, "filter"))
        fail_png(png, MOA_ERR_CORRUPT, "PNG pixel data is damaged");
    fail_png(png, MOA_ERR_CORRUPT, "PNG structure is damaged");
}

static void on_warning(png_structp libpng, png_const_charp message)
{
    (void)libpng;
    (void)message;
}

static png_voidp on_malloc(png_structp libpng, png_alloc_size_t n)
{
    struct png *png = png_get_mem_ptr(libpng);
    void *p = malloc(n);
    png->no_memory |= !p;
    return p;
}

static void on_free(png_structp libpng, png_voidp p)
{
    (void)libpng;
    free(p);
}

static void *make(struct png *png, size_t n)
{
    void *p = malloc(n);
    if (!p)
        fail_png(png, MOA_ERR_MEMORY, "out of memory for the pixels");
    return p;
}

/* ---- reading ---- */

static void on_read(png_structp libpng, png_bytep to, size_t n)
{
    struct png *png = png_get_io_ptr(libpng);
    const struct moa_bytes part = moa_part_of(png->picture->file, png->at, n);
    if (part.n < n)
        fail_png(png, MOA_ERR_TRUNCATED, "PNG ends too early");
    if (n == 0)
        return;
    memcpy(to, part.p, n);
    png->at += n;
}

/* To 8 bits of gray or RGB, with alpha if there is any. Returns the bytes of a pixel. */
static unsigned set_transforms(const struct png *png)
{
    const int color = png_get_color_type(png->png, png->info);
    const int depth = png_get_bit_depth(png->png, png->info);
    if (depth == 16)
        png_set_strip_16(png->png);
    if (color == PNG_COLOR_TYPE_PALETTE)
        png_set_palette_to_rgb(png->png);
    else if (depth < 8)
        png_set_expand_gray_1_2_4_to_8(png->png);
    if (png_get_valid(png->png, png->info, PNG_INFO_tRNS))
        png_set_tRNS_to_alpha(png->png);
    png_read_update_info(png->png, png->info);
    return png_get_channels(png->png, png->info);
}

static void read_rows(struct png *png, unsigned n_channels)
{
    for (uint32_t y = 0; y < png->picture->info.height_px; y++) {
        png_read_row(png->png, png->row, NULL);
        const uint8_t *row = png->row;
        if (n_channels % 2 == 0) {
            if (moa_lay_on_white(row, png->picture->info.width_px, n_channels, png->white))
                png->rows->notes |= MOA_IMAGE_TRANSPARENT;
            row = png->white;
        }
        png->rows->push(png->rows, row);
    }
}

/* Adam7: first column and row of each pass, and its steps (PNG 1.2, section 2.6). */
static const struct {
    uint8_t x, y, dx, dy;
} passes[7] = {{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4},
               {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}};

/* Without png_set_interlace_handling() libpng gives the rows of each pass as they are stored. */
static void read_pass(struct png *png, int pass, unsigned n_channels)
{
    const struct moa_image_info *info = &png->picture->info;
    const size_t x0 = passes[pass].x, dx = passes[pass].dx;
    const size_t n_colors = n_channels - (n_channels % 2 == 0);
    if (x0 >= info->width_px)
        return;
    const size_t n = (info->width_px - x0 + dx - 1) / dx;
    for (size_t y = passes[pass].y; y < info->height_px; y += passes[pass].dy) {
        png_read_row(png->png, png->row, NULL);
        if (moa_lay_on_white(png->row, n, n_channels, png->white))
            png->rows->notes |= MOA_IMAGE_TRANSPARENT;
        uint8_t *out = png->whole + n_colors * (y * info->width_px + x0);
        for (size_t i = 0; i < n; i++)
            memcpy(out + n_colors * dx * i, png->white + n_colors * i, n_colors);
    }
}

static void read_passes(struct png *png, unsigned n_channels)
{
    const struct moa_image_info *info = &png->picture->info;
    const size_t row_bytes = (n_channels - (n_channels % 2 == 0)) * (size_t)info->width_px;
    png->whole = make(png, row_bytes * info->height_px);
    for (int pass = 0; pass < 7; pass++)
        read_pass(png, pass, n_channels);
    for (uint32_t y = 0; y < info->height_px; y++)
        png->rows->push(png->rows, png->whole + row_bytes * y);
}

static void read_png(struct png *png)
{
    const struct moa_image_info *info = &png->picture->info;
    png->info = png_create_info_struct(png->png);
    if (!png->info)
        fail_png(png, MOA_ERR_MEMORY, "out of memory in the PNG decoder");
    png_set_read_fn(png->png, png, on_read);
    png_set_user_limits(png->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX); /* ours were checked */
    png_set_keep_unknown_chunks(png->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    /* Some writers announce a smaller window than they use; no other decoder minds. */
    png_set_option(png->png, PNG_MAXIMUM_INFLATE_WINDOW, PNG_OPTION_ON);
    png_read_info(png->png, png->info);
    if (png_get_image_width(png->png, png->info) != info->width_px ||
        png_get_image_height(png->png, png->info) != info->height_px)
        fail_png(png, MOA_ERR_CORRUPT, "PNG sizes contradict each other");
    const bool is_interlaced = png_get_interlace_type(png->png, png->info) != PNG_INTERLACE_NONE;
    const unsigned n_channels = set_transforms(png);
    png->row = make(png, (size_t)n_channels * info->width_px);
    if (is_interlaced || n_channels % 2 == 0)
        png->white = make(png, (size_t)n_channels * info->width_px);
    if (!png->rows->begin(png->rows, n_channels - (n_channels % 2 == 0)))
        fail_png(png, MOA_ERR_MEMORY, "out of memory for the pixels");
    if (is_interlaced)
        read_passes(png, n_channels);
    else
        read_rows(png, n_channels);
}

static enum moa_err rows_of_png(const struct moa_picture *picture, struct moa_rows *rows,
                                struct moa_error *error)
{
    struct png png = {.error = error, .picture = picture, .rows = rows};
    error->code = MOA_OK;
    if (setjmp(png.failed) == 0) {
        png.png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &png, on_error, on_warning, &png,
                                           on_malloc, on_free);
        if (!png.png)
            fail_png(&png, MOA_ERR_MEMORY, "out of memory in the PNG decoder");
        read_png(&png);
    }
    png_destroy_read_struct(&png.png, &png.info, NULL);
    free(png.row);
    free(png.white);
    free(png.whole);
    return error->code;
}

/* ---- writing ---- */

struct palette {
    png_color colors[PALETTE_MAX];
    int n;
    uint32_t keys[SLOTS]; /* 0xff, R, G, B: never 0 */
    uint8_t indices[SLOTS];
};

/* The index of a colour, which is added if it is new; -1 if there is no room. */
static int palette_index(struct palette *palette, uint32_t key)
{
    size_t slot = (key * 0x9e3779b1u) >> 22;
    while (palette->keys[slot] && palette->keys[slot] != key)
        slot = (slot + 1) % SLOTS;
    if (!palette->keys[slot]) {
        if (palette->n == PALETTE_MAX)
            return -1;
        palette->keys[slot] = key;
        palette->indices[slot] = (uint8_t)palette->n;
        palette->colors[palette->n++] =
            (png_color){(uint8_t)(key >> 16), (uint8_t)(key >> 8), (uint8_t)key};
    }
    return palette->indices[slot];
}

/* One byte a pixel, or NULL if there are too many colours or no memory. */
static uint8_t *index_colors(const struct moa_plane *plane, struct palette *palette)
{
    uint8_t *indices = malloc((size_t)plane->width * plane->height), *out = indices;
    uint32_t last = 0;
    int index = 0;
    for (size_t y = 0; indices && y < plane->height; y++) {
        const uint8_t *rgb = plane->p + y * plane->stride_bytes;
        for (uint32_t x = 0; x < plane->width; x++, rgb += 3) {
            const uint32_t key = 0xff000000u | moa_be16(rgb) << 8 | rgb[2];
            if (key != last)
                index = palette_index(palette, key);
            if (index < 0) {
                free(indices);
                return NULL;
            }
            last = key;
            *out++ = (uint8_t)index;
        }
    }
    return indices;
}

static void on_write(png_structp libpng, png_bytep from, size_t n)
{
    struct png *png = png_get_io_ptr(libpng);
    if (n > png->room - png->n) {
        const size_t room = 2 * png->room + n + 4096;
        uint8_t *file = realloc(png->file, room);
        if (!file)
            fail_png(png, MOA_ERR_MEMORY, "out of memory for a file");
        png->file = file;
        png->room = room;
    }
    memcpy(png->file + png->n, from, n);
    png->n += n;
}

static void on_flush(png_structp libpng)
{
    (void)libpng;
}

static void write_rows(struct png *png, const struct moa_plane *plane, struct palette *palette)
{
    const int color = palette                  ? PNG_COLOR_TYPE_PALETTE
                      : plane->n_channels == 1 ? PNG_COLOR_TYPE_GRAY
                                               : PNG_COLOR_TYPE_RGB;
    png->info = png_create_info_struct(png->png);
    if (!png->info)
        fail_png(png, MOA_ERR_MEMORY, "out of memory in the PNG encoder");
    png_set_write_fn(png->png, png, on_write, on_flush);
    png_set_IHDR(png->png, png->info, plane->width, plane->height, 8, color, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (palette)
        png_set_PLTE(png->png, png->info, palette->colors, palette->n);
    png_write_info(png->png, png->info);
    for (size_t y = 0; y < plane->height; y++)
        png_write_row(png->png, plane->p + y * plane->stride_bytes);
    png_write_end(png->png, NULL);
}

/* `palette` NULL: gray or RGB. */
static void *write_png(const struct moa_plane *plane, struct palette *palette, size_t *ret_n)
{
    struct png png = {.png = NULL};
    if (setjmp(png.failed) == 0) {
        png.png = png_create_write_struct_2(PNG_LIBPNG_VER_STRING, &png, on_error, on_warning, &png,
                                            on_malloc, on_free);
        if (png.png) {
            write_rows(&png, plane, palette);
            png.is_written = true;
        }
    }
    png_destroy_write_struct(&png.png, &png.info);
    if (!png.is_written) {
        free(png.file);
        return NULL;
    }
    *ret_n = png.n;
    return png.file;
}

static void *write_few_colors(const struct moa_plane *plane, size_t *ret_n)
{
    struct palette *palette = calloc(1, sizeof(*palette));
    struct moa_plane indexed = *plane;
    indexed.n_channels = 1;
    indexed.stride_bytes = plane->width;
    indexed.p = palette ? index_colors(plane, palette) : NULL;
    void *file = indexed.p ? write_png(&indexed, palette, ret_n) : NULL;
    free(indexed.p);
    free(palette);
    return file;
}

static void *encode_png(const struct moa_pixels *pixels, const struct moa_encode_options *options,
                        size_t *ret_n)
{
    const struct moa_plane *plane = &pixels->planes[0];
    if (options->few_colors && pixels->color == MOA_COLOR_RGB)
        return write_few_colors(plane, ret_n);
    return write_png(plane, NULL, ret_n);
}

const struct moa_format moa_format_png = {
    .name = "png",
    .mime = "image/png",
    .is_drawn = true,
    .sniff = sniff_png,
    .probe = probe_png,
    .header = header_of_png,
    .exif = exif_of_png,
    .rows = rows_of_png,
    .encode = encode_png,
};
