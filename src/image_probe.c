/* SPDX-License-Identifier: Apache-2.0
 *
 * Format, width and height from the first bytes of an image file, without a decoder: the limits
 * are checked on what this says before anything is allocated, and `--header-only` needs no more.
 * Formats: ITU T.81 annex B (JPEG), PNG 1.2 chapter 3, RFC 9649 (WebP), GIF89a.
 */
#include <stdbool.h>
#include <string.h>

#include "image_decode.h"

static uint32_t le16(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static uint32_t le24(const uint8_t *p)
{
    return le16(p) | (uint32_t)p[2] << 16;
}

static uint32_t be16(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | (uint32_t)p[1];
}

static uint32_t be32(const uint8_t *p)
{
    return be16(p) << 16 | be16(p + 2);
}

/* A frame header, SOF0 to SOF15; DHT, JPG and DAC lie between them. */
static bool is_frame_marker(uint8_t marker)
{
    return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
}

/* Markers without a length: TEM and RST0 to RST7. */
static bool is_bare_marker(uint8_t marker)
{
    return marker == 0x01 || (marker >= 0xd0 && marker <= 0xd7);
}

static enum moa_err probe_jpeg(const uint8_t *p, size_t n, struct moa_image_info *ret_info,
                               struct moa_error *error)
{
    size_t at = 2;
    for (;;) {
        if (at + 4 > n)
            return moa_fail(error, MOA_ERR_TRUNCATED, n, "JPEG ends before its frame header");
        const uint8_t marker = p[at + 1];
        if (p[at] != 0xff || marker == 0xff) {
            at++; /* stray bytes, which decoders pass over, or fill bytes before a marker */
            continue;
        }
        if (is_bare_marker(marker)) {
            at += 2;
            continue;
        }
        if (marker == 0xd9 || marker == 0xda)
            return moa_fail(error, MOA_ERR_CORRUPT, at, "JPEG without a frame header");
        const size_t length = be16(p + at + 2);
        if (length < 2)
            return moa_fail(error, MOA_ERR_CORRUPT, at, "JPEG segment length below 2");
        if (is_frame_marker(marker)) {
            if (length < 8)
                return moa_fail(error, MOA_ERR_CORRUPT, at, "JPEG frame header too short");
            if (at + 9 > n)
                return moa_fail(error, MOA_ERR_TRUNCATED, n, "JPEG ends in its frame header");
            ret_info->height_px = be16(p + at + 5);
            ret_info->width_px = be16(p + at + 7);
            return MOA_OK;
        }
        at += 2 + length;
    }
}

static enum moa_err probe_png(const uint8_t *p, size_t n, struct moa_image_info *ret_info,
                              struct moa_error *error)
{
    if (n < 24)
        return moa_fail(error, MOA_ERR_TRUNCATED, n, "PNG ends in its header");
    if (memcmp(p + 12, "IHDR", 4) != 0)
        return moa_fail(error, MOA_ERR_CORRUPT, 12, "PNG without IHDR first");
    ret_info->width_px = be32(p + 16);
    ret_info->height_px = be32(p + 20);
    if (ret_info->width_px > INT32_MAX || ret_info->height_px > INT32_MAX)
        return moa_fail(error, MOA_ERR_CORRUPT, 16, "PNG side above 2^31 - 1");
    return MOA_OK;
}

static enum moa_err probe_webp(const uint8_t *p, size_t n, struct moa_image_info *ret_info,
                               struct moa_error *error)
{
    /* 12 bytes RIFF header, 8 bytes chunk header, then up to 10 bytes with the size. */
    if (n < 30)
        return moa_fail(error, MOA_ERR_TRUNCATED, n, "WebP ends in its header");
    const uint8_t *chunk = p + 20;
    if (memcmp(p + 12, "VP8X", 4) == 0) {
        ret_info->width_px = le24(chunk + 4) + 1;
        ret_info->height_px = le24(chunk + 7) + 1;
    } else if (memcmp(p + 12, "VP8L", 4) == 0) {
        if (chunk[0] != 0x2f)
            return moa_fail(error, MOA_ERR_CORRUPT, 20, "WebP lossless signature missing");
        const uint32_t bits = le16(chunk + 1) | le16(chunk + 3) << 16;
        ret_info->width_px = (bits & 0x3fff) + 1;
        ret_info->height_px = (bits >> 14 & 0x3fff) + 1;
    } else if (memcmp(p + 12, "VP8 ", 4) == 0) {
        if (chunk[3] != 0x9d || chunk[4] != 0x01 || chunk[5] != 0x2a)
            return moa_fail(error, MOA_ERR_CORRUPT, 23, "WebP key frame start code missing");
        ret_info->width_px = le16(chunk + 6) & 0x3fff;
        ret_info->height_px = le16(chunk + 8) & 0x3fff;
    } else {
        return moa_fail(error, MOA_ERR_CORRUPT, 12, "WebP starts with an unknown chunk");
    }
    return MOA_OK;
}

static enum moa_err probe_gif(const uint8_t *p, size_t n, struct moa_image_info *ret_info,
                              struct moa_error *error)
{
    if (n < 10)
        return moa_fail(error, MOA_ERR_TRUNCATED, n, "GIF ends in its header");
    ret_info->width_px = le16(p + 6);
    ret_info->height_px = le16(p + 8);
    return MOA_OK;
}

typedef enum moa_err probe_fn(const uint8_t *p, size_t n, struct moa_image_info *ret_info,
                              struct moa_error *error);

static probe_fn *probe_of(const uint8_t *p, size_t n, enum moa_image_format *ret_format)
{
    static const uint8_t png[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    if (n >= 3 && p[0] == 0xff && p[1] == 0xd8 && p[2] == 0xff) {
        *ret_format = MOA_IMAGE_JPEG;
        return probe_jpeg;
    }
    if (n >= sizeof(png) && memcmp(p, png, sizeof(png)) == 0) {
        *ret_format = MOA_IMAGE_PNG;
        return probe_png;
    }
    if (n >= 12 && memcmp(p, "RIFF", 4) == 0 && memcmp(p + 8, "WEBP", 4) == 0) {
        *ret_format = MOA_IMAGE_WEBP;
        return probe_webp;
    }
    if (n >= 6 && (memcmp(p, "GIF87a", 6) == 0 || memcmp(p, "GIF89a", 6) == 0)) {
        *ret_format = MOA_IMAGE_GIF;
        return probe_gif;
    }
    return NULL;
}

enum moa_err moa_probe(struct moa_bytes file, struct moa_image_info *ret_info,
                       struct moa_error *error)
{
    struct moa_image_info info = {.format = MOA_IMAGE_UNKNOWN};
    probe_fn *probe = probe_of(file.p, file.n, &info.format);
    if (!probe)
        return moa_fail(error, MOA_ERR_FORMAT, 0, "no JPEG, PNG, WebP or GIF");
    const enum moa_err err = probe(file.p, file.n, &info, error);
    if (err)
        return err;
    if (info.width_px == 0 || info.height_px == 0)
        return moa_fail(error, MOA_ERR_CORRUPT, 0, "image with a side of 0 px");
    *ret_info = info;
    return MOA_OK;
}
