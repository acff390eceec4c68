/* SPDX-License-Identifier: Apache-2.0
 *
 * Image files to pixels; see pixels.h. JPEG is reduced inside of its transform and WebP by its own
 * scaler; PNG and GIF come row by row and are averaged on the way. Every image has been scored
 * before, which is where damage is told from pixels; here it only must not do harm.
 */
#include "pixels.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gif_lib.h>
#include <jpeglib.h>
#include <spng.h>
#include <webp/decode.h>
#include <webp/demux.h>

#include <jerror.h>

#define JPEG_SCANS_MAX 100
#define PNG_METADATA_BYTES_MAX ((size_t)8 << 20)
#define WHOLE_PX_MAX ((uint64_t)24 << 20) /* of an image whose rows do not come in order */

static enum moa_err fail(struct moa_error *error, enum moa_err code, const char *message)
{
    *error = (struct moa_error){code, 0, message};
    return code;
}

static enum moa_err fail_memory(struct moa_error *error)
{
    return fail(error, MOA_ERR_MEMORY, "out of memory for the pixels");
}

/* ---- rows in, averaged over squares of factor x factor ---- */

struct shrink {
    uint32_t in_width, in_height;
    uint32_t factor;
    uint32_t row;   /* of the input */
    uint32_t *sums; /* 3 a column; NULL if the factor is 1 */
    uint8_t *line;  /* one row of the input, for decoders that need one */
    struct pixels out;
};

static bool shrink_init(struct shrink *s, uint32_t width, uint32_t height, uint32_t wanted_width,
                        uint32_t wanted_height)
{
    const uint32_t across = width / wanted_width, down = height / wanted_height;
    /* A sum of 255 x factor x factor must fit its 32 bits. */
    const uint32_t most = across < down ? across : down;
    const uint32_t factor = most > 4096 ? 4096 : most;
    *s = (struct shrink){.in_width = width, .in_height = height, .factor = factor};
    s->out.width_px = (width + factor - 1) / factor;
    s->out.height_px = (height + factor - 1) / factor;
    s->out.bgra = malloc((size_t)s->out.width_px * s->out.height_px * 4);
    s->line = malloc((size_t)width * 4);
    s->sums = factor > 1 ? calloc(s->out.width_px, 3 * sizeof(*s->sums)) : NULL;
    return s->out.bgra && s->line && (s->sums || factor == 1);
}

static void shrink_done(struct shrink *s)
{
    free(s->sums);
    free(s->line);
    pixels_done(&s->out);
}

static void flatten(uint8_t *bgra, size_t n)
{
    for (size_t i = 0; i < n; i++, bgra += 4) {
        const uint32_t a = bgra[3];
        if (a == 255)
            continue;
        for (size_t c = 0; c < 3; c++)
            bgra[c] = (uint8_t)((bgra[c] * a + 255 * (255 - a) + 127) / 255);
        bgra[3] = 255;
    }
}

/* The sums of a row of squares to their means. */
static void emit(struct shrink *s, uint32_t n_rows)
{
    uint8_t *out = s->out.bgra + 4 * (size_t)s->out.width_px * ((s->row - 1) / s->factor);
    for (uint32_t x = 0; x < s->out.width_px; x++, out += 4) {
        const uint32_t left = s->in_width - x * s->factor;
        const uint32_t n = n_rows * (left < s->factor ? left : s->factor);
        for (size_t c = 0; c < 3; c++)
            out[c] = (uint8_t)((s->sums[3 * (size_t)x + c] + n / 2) / n);
        out[3] = 255;
    }
    memset(s->sums, 0, 3 * sizeof(*s->sums) * (size_t)s->out.width_px);
}

/* Takes s->line, which it may change. */
static void shrink_row(struct shrink *s)
{
    flatten(s->line, s->in_width);
    if (s->factor == 1) {
        const size_t n = 4 * (size_t)s->in_width;
        memcpy(s->out.bgra + n * s->row++, s->line, n);
        return;
    }
    const uint8_t *in = s->line;
    for (uint32_t x = 0; x < s->in_width;) {
        uint32_t *sum = s->sums + 3 * (size_t)(x / s->factor);
        uint32_t end = x + s->factor < s->in_width ? x + s->factor : s->in_width;
        for (; x < end; x++, in += 4) {
            sum[0] += in[0];
            sum[1] += in[1];
            sum[2] += in[2];
        }
    }
    s->row++;
    const uint32_t n_rows = (s->row - 1) % s->factor + 1;
    if (n_rows == s->factor || s->row == s->in_height)
        emit(s, n_rows);
}

/* ---- JPEG ---- */

struct jpeg {
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    struct jpeg_decompress_struct cinfo;
    jmp_buf failed;
    struct pixels out;
    uint8_t *cmyk; /* one row, if the file is CMYK */
    struct moa_error *error;
};

__attribute__((noreturn)) static void fail_jpeg(struct jpeg *jpeg, enum moa_err code,
                                                const char *message)
{
    fail(jpeg->error, code, message);
    longjmp(jpeg->failed, 1);
}

static void on_jpeg_error(j_common_ptr common)
{
    struct jpeg *jpeg = common->client_data;
    if (common->err->msg_code == JERR_OUT_OF_MEMORY)
        fail_jpeg(jpeg, MOA_ERR_MEMORY, "out of memory in the JPEG decoder");
    fail_jpeg(jpeg, MOA_ERR_CORRUPT, "JPEG structure is damaged");
}

static void on_jpeg_message(j_common_ptr common, int level)
{
    struct jpeg *jpeg = common->client_data;
    if (level < 0 && common->err->msg_code == JWRN_JPEG_EOF)
        fail_jpeg(jpeg, MOA_ERR_TRUNCATED, "JPEG ends too early");
}

static void on_jpeg_progress(j_common_ptr common)
{
    struct jpeg *jpeg = common->client_data;
    if (jpeg->cinfo.input_scan_number > JPEG_SCANS_MAX)
        fail_jpeg(jpeg, MOA_ERR_UNSUPPORTED, "JPEG with more than 100 scans");
}

static uint8_t remove_ink(uint32_t light, uint32_t ink)
{
    return (uint8_t)((light * (255 - ink) + 127) / 255);
}

/* Adobe writes CMYK inverted, and its marker says that it was Adobe. */
static void bgra_from_cmyk(const struct jpeg *jpeg, uint8_t *out)
{
    const uint8_t invert = jpeg->cinfo.saw_Adobe_marker ? 0xff : 0;
    const uint8_t *in = jpeg->cmyk;
    for (uint32_t x = 0; x < jpeg->out.width_px; x++, in += 4, out += 4) {
        const uint32_t light = 255u - (in[3] ^ invert);
        out[0] = remove_ink(light, in[2] ^ invert);
        out[1] = remove_ink(light, in[1] ^ invert);
        out[2] = remove_ink(light, in[0] ^ invert);
        out[3] = 255;
    }
}

/* 1/2, 1/4 and 1/8 are the reductions that libjpeg-turbo has fast transforms for. One that comes
 * out a little too small saves the decoding of four times the pixels, and the scaling. */
static bool is_near(uint32_t side, unsigned denominator, uint32_t wanted)
{
    return 8 * (uint64_t)((side + denominator - 1) / denominator) >= 7 * (uint64_t)wanted;
}

static unsigned jpeg_denominator(const struct moa_image_info *info, uint32_t wanted_width,
                                 uint32_t wanted_height)
{
    unsigned d = 8;
    while (d > 1 && !(is_near(info->width_px, d, wanted_width) &&
                      is_near(info->height_px, d, wanted_height)))
        d /= 2;
    return d;
}

static void decode_jpeg_rows(struct jpeg *jpeg)
{
    struct jpeg_decompress_struct *cinfo = &jpeg->cinfo;
    const bool is_cmyk = cinfo->jpeg_color_space == JCS_CMYK || cinfo->jpeg_color_space == JCS_YCCK;
    cinfo->out_color_space = is_cmyk ? JCS_CMYK : JCS_EXT_BGRA;
    jpeg_start_decompress(cinfo);
    jpeg->out.width_px = cinfo->output_width;
    jpeg->out.height_px = cinfo->output_height;
    const size_t n = 4 * (size_t)cinfo->output_width;
    jpeg->out.bgra = malloc(n * cinfo->output_height);
    if (is_cmyk)
        jpeg->cmyk = malloc(n);
    if (!jpeg->out.bgra || (is_cmyk && !jpeg->cmyk))
        fail_jpeg(jpeg, MOA_ERR_MEMORY, "out of memory for the pixels");
    while (cinfo->output_scanline < cinfo->output_height) {
        uint8_t *out = jpeg->out.bgra + n * cinfo->output_scanline;
        JSAMPROW row = is_cmyk ? jpeg->cmyk : out;
        jpeg_read_scanlines(cinfo, &row, 1);
        if (is_cmyk)
            bgra_from_cmyk(jpeg, out);
    }
}

static enum moa_err decode_jpeg(struct moa_bytes file, const struct moa_image_info *info,
                                uint32_t wanted_width, uint32_t wanted_height,
                                struct pixels *ret_pixels, struct moa_error *error)
{
    struct jpeg jpeg = {.error = error};
    struct jpeg_decompress_struct *cinfo = &jpeg.cinfo;
    cinfo->err = jpeg_std_error(&jpeg.errors);
    cinfo->client_data = &jpeg;
    jpeg.errors.error_exit = on_jpeg_error;
    jpeg.errors.emit_message = on_jpeg_message;
    jpeg.progress.progress_monitor = on_jpeg_progress;
    error->code = MOA_OK;
    if (setjmp(jpeg.failed) == 0) {
        jpeg_create_decompress(cinfo);
        cinfo->client_data = &jpeg;
        cinfo->progress = &jpeg.progress;
        jpeg_mem_src(cinfo, file.p, file.n);
        jpeg_read_header(cinfo, TRUE);
        /* The limits were checked against the first frame header. */
        if (cinfo->image_width != info->width_px || cinfo->image_height != info->height_px)
            fail_jpeg(&jpeg, MOA_ERR_CORRUPT, "JPEG with two frame headers");
        cinfo->scale_num = 1;
        cinfo->scale_denom = jpeg_denominator(info, wanted_width, wanted_height);
        /* Smooth chroma is for those who see every pixel. */
        cinfo->do_fancy_upsampling = wanted_width == info->width_px;
        decode_jpeg_rows(&jpeg);
    }
    jpeg_destroy_decompress(cinfo);
    free(jpeg.cmyk);
    if (error->code)
        pixels_done(&jpeg.out);
    else
        *ret_pixels = jpeg.out;
    return error->code;
}

/* ---- PNG ---- */

static enum moa_err fail_png(int status, struct moa_error *error)
{
    switch (status) {
    case SPNG_EMEM:
        return fail_memory(error);
    case SPNG_IO_EOF:
    case SPNG_EOF:
    case SPNG_EIDAT_TOO_SHORT:
        return fail(error, MOA_ERR_TRUNCATED, "PNG ends too early");
    case SPNG_ECHUNK_LIMITS:
        return fail(error, MOA_ERR_LIMIT, "PNG with more than 8 MiB of metadata");
    case SPNG_EOVERFLOW:
        return fail(error, MOA_ERR_LIMIT, "interlaced PNG that is too large to be resized");
    default:
        return fail(error, MOA_ERR_CORRUPT, "PNG data is damaged");
    }
}

static void take_rgba_row(struct shrink *s, const uint8_t *rgba)
{
    uint8_t *bgra = s->line;
    for (size_t i = 0; i < s->in_width; i++, rgba += 4, bgra += 4) {
        bgra[0] = rgba[2];
        bgra[1] = rgba[1];
        bgra[2] = rgba[0];
        bgra[3] = rgba[3];
    }
    shrink_row(s);
}

static int decode_png_rows(spng_ctx *ctx, struct shrink *s)
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

static int decode_png_whole(spng_ctx *ctx, struct shrink *s)
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

static int decode_png_into(spng_ctx *ctx, struct moa_bytes file, struct shrink *s)
{
    struct spng_ihdr ihdr;
    int status = spng_set_png_buffer(ctx, file.p, file.n);
    if (!status)
        status = spng_set_chunk_limits(ctx, PNG_METADATA_BYTES_MAX, PNG_METADATA_BYTES_MAX);
    if (!status)
        status = spng_get_ihdr(ctx, &ihdr);
    if (status)
        return status;
    if (ihdr.width != s->in_width || ihdr.height != s->in_height)
        return SPNG_EINVAL;
    return ihdr.interlace_method == SPNG_INTERLACE_NONE ? decode_png_rows(ctx, s)
                                                        : decode_png_whole(ctx, s);
}

static enum moa_err decode_png(struct moa_bytes file, struct shrink *s, struct moa_error *error)
{
    spng_ctx *ctx = spng_ctx_new(0);
    const int status = ctx ? decode_png_into(ctx, file, s) : SPNG_EMEM;
    spng_ctx_free(ctx);
    return status ? fail_png(status, error) : MOA_OK;
}

/* ---- WebP ---- */

static enum moa_err fail_webp(VP8StatusCode status, struct moa_error *error)
{
    switch (status) {
    case VP8_STATUS_OUT_OF_MEMORY:
        return fail_memory(error);
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED:
        return fail(error, MOA_ERR_TRUNCATED, "WebP ends too early");
    default:
        return fail(error, MOA_ERR_CORRUPT, "WebP data is damaged");
    }
}

/* One frame, scaled to `width` x `height` by libwebp. */
static enum moa_err decode_webp_frame(const WebPData *frame, uint32_t width, uint32_t height,
                                      struct pixels *ret_pixels, struct moa_error *error)
{
    WebPDecoderConfig config;
    struct pixels out = {malloc((size_t)width * height * 4), width, height};
    if (!out.bgra || !WebPInitDecoderConfig(&config)) {
        pixels_done(&out);
        return fail_memory(error);
    }
    config.options.use_scaling = 1;
    config.options.scaled_width = (int)width;
    config.options.scaled_height = (int)height;
    config.output.colorspace = MODE_BGRA;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = out.bgra;
    config.output.u.RGBA.stride = (int)(4 * width);
    config.output.u.RGBA.size = (size_t)width * height * 4;
    const VP8StatusCode status = WebPDecode(frame->bytes, frame->size, &config);
    WebPFreeDecBuffer(&config.output);
    if (status != VP8_STATUS_OK) {
        pixels_done(&out);
        return fail_webp(status, error);
    }
    flatten(out.bgra, (size_t)width * height);
    *ret_pixels = out;
    return MOA_OK;
}

/* A first frame that covers only a part of its canvas: the rest is white. */
static enum moa_err decode_webp_part(const WebPIterator *frame, const struct moa_image_info *info,
                                     struct pixels *ret_pixels, struct moa_error *error)
{
    if ((uint64_t)info->width_px * info->height_px > WHOLE_PX_MAX)
        return fail(error, MOA_ERR_LIMIT, "WebP animation that is too large to be resized");
    const size_t x0 = (size_t)frame->x_offset, y0 = (size_t)frame->y_offset;
    if (x0 + (size_t)frame->width > info->width_px || y0 + (size_t)frame->height > info->height_px)
        return fail(error, MOA_ERR_CORRUPT, "WebP frame outside of its canvas");
    struct pixels part;
    const enum moa_err err = decode_webp_frame(&frame->fragment, (uint32_t)frame->width,
                                               (uint32_t)frame->height, &part, error);
    if (err)
        return err;
    const size_t n = (size_t)info->width_px * info->height_px * 4;
    struct pixels out = {malloc(n), info->width_px, info->height_px};
    if (out.bgra)
        memset(out.bgra, 0xff, n);
    for (size_t y = 0; out.bgra && y < part.height_px; y++)
        memcpy(out.bgra + 4 * ((y0 + y) * info->width_px + x0), part.bgra + 4 * y * part.width_px,
               4 * (size_t)part.width_px);
    pixels_done(&part);
    if (!out.bgra)
        return fail_memory(error);
    *ret_pixels = out;
    return MOA_OK;
}

static enum moa_err decode_webp(struct moa_bytes file, const struct moa_image_info *info,
                                uint32_t wanted_width, uint32_t wanted_height,
                                struct pixels *ret_pixels, struct moa_error *error)
{
    const WebPData data = {file.p, file.n};
    WebPDemuxer *demuxer = WebPDemux(&data);
    WebPIterator frame;
    if (!demuxer || !WebPDemuxGetFrame(demuxer, 1, &frame)) {
        WebPDemuxDelete(demuxer);
        return fail(error, MOA_ERR_CORRUPT, "WebP data is damaged");
    }
    const bool covers = frame.x_offset == 0 && frame.y_offset == 0 &&
                        (uint32_t)frame.width == info->width_px &&
                        (uint32_t)frame.height == info->height_px;
    const enum moa_err err =
        covers ? decode_webp_frame(&frame.fragment, wanted_width, wanted_height, ret_pixels, error)
               : decode_webp_part(&frame, info, ret_pixels, error);
    WebPDemuxReleaseIterator(&frame);
    WebPDemuxDelete(demuxer);
    return err;
}

/* ---- GIF ---- */

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
            return fail(error, MOA_ERR_TRUNCATED, "GIF without an image");
        if (type == IMAGE_DESC_RECORD_TYPE)
            break;
        int code;
        GifByteType *block;
        if (DGifGetExtension(gif, &code, &block) == GIF_ERROR)
            return fail(error, MOA_ERR_CORRUPT, "GIF data is damaged");
        while (block) {
            GraphicsControlBlock control;
            if (code == GRAPHICS_EXT_FUNC_CODE &&
                DGifExtensionToGCB(block[0], block + 1, &control) == GIF_OK)
                *ret_transparent = control.TransparentColor;
            if (DGifGetExtensionNext(gif, &block) == GIF_ERROR)
                return fail(error, MOA_ERR_CORRUPT, "GIF data is damaged");
        }
    }
    if (DGifGetImageDesc(gif) == GIF_ERROR || gif->Image.Width < 1 || gif->Image.Height < 1)
        return fail(error, MOA_ERR_CORRUPT, "GIF image header is damaged");
    if (!gif->Image.ColorMap && !gif->SColorMap)
        return fail(error, MOA_ERR_CORRUPT, "GIF without colours");
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
        fail(error, MOA_ERR_LIMIT, "GIF that is too large to be resized");
        return NULL;
    }
    uint8_t *indices = malloc((size_t)width * (size_t)height);
    if (!indices) {
        fail_memory(error);
        return NULL;
    }
    const size_t from = gif->Image.Interlace ? 0 : 4, to = gif->Image.Interlace ? 4 : 5;
    for (size_t pass = from; pass < to; pass++) {
        for (int y = passes[pass].first; y < height; y += passes[pass].step) {
            if (DGifGetLine(gif, indices + (size_t)y * (size_t)width, width) == GIF_OK)
                continue;
            fail(error, MOA_ERR_CORRUPT, "GIF data is damaged");
            free(indices);
            return NULL;
        }
    }
    return indices;
}

static void paint_gif_row(const GifFileType *gif, const uint8_t *indices, int transparent,
                          struct shrink *s)
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

static enum moa_err decode_gif_into(GifFileType *gif, struct shrink *s, struct moa_error *error)
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
        shrink_row(s);
    }
    free(indices);
    return MOA_OK;
}

static enum moa_err decode_gif(struct moa_bytes file, struct shrink *s, struct moa_error *error)
{
    int code;
    GifFileType *gif = DGifOpen(&file, read_gif, &code);
    if (!gif)
        return fail(error, code == D_GIF_ERR_NOT_ENOUGH_MEM ? MOA_ERR_MEMORY : MOA_ERR_CORRUPT,
                    "GIF header is damaged");
    const enum moa_err err = decode_gif_into(gif, s, error);
    DGifCloseFile(gif, &code);
    return err;
}

/* ---- any of them ---- */

static enum moa_err decode_by_rows(struct moa_bytes file, const struct moa_image_info *info,
                                   uint32_t wanted_width, uint32_t wanted_height,
                                   struct pixels *ret_pixels, struct moa_error *error)
{
    struct shrink s;
    enum moa_err err;
    if (!shrink_init(&s, info->width_px, info->height_px, wanted_width, wanted_height))
        err = fail_memory(error);
    else if (info->format == MOA_IMAGE_PNG)
        err = decode_png(file, &s, error);
    else
        err = decode_gif(file, &s, error);
    if (!err) {
        *ret_pixels = s.out;
        s.out.bgra = NULL;
    }
    shrink_done(&s);
    return err;
}

enum moa_err pixels_decode(struct moa_bytes file, const struct moa_image_info *info,
                           uint32_t width_px, uint32_t height_px, struct pixels *ret_pixels,
                           struct moa_error *ret_error)
{
    switch (info->format) {
    case MOA_IMAGE_JPEG:
        return decode_jpeg(file, info, width_px, height_px, ret_pixels, ret_error);
    case MOA_IMAGE_WEBP:
        return decode_webp(file, info, width_px, height_px, ret_pixels, ret_error);
    case MOA_IMAGE_PNG:
    case MOA_IMAGE_GIF:
        return decode_by_rows(file, info, width_px, height_px, ret_pixels, ret_error);
    case MOA_IMAGE_UNKNOWN:
        break;
    }
    return fail(ret_error, MOA_ERR_UNSUPPORTED, "pixels of this format are not decoded");
}
