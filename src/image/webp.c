/* SPDX-License-Identifier: Apache-2.0
 *
 * WebP (RFC 9649) by libwebp. Lossy pictures give their own Y plane, which is studio range and is
 * expanded; lossless ones are RGB. The decoder has no row interface: the planes are held whole.
 * Of an animation the first frame is scored if it covers the canvas, else the file is refused.
 */
#include "format.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <webp/decode.h>
#include <webp/demux.h>

#include "../kernels.h"

/* What fitted the sizes of photographs best; docs/perceive.md says how. */
static const double lossy_rate = 0.0345; /* of the logarithm, per quantiser index */
static const double lossy_reference_index = 5.8;
static const double lossless_factor = 0.268;
static const double lossless_exponent = 0.694;

#define WHOLE_PX_MAX ((uint64_t)24 << 20) /* of a canvas that the first frame does not cover */

/* ---- the header ---- */

static bool sniff_webp(const uint8_t *p, size_t n)
{
    return n >= 12 && memcmp(p, "RIFF", 4) == 0 && memcmp(p + 8, "WEBP", 4) == 0;
}

static enum moa_err probe_webp(const uint8_t *p, size_t n, struct moa_image_info *ret_info,
                               struct moa_error *error)
{
    /* 12 bytes RIFF header, 8 bytes chunk header, then up to 10 bytes with the size. */
    if (n < 30)
        return moa_fail(error, MOA_ERR_TRUNCATED, n, "WebP ends in its header");
    const uint8_t *chunk = p + 20;
    if (memcmp(p + 12, "VP8X", 4) == 0) {
        ret_info->width_px = moa_le24(chunk + 4) + 1;
        ret_info->height_px = moa_le24(chunk + 7) + 1;
    } else if (memcmp(p + 12, "VP8L", 4) == 0) {
        if (chunk[0] != 0x2f)
            return moa_fail(error, MOA_ERR_CORRUPT, 20, "WebP lossless signature missing");
        const uint32_t bits = moa_le16(chunk + 1) | moa_le16(chunk + 3) << 16;
        ret_info->width_px = (bits & 0x3fff) + 1;
        ret_info->height_px = (bits >> 14 & 0x3fff) + 1;
    } else if (memcmp(p + 12, "VP8 ", 4) == 0) {
        if (chunk[3] != 0x9d || chunk[4] != 0x01 || chunk[5] != 0x2a)
            return moa_fail(error, MOA_ERR_CORRUPT, 23, "WebP key frame start code missing");
        ret_info->width_px = moa_le16(chunk + 6) & 0x3fff;
        ret_info->height_px = moa_le16(chunk + 8) & 0x3fff;
    } else {
        return moa_fail(error, MOA_ERR_CORRUPT, 12, "WebP starts with an unknown chunk");
    }
    return MOA_OK;
}

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

/* The first VP8 or VP8L chunk; an extended file has others before it. */
static void header_of_webp(struct moa_bytes file, struct moa_image_header *header)
{
    const uint8_t *p = file.p;
    size_t at = 12;
    while (at + 8 <= file.n && memcmp(p + at, "VP8 ", 4) != 0 && memcmp(p + at, "VP8L", 4) != 0) {
        const size_t size = moa_le32(p + at + 4);
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
            header->bits_per_pixel * exp(lossy_rate * (header->quantiser - lossy_reference_index));
        return;
    }
    header->bits_per_pixel_normal =
        lossless_factor * pow(header->bits_per_pixel, lossless_exponent);
}

static struct moa_bytes exif_of_webp(struct moa_bytes file)
{
    const uint8_t *p = file.p;
    for (size_t at = 12; at + 8 <= file.n;) {
        const size_t n = moa_le32(p + at + 4);
        if (memcmp(p + at, "EXIF", 4) == 0) {
            /* Some writers put JPEG's prefix before it. */
            struct moa_bytes exif = moa_part_of(file, at + 8, n);
            bool prefixed = exif.n >= 6 && memcmp(exif.p, "Exif\0", 6) == 0;
            return prefixed ? moa_part_of(exif, 6, exif.n - 6) : exif;
        }
        at += 8 + n + (n & 1);
    }
    return (struct moa_bytes){NULL, 0};
}

/* ---- luma ---- */

static enum moa_err fail_webp(VP8StatusCode status, struct moa_error *error)
{
    switch (status) {
    case VP8_STATUS_OUT_OF_MEMORY:
        return moa_fail(error, MOA_ERR_MEMORY, 0, "out of memory in the WebP decoder");
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED:
        return moa_fail(error, MOA_ERR_TRUNCATED, 0, "WebP ends too early");
    case VP8_STATUS_UNSUPPORTED_FEATURE:
        return moa_fail(error, MOA_ERR_UNSUPPORTED, 0, "WebP feature is not supported");
    default:
        return moa_fail(error, MOA_ERR_CORRUPT, 0, "WebP data is damaged");
    }
}

/* The bitstream chunk of the first ANMF frame (RFC 9649, section 2.7.1). libwebp decodes it without
 * the container around it. */
static enum moa_err first_frame(struct moa_bytes file, const struct moa_image_info *info,
                                struct moa_bytes *ret_frame, struct moa_error *error)
{
    const uint8_t *p = file.p;
    size_t at = 12;
    while (at + 8 <= file.n && memcmp(p + at, "ANMF", 4) != 0) {
        const size_t size = moa_le32(p + at + 4);
        at += 8 + size + (size & 1);
    }
    /* Header of the chunk, 16 bytes of frame parameters, header of the chunk inside. */
    if (at + 8 + 16 + 8 > file.n)
        return moa_fail(error, MOA_ERR_TRUNCATED, file.n, "WebP ends before its first frame");
    const uint8_t *frame = p + at + 8;
    if (moa_le24(frame) != 0 || moa_le24(frame + 3) != 0 ||
        moa_le24(frame + 6) + 1 != info->width_px || moa_le24(frame + 9) + 1 != info->height_px)
        return moa_fail(error, MOA_ERR_UNSUPPORTED, at,
                        "WebP animation whose first frame does not cover its canvas");
    const size_t size = moa_le32(p + at + 4);
    size_t inner = at + 8 + 16;
    const size_t end = size <= file.n - at - 8 ? at + 8 + size : file.n;
    while (inner + 8 <= end && memcmp(p + inner, "VP8", 3) != 0) {
        const size_t skipped = moa_le32(p + inner + 4);
        inner += 8 + skipped + (skipped & 1);
    }
    if (inner + 8 > end)
        return moa_fail(error, MOA_ERR_CORRUPT, at, "WebP frame without a bitstream");
    *ret_frame = (struct moa_bytes){p + inner, end - inner};
    return MOA_OK;
}

/* [16, 235] to [0, 255], rounded; what lies outside is clipped. */
static void fill_range_table(uint8_t ret_full[256])
{
    for (int y = 0; y < 256; y++) {
        const int studio = y < 16 ? 0 : y > 235 ? 219 : y - 16;
        ret_full[y] = (uint8_t)((studio * 255 + 109) / 219);
    }
}

static void push_lossy(const WebPYUVABuffer *yuv, const struct moa_image_info *info,
                       struct moa_luma_scan *scan)
{
    uint8_t full[256];
    fill_range_table(full);
    for (uint32_t y = 0; y < info->height_px; y++) {
        const uint8_t *in = yuv->y + (size_t)y * (size_t)yuv->y_stride;
        uint8_t *out = moa_scan_space(scan, 0);
        for (uint32_t x = 0; x < info->width_px; x++)
            out[x] = full[in[x]];
        moa_scan_push(scan, 1);
    }
}

static void push_lossless(const WebPRGBABuffer *rgb, const struct moa_image_info *info,
                          struct moa_luma_scan *scan)
{
    for (uint32_t y = 0; y < info->height_px; y++) {
        moa_kernels_get()->luma_from_rgb(rgb->rgba + (size_t)y * (size_t)rgb->stride,
                                         info->width_px, moa_scan_space(scan, 0));
        moa_scan_push(scan, 1);
    }
}

static enum moa_err luma_of_webp(const struct moa_picture *picture, enum moa_image_mode mode,
                                 struct moa_luma_scan *scan, struct moa_error *error)
{
    (void)mode;
    const struct moa_image_info *info = &picture->info;
    struct moa_bytes file = picture->file;
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config))
        return moa_fail(error, MOA_ERR_UNSUPPORTED, 0, "libwebp of another version");
    VP8StatusCode status = WebPGetFeatures(file.p, file.n, &config.input);
    if (status == VP8_STATUS_OK && config.input.has_animation) {
        const enum moa_err err = first_frame(file, info, &file, error);
        if (err)
            return err;
        status = WebPGetFeatures(file.p, file.n, &config.input);
    }
    if (status != VP8_STATUS_OK)
        return fail_webp(status, error);
    if ((uint32_t)config.input.width != info->width_px ||
        (uint32_t)config.input.height != info->height_px)
        return moa_fail(error, MOA_ERR_CORRUPT, 0, "WebP sizes contradict each other");

    const bool is_lossy = config.input.format == 1;
    config.output.colorspace = is_lossy ? MODE_YUV : MODE_RGB;
    status = WebPDecode(file.p, file.n, &config);
    if (status == VP8_STATUS_OK) {
        if (is_lossy)
            push_lossy(&config.output.u.YUVA, info, scan);
        else
            push_lossless(&config.output.u.RGBA, info, scan);
    }
    WebPFreeDecBuffer(&config.output);
    return status == VP8_STATUS_OK ? MOA_OK : fail_webp(status, error);
}

/* ---- pixels ---- */

/* One frame, scaled to `width` x `height` by libwebp. */
static enum moa_err pixels_of_frame(const WebPData *frame, uint32_t width, uint32_t height,
                                    struct moa_pixels *ret_pixels, struct moa_error *error)
{
    WebPDecoderConfig config;
    struct moa_pixels out;
    if (!moa_pixels_init(&out, width, height) || !WebPInitDecoderConfig(&config)) {
        moa_pixels_done(&out);
        return moa_fail_memory(error);
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
        moa_pixels_done(&out);
        return fail_webp(status, error);
    }
    moa_pixels_flatten(out.bgra, (size_t)width * height);
    *ret_pixels = out;
    return MOA_OK;
}

/* A first frame that covers only a part of its canvas: the rest is white. */
static enum moa_err pixels_of_part(const WebPIterator *frame, const struct moa_image_info *info,
                                   struct moa_pixels *ret_pixels, struct moa_error *error)
{
    if ((uint64_t)info->width_px * info->height_px > WHOLE_PX_MAX)
        return moa_fail(error, MOA_ERR_LIMIT, 0, "WebP animation that is too large to be resized");
    const size_t x0 = (size_t)frame->x_offset, y0 = (size_t)frame->y_offset;
    if (x0 + (size_t)frame->width > info->width_px || y0 + (size_t)frame->height > info->height_px)
        return moa_fail(error, MOA_ERR_CORRUPT, 0, "WebP frame outside of its canvas");
    struct moa_pixels part;
    const enum moa_err err = pixels_of_frame(&frame->fragment, (uint32_t)frame->width,
                                             (uint32_t)frame->height, &part, error);
    if (err)
        return err;
    struct moa_pixels out;
    if (moa_pixels_init(&out, info->width_px, info->height_px))
        memset(out.bgra, 0xff, (size_t)info->width_px * info->height_px * 4);
    for (size_t y = 0; out.bgra && y < part.height_px; y++)
        memcpy(out.bgra + 4 * ((y0 + y) * info->width_px + x0), part.bgra + 4 * y * part.width_px,
               4 * (size_t)part.width_px);
    moa_pixels_done(&part);
    if (!out.bgra)
        return moa_fail_memory(error);
    *ret_pixels = out;
    return MOA_OK;
}

static enum moa_err pixels_of_webp(const struct moa_picture *picture, uint32_t width_px,
                                   uint32_t height_px, struct moa_pixels *ret_pixels,
                                   struct moa_error *error)
{
    const struct moa_image_info *info = &picture->info;
    const WebPData data = {picture->file.p, picture->file.n};
    WebPDemuxer *demuxer = WebPDemux(&data);
    WebPIterator frame;
    if (!demuxer || !WebPDemuxGetFrame(demuxer, 1, &frame)) {
        WebPDemuxDelete(demuxer);
        return moa_fail(error, MOA_ERR_CORRUPT, 0, "WebP data is damaged");
    }
    const bool covers = frame.x_offset == 0 && frame.y_offset == 0 &&
                        (uint32_t)frame.width == info->width_px &&
                        (uint32_t)frame.height == info->height_px;
    const enum moa_err err =
        covers ? pixels_of_frame(&frame.fragment, width_px, height_px, ret_pixels, error)
               : pixels_of_part(&frame, info, ret_pixels, error);
    WebPDemuxReleaseIterator(&frame);
    WebPDemuxDelete(demuxer);
    return err;
}

const struct moa_format moa_format_webp = {
    .name = "webp",
    .mime = "image/webp",
    .sniff = sniff_webp,
    .probe = probe_webp,
    .header = header_of_webp,
    .exif = exif_of_webp,
    .luma = luma_of_webp,
    .pixels = pixels_of_webp,
};
