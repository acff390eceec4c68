/* SPDX-License-Identifier: Apache-2.0
 *
 * WebP (RFC 9649) by libwebp, which has no row interface: a frame is held whole. Luma comes of RGB,
 * as of every other format; the planes of a lossy picture go to a JPEG without a detour. Of an
 * animation it is the first frame, on a white canvas.
 */
#include "format.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <webp/decode.h>
#include <webp/demux.h>

#include "shrink.h"

/* What fitted the sizes of photographs best; docs/perceive.md says how. */
static const double lossy_rate = 0.0345; /* of the logarithm, per quantiser index */
static const double lossy_reference_index = 5.8;
static const double lossless_factor = 0.268;
static const double lossless_exponent = 0.694;

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

/* ---- the first frame ---- */

struct webp {
    const struct moa_picture *picture;
    WebPDemuxer *demuxer; /* of an animation */
    WebPIterator frame;
    struct moa_bytes file; /* that frame, or the whole file */
    uint32_t x, y;         /* where it lies on the canvas */
    WebPDecoderConfig config;
};

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

static enum moa_err find_first_frame(struct webp *webp, struct moa_error *error)
{
    const WebPData data = {webp->file.p, webp->file.n};
    WebPDemuxState state = WEBP_DEMUX_PARSE_ERROR;
    webp->demuxer = WebPDemuxPartial(&data, &state);
    if (!webp->demuxer)
        return fail_webp(state == WEBP_DEMUX_PARSE_ERROR ? VP8_STATUS_BITSTREAM_ERROR
                                                         : VP8_STATUS_OUT_OF_MEMORY,
                         error);
    if (!WebPDemuxGetFrame(webp->demuxer, 1, &webp->frame) || !webp->frame.complete)
        return fail_webp(VP8_STATUS_NOT_ENOUGH_DATA, error);
    webp->file = (struct moa_bytes){webp->frame.fragment.bytes, webp->frame.fragment.size};
    webp->x = (uint32_t)webp->frame.x_offset;
    webp->y = (uint32_t)webp->frame.y_offset;
    return MOA_OK;
}

static enum moa_err open_webp(struct webp *webp, const struct moa_picture *picture,
                              struct moa_error *error)
{
    *webp = (struct webp){.picture = picture, .file = picture->file};
    if (!WebPInitDecoderConfig(&webp->config))
        return moa_fail(error, MOA_ERR_UNSUPPORTED, 0, "libwebp of another version");
    WebPBitstreamFeatures *features = &webp->config.input;
    VP8StatusCode status = WebPGetFeatures(webp->file.p, webp->file.n, features);
    if (status == VP8_STATUS_OK && features->has_animation) {
        const enum moa_err err = find_first_frame(webp, error);
        if (err)
            return err;
        status = WebPGetFeatures(webp->file.p, webp->file.n, features);
    }
    if (status != VP8_STATUS_OK)
        return fail_webp(status, error);
    const uint64_t right = (uint64_t)webp->x + (uint32_t)features->width;
    const uint64_t bottom = (uint64_t)webp->y + (uint32_t)features->height;
    const struct moa_image_info *info = &picture->info;
    const bool fits = webp->demuxer ? right <= info->width_px && bottom <= info->height_px
                                    : right == info->width_px && bottom == info->height_px;
    return fits ? MOA_OK : moa_fail(error, MOA_ERR_CORRUPT, 0, "WebP sizes contradict each other");
}

static bool covers_canvas(const struct webp *webp)
{
    return (uint32_t)webp->config.input.width == webp->picture->info.width_px &&
           (uint32_t)webp->config.input.height == webp->picture->info.height_px;
}

static enum moa_err decode(struct webp *webp, WEBP_CSP_MODE mode, struct moa_error *error)
{
    webp->config.output.colorspace = mode;
    const VP8StatusCode status = WebPDecode(webp->file.p, webp->file.n, &webp->config);
    return status == VP8_STATUS_OK ? MOA_OK : fail_webp(status, error);
}

static void close_webp(struct webp *webp)
{
    WebPFreeDecBuffer(&webp->config.output);
    if (webp->demuxer)
        WebPDemuxReleaseIterator(&webp->frame);
    WebPDemuxDelete(webp->demuxer);
}

/* ---- rows ---- */

static void push_rows(const struct webp *webp, uint8_t *canvas, struct moa_rows *rows)
{
    const struct moa_image_info *info = &webp->picture->info;
    const WebPRGBABuffer *frame = &webp->config.output.u.RGBA;
    const uint32_t width = (uint32_t)webp->config.input.width;
    const uint32_t height = (uint32_t)webp->config.input.height;
    const unsigned n_channels = webp->config.input.has_alpha ? 4 : 3;
    if (!covers_canvas(webp))
        rows->notes |= MOA_IMAGE_TRANSPARENT;
    for (uint32_t y = 0; y < info->height_px; y++) {
        const bool is_painted = y >= webp->y && y - webp->y < height;
        if (!covers_canvas(webp))
            memset(canvas, 0xff, 3 * (size_t)info->width_px);
        if (is_painted &&
            moa_lay_on_white(frame->rgba + (size_t)(y - webp->y) * (size_t)frame->stride, width,
                             n_channels, canvas + 3 * (size_t)webp->x))
            rows->notes |= MOA_IMAGE_TRANSPARENT;
        rows->push(rows, canvas);
    }
}

static enum moa_err rows_of_webp(const struct moa_picture *picture, struct moa_rows *rows,
                                 struct moa_error *error)
{
    struct webp webp;
    uint8_t *canvas = NULL;
    enum moa_err err = open_webp(&webp, picture, error);
    if (!err)
        err = decode(&webp, webp.config.input.has_alpha ? MODE_RGBA : MODE_RGB, error);
    if (!err) {
        canvas = malloc(3 * (size_t)picture->info.width_px);
        if (!canvas || !rows->begin(rows, 3))
            err = moa_fail_memory(error);
    }
    if (!err)
        push_rows(&webp, canvas, rows);
    free(canvas);
    close_webp(&webp);
    return err;
}

/* ---- planes ---- */

/* From studio range to full range, rounded; what lies outside is clipped. */
static void fill_tables(uint8_t ret_luma[256], uint8_t ret_chroma[256])
{
    for (int i = 0; i < 256; i++) {
        const int y = i < 16 ? 0 : i > 235 ? 219 : i - 16;
        const int c = i < 16 ? 0 : i > 240 ? 224 : i - 16;
        ret_luma[i] = (uint8_t)((y * 255 + 109) / 219);
        ret_chroma[i] = (uint8_t)((c * 255 + 112) / 224);
    }
}

static bool shrink_plane(const uint8_t *in, int stride, uint32_t width, uint32_t height,
                         const uint8_t table[256], struct moa_plane *out)
{
    struct moa_shrink shrink;
    const bool ok = moa_shrink_init(&shrink, width, height, out);
    for (uint32_t y = 0; ok && y < height; y++)
        moa_shrink_row(&shrink, in + (size_t)y * (size_t)stride);
    moa_shrink_done(&shrink);
    for (size_t y = 0; ok && y < out->height; y++) {
        uint8_t *row = out->p + y * out->stride_bytes;
        for (uint32_t x = 0; x < out->width; x++)
            row[x] = table[row[x]];
    }
    return ok;
}

static enum moa_err planes_of_frame(struct webp *webp, const struct moa_wanted *wanted,
                                    struct moa_pixels *out, struct moa_error *error)
{
    const enum moa_err err = decode(webp, MODE_YUV, error);
    if (err)
        return err;
    const WebPYUVABuffer *yuv = &webp->config.output.u.YUVA;
    const uint32_t width = webp->picture->info.width_px, height = webp->picture->info.height_px;
    const uint32_t half_width = (width + 1) / 2, half_height = (height + 1) / 2;
    uint8_t luma[256], chroma[256];
    fill_tables(luma, chroma);
    const bool ok =
        moa_pixels_init(out, MOA_COLOR_YCC, wanted->width_px, wanted->height_px) &&
        shrink_plane(yuv->y, yuv->y_stride, width, height, luma, &out->planes[0]) &&
        shrink_plane(yuv->u, yuv->u_stride, half_width, half_height, chroma, &out->planes[1]) &&
        shrink_plane(yuv->v, yuv->v_stride, half_width, half_height, chroma, &out->planes[2]);
    return ok ? MOA_OK : moa_fail_memory(error);
}

/* Whether what is wanted comes of the planes of a lossy picture; else of rows. */
static bool goes_by_planes(const struct webp *webp, const struct moa_wanted *wanted)
{
    const bool is_odd = (wanted->width_px | wanted->height_px) & 1;
    return webp->config.input.format == 1 && !webp->config.input.has_alpha && covers_canvas(webp) &&
           wanted->takes_ycc && !(wanted->moves && is_odd);
}

/* What goes by planes is decoded again for its pixels: luma comes of RGB, which libwebp makes of
 * the planes on its way out. */
static enum moa_err luma_of_webp(const struct moa_picture *picture, struct moa_look *look,
                                 struct moa_error *error)
{
    bool by_rows = false;
    if (look->wanted) {
        struct webp webp;
        by_rows = !open_webp(&webp, picture, error) && !goes_by_planes(&webp, look->wanted);
        close_webp(&webp);
    }
    return moa_luma_from_rows(picture, look, by_rows, error);
}

static enum moa_err pixels_of_webp(const struct moa_picture *picture,
                                   const struct moa_wanted *wanted, struct moa_pixels *ret_pixels,
                                   struct moa_error *error)
{
    struct webp webp;
    struct moa_pixels out = {0};
    enum moa_err err = open_webp(&webp, picture, error);
    const bool by_planes = !err && goes_by_planes(&webp, wanted);
    if (by_planes)
        err = planes_of_frame(&webp, wanted, &out, error);
    close_webp(&webp);
    if (!err && !by_planes)
        return moa_pixels_from_rows(picture, wanted, ret_pixels, error);
    if (err)
        moa_pixels_done(&out);
    else
        *ret_pixels = out;
    return err;
}

const struct moa_format moa_format_webp = {
    .name = "webp",
    .mime = "image/webp",
    .sniff = sniff_webp,
    .probe = probe_webp,
    .header = header_of_webp,
    .exif = exif_of_webp,
    .rows = rows_of_webp,
    .luma = luma_of_webp,
    .pixels = pixels_of_webp,
};
