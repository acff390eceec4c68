/* SPDX-License-Identifier: Apache-2.0
 *
 * WebP to luma rows by libwebp. Lossy images give their own Y plane, which is studio range and is
 * expanded; lossless ones are RGB. The decoder has no row interface: the planes are held whole.
 * Of an animation the first frame is scored if it covers the canvas, else the file is refused.
 */
#include "image_decode.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <webp/decode.h>

#include "kernels.h"

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

static uint32_t le24(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16;
}

static size_t le32(const uint8_t *p)
{
    return (size_t)le24(p) | (size_t)p[3] << 24;
}

/* The bitstream chunk of the first ANMF frame (RFC 9649, section 2.7.1). libwebp decodes it without
 * the container around it. */
static enum moa_err first_frame(struct moa_bytes file, const struct moa_image_info *info,
                                struct moa_bytes *ret_frame, struct moa_error *error)
{
    const uint8_t *p = file.p;
    size_t at = 12;
    while (at + 8 <= file.n && memcmp(p + at, "ANMF", 4) != 0) {
        const size_t size = le32(p + at + 4);
        at += 8 + size + (size & 1);
    }
    /* Header of the chunk, 16 bytes of frame parameters, header of the chunk inside. */
    if (at + 8 + 16 + 8 > file.n)
        return moa_fail(error, MOA_ERR_TRUNCATED, file.n, "WebP ends before its first frame");
    const uint8_t *frame = p + at + 8;
    if (le24(frame) != 0 || le24(frame + 3) != 0 || le24(frame + 6) + 1 != info->width_px ||
        le24(frame + 9) + 1 != info->height_px)
        return moa_fail(error, MOA_ERR_UNSUPPORTED, at,
                        "WebP animation whose first frame does not cover its canvas");
    const size_t size = le32(p + at + 4);
    size_t inner = at + 8 + 16;
    const size_t end = size <= file.n - at - 8 ? at + 8 + size : file.n;
    while (inner + 8 <= end && memcmp(p + inner, "VP8", 3) != 0) {
        const size_t skipped = le32(p + inner + 4);
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

enum moa_err moa_decode_webp(const struct moa_decode_job *job, struct moa_error *error)
{
    const struct moa_image_info *info = &job->info;
    struct moa_bytes file = job->file;
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
            push_lossy(&config.output.u.YUVA, info, job->scan);
        else
            push_lossless(&config.output.u.RGBA, info, job->scan);
    }
    WebPFreeDecBuffer(&config.output);
    return status == VP8_STATUS_OK ? MOA_OK : fail_webp(status, error);
}
