/* SPDX-License-Identifier: Apache-2.0
 *
 * PNG to luma rows by libspng. Rows stream; only an interlaced image needs its whole luma plane,
 * one byte a pixel, because its seven passes visit every part of the image in turn.
 */
#include "image_decode.h"

#include <stdbool.h>
#include <stdlib.h>

#include <spng.h>

#include "kernels.h"

/* Colour profiles and comments are inflated before the first pixel: a bound for hostile ones. */
#define MAX_METADATA_BYTES ((size_t)8 << 20)

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

static int decode(struct png *png, struct moa_bytes file)
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

enum moa_err moa_decode_png(const struct moa_decode_job *job, struct moa_error *error)
{
    struct png png = {.ctx = spng_ctx_new(0), .info = &job->info, .scan = job->scan};
    if (!png.ctx)
        return fail_png(SPNG_EMEM, error);
    const int status = decode(&png, job->file);
    spng_ctx_free(png.ctx);
    free(png.rgb);
    free(png.plane);
    /* "End of image" is what the last row returns. */
    return status == SPNG_OK || status == SPNG_EOI ? MOA_OK : fail_png(status, error);
}
