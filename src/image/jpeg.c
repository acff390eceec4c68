/* SPDX-License-Identifier: Apache-2.0
 *
 * JPEG (ITU T.81) by libjpeg-turbo. Luma is the Y component as decoded, a row of units at a time
 * and straight into the scan's space; chroma is entropy-decoded, as it must be, but never
 * transformed. Pixels are reduced inside of the transform. Other colour spaces go through the
 * library's conversions, row by row.
 *
 * libjpeg reports errors through a callback that must not return: run() catches
 * them. Damage that libjpeg only warns of, and papers over with gray, is an error here; but a file
 * that lacks no more than its last bytes is taken, as every other decoder does.
 */
#include "format.h"

#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

#include "../kernels.h"
#include "jpeg_write.h"
#include "shrink.h"

/* A hostile progressive file can ask for a pass over the whole image every few bytes. Encoders
 * write about ten scans. */
#define MAX_SCANS 100

/* The mean luma step of libjpeg's tables at quality 85, and the exponent that fitted the sizes of
 * photographs best; docs/perceive.md says how. */
static const double reference_step = 17.33;
static const double size_exponent = 0.57;

/* Of a column while decoding goes from strip to strip, generously. */
static const uint64_t strip_bytes = 512;

/* ---- the header ---- */

static bool sniff_jpeg(const uint8_t *p, size_t n)
{
    return n >= 3 && p[0] == 0xff && p[1] == 0xd8 && p[2] == 0xff;
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
        const size_t length = moa_be16(p + at + 2);
        if (length < 2)
            return moa_fail(error, MOA_ERR_CORRUPT, at, "JPEG segment length below 2");
        if (is_frame_marker(marker)) {
            if (length < 8)
                return moa_fail(error, MOA_ERR_CORRUPT, at, "JPEG frame header too short");
            if (at + 9 > n)
                return moa_fail(error, MOA_ERR_TRUNCATED, n, "JPEG ends in its frame header");
            ret_info->height_px = moa_be16(p + at + 5);
            ret_info->width_px = moa_be16(p + at + 7);
            return MOA_OK;
        }
        at += 2 + length;
    }
}

struct jpeg_tables {
    double mean_step[4]; /* 0: not defined */
    unsigned luma_table; /* of the first component */
    unsigned n_components;
    bool has_frame;
    bool streams; /* one scan has it all: decoders need not hold its coefficients */
};

/* DQT: any number of tables, each a byte of precision and number and 64 steps. */
static void read_tables(const uint8_t *p, size_t n, struct jpeg_tables *tables)
{
    while (n > 0) {
        const size_t step_bytes = (p[0] >> 4) ? 2 : 1;
        const size_t size = 1 + 64 * step_bytes;
        if (n < size)
            return;
        uint32_t sum = 0;
        for (size_t i = 1; i < size; i += step_bytes)
            sum += step_bytes == 2 ? moa_be16(p + i) : p[i];
        tables->mean_step[p[0] & 3] = sum / 64.0;
        p += size;
        n -= size;
    }
}

/* The segments up to the first scan. The frame header was found by the probe before: what is read
 * here is only ever too short for more tables. */
static struct jpeg_tables read_jpeg(const uint8_t *p, size_t n)
{
    struct jpeg_tables tables = {0};
    size_t at = 2;
    while (at + 4 <= n && p[at] == 0xff && p[at + 1] != 0xda) {
        const uint8_t marker = p[at + 1];
        if (marker == 0xff || marker == 0x01 || (marker >= 0xd0 && marker <= 0xd9)) {
            at += marker == 0xff ? 1 : 2;
            continue;
        }
        const size_t length = moa_be16(p + at + 2);
        if (length < 2 || length > n - at - 2)
            break;
        const uint8_t *body = p + at + 4;
        if (marker == 0xdb)
            read_tables(body, length - 2, &tables);
        if (is_frame_marker(marker) && !tables.has_frame && length - 2 >= 9) {
            tables.luma_table = body[8] & 3;
            tables.n_components = body[5];
            tables.has_frame = true;
            tables.streams = (marker & 3) != 2; /* not progressive */
        }
        at += 2 + length;
    }
    const bool at_scan = at + 4 < n && p[at] == 0xff && p[at + 1] == 0xda;
    tables.streams &= at_scan && p[at + 4] == tables.n_components;
    return tables;
}

static void header_of_jpeg(struct moa_bytes file, struct moa_image_header *header)
{
    const struct jpeg_tables tables = read_jpeg(file.p, file.n);
    header->quantiser = tables.mean_step[tables.luma_table];
    header->bits_per_pixel_normal = header->bits_per_pixel;
    if (tables.streams)
        header->decode_bytes = (uint64_t)header->info.width_px * strip_bytes;
    else
        header->decode_bytes = (uint64_t)header->info.width_px * header->info.height_px * 2 *
                               (tables.n_components > 0 ? tables.n_components : 4);
    if (header->quantiser > 0.0)
        header->bits_per_pixel_normal *= pow(header->quantiser / reference_step, size_exponent);
}

/* It stands before the frame header, in a segment APP1. */
static struct moa_bytes exif_of_jpeg(struct moa_bytes file)
{
    static const uint8_t name[6] = "Exif\0";
    const uint8_t *p = file.p;
    size_t at = 2;
    while (at + 4 <= file.n && p[at] == 0xff) {
        const uint8_t marker = p[at + 1];
        if (marker == 0xff) {
            at++;
            continue;
        }
        const size_t n = moa_be16(p + at + 2);
        if (marker == 0xda || marker == 0xd9 || n < 2)
            break;
        struct moa_bytes segment = moa_part_of(file, at + 4, n - 2);
        if (marker == 0xe1 && segment.n >= sizeof(name) &&
            memcmp(segment.p, name, sizeof(name)) == 0)
            return moa_part_of(segment, sizeof(name), segment.n - sizeof(name));
        at += 2 + n;
    }
    return (struct moa_bytes){NULL, 0};
}

/* ---- decoding ---- */

struct jpeg {
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    struct jpeg_decompress_struct cinfo;
    jmp_buf failed;
    const struct moa_picture *picture;
    struct moa_error *error;
    bool has_ended; /* the file, before its end marker */
    uint8_t *row;   /* of RGB */
    uint8_t *cmyk;  /* one row, if the file is CMYK */
    /* for luma */
    enum moa_image_mode mode;
    struct moa_luma_scan *scan;
    /* for pixels */
    const struct moa_wanted *wanted;
    uint8_t *units; /* a row of units of each component */
    struct moa_shrink shrinks[3];
    struct moa_pixels out;
};

static void fail_jpeg(struct jpeg *jpeg, enum moa_err code, const char *message)
    __attribute__((noreturn));

static void fail_jpeg(struct jpeg *jpeg, enum moa_err code, const char *message)
{
    const size_t left = jpeg->cinfo.src ? jpeg->cinfo.src->bytes_in_buffer : 0;
    moa_fail(jpeg->error, code, left < jpeg->picture->file.n ? jpeg->picture->file.n - left : 0,
             message);
    longjmp(jpeg->failed, 1);
}

static void *make(struct jpeg *jpeg, size_t n)
{
    void *p = malloc(n > 0 ? n : 1);
    if (!p)
        fail_jpeg(jpeg, MOA_ERR_MEMORY, "out of memory for the pixels");
    return p;
}

static void on_error(j_common_ptr common)
{
    struct jpeg *jpeg = common->client_data;
    if (jpeg->has_ended) /* what follows from that is no other fault */
        fail_jpeg(jpeg, MOA_ERR_TRUNCATED, "JPEG ends too early");
    switch (common->err->msg_code) {
    case JERR_OUT_OF_MEMORY:
        fail_jpeg(jpeg, MOA_ERR_MEMORY, "out of memory in the JPEG decoder");
    case JERR_SOF_UNSUPPORTED:
        fail_jpeg(jpeg, MOA_ERR_UNSUPPORTED, "JPEG process is not supported");
    case JERR_BAD_PRECISION:
        fail_jpeg(jpeg, MOA_ERR_UNSUPPORTED, "JPEG with other than 8 bits a sample");
    case JERR_CONVERSION_NOTIMPL:
        fail_jpeg(jpeg, MOA_ERR_UNSUPPORTED, "JPEG colour space is not supported");
    case JERR_EMPTY_IMAGE:
        fail_jpeg(jpeg, MOA_ERR_UNSUPPORTED, "JPEG with a side of 0 px");
    case JERR_INPUT_EOF:
    case JERR_INPUT_EMPTY:
        fail_jpeg(jpeg, MOA_ERR_TRUNCATED, "JPEG ends too early");
    default:
        fail_jpeg(jpeg, MOA_ERR_CORRUPT, "JPEG structure is damaged");
    }
}

/* A file that breaks off in the last row of its units, of a last or only pass, lacks at most a few
 * pixels in the corner; if there are few rows, that is more than a few. */
enum { MIN_ROWS_TO_LACK = 8 };

static bool is_in_last_row(const struct jpeg_decompress_struct *cinfo)
{
    return cinfo->total_iMCU_rows > 0 && cinfo->input_iMCU_row + 1 >= cinfo->total_iMCU_rows;
}

static void on_message(j_common_ptr common, int level)
{
    struct jpeg *jpeg = common->client_data;
    if (level >= 0)
        return;
    switch (common->err->msg_code) {
    case JWRN_JPEG_EOF:
        if (!is_in_last_row(&jpeg->cinfo))
            fail_jpeg(jpeg, MOA_ERR_TRUNCATED, "JPEG ends too early");
        jpeg->has_ended = true;
        return;
    case JWRN_HIT_MARKER:
        if (!jpeg->has_ended)
            fail_jpeg(jpeg, MOA_ERR_CORRUPT, "JPEG data segment ends too early");
        if (jpeg->cinfo.total_iMCU_rows < MIN_ROWS_TO_LACK)
            fail_jpeg(jpeg, MOA_ERR_TRUNCATED, "JPEG ends too early");
        return;
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
        fail_jpeg(jpeg, MOA_ERR_CORRUPT, "JPEG data with an invalid code");
    case JWRN_MUST_RESYNC:
        fail_jpeg(jpeg, MOA_ERR_CORRUPT, "JPEG restart marker is missing");
    case JWRN_NOT_SEQUENTIAL:
    case JWRN_BOGUS_PROGRESSION:
        fail_jpeg(jpeg, MOA_ERR_CORRUPT, "JPEG scan parameters contradict the frame");
    default:
        /* Padding between segments, an odd JFIF version, a bad ICC profile: the pixels are right.
         */
        return;
    }
}

static void on_progress(j_common_ptr common)
{
    struct jpeg *jpeg = common->client_data;
    if (jpeg->cinfo.input_scan_number > MAX_SCANS)
        fail_jpeg(jpeg, MOA_ERR_UNSUPPORTED, "JPEG with more than 100 scans");
}

/* ---- luma ---- */

/* Y at full resolution next to subsampled or equal chroma, or gray alone. */
static bool has_plain_luma(const struct jpeg_decompress_struct *cinfo)
{
    if (cinfo->jpeg_color_space != JCS_YCbCr && cinfo->jpeg_color_space != JCS_GRAYSCALE)
        return false;
    return cinfo->comp_info[0].h_samp_factor == cinfo->max_h_samp_factor &&
           cinfo->comp_info[0].v_samp_factor == cinfo->max_v_samp_factor;
}

/* Fast mode measures one band in four, and only where bands are many enough to stand for the image.
 * Narrow bands do so better than wide ones of the same share. */
enum { BAND_ROWS = 16, FAST_MIN_ROWS = 640, FAST_MIN_PX = 900000 };

static bool is_band_measured(const struct jpeg *jpeg, JDIMENSION y)
{
    const struct moa_image_info *info = &jpeg->picture->info;
    const bool all = jpeg->mode == MOA_IMAGE_EXACT || info->height_px < FAST_MIN_ROWS ||
                     (uint64_t)info->width_px * info->height_px < FAST_MIN_PX;
    return all || y / BAND_ROWS % 4 == 0;
}

static void luma_by_units(struct jpeg *jpeg)
{
    struct jpeg_decompress_struct *cinfo = &jpeg->cinfo;
    cinfo->raw_data_out = TRUE;
    for (int i = 1; i < cinfo->num_components; i++)
        cinfo->comp_info[i].component_needed = FALSE;
    jpeg_start_decompress(cinfo);

    const JDIMENSION unit_rows = (JDIMENSION)cinfo->max_v_samp_factor * DCTSIZE;
    JSAMPROW rows[MOA_SCAN_ROWS];
    JSAMPARRAY planes[MAX_COMPONENTS] = {rows};
    while (cinfo->output_scanline < cinfo->output_height) {
        const JDIMENSION y = cinfo->output_scanline;
        const JDIMENSION left = cinfo->output_height - y;
        const bool measured = is_band_measured(jpeg, y);
        /* Entropy decoding goes on, as it must; the transform of a band nobody looks at does not.
         */
        cinfo->comp_info[0].component_needed = measured;
        for (JDIMENSION i = 0; i < unit_rows; i++)
            rows[i] = moa_scan_space(jpeg->scan, i);
        jpeg_read_raw_data(cinfo, planes, unit_rows);
        if (measured)
            moa_scan_push(jpeg->scan, left < unit_rows ? left : unit_rows);
        else
            moa_scan_skip(jpeg->scan, left < unit_rows ? left : unit_rows);
    }
}

static bool is_cmyk(const struct jpeg_decompress_struct *cinfo)
{
    return cinfo->jpeg_color_space == JCS_CMYK || cinfo->jpeg_color_space == JCS_YCCK;
}

static uint8_t remove_ink(uint32_t light, uint32_t ink)
{
    return (uint8_t)((light * (255 - ink) + 127) / 255);
}

/* Adobe writes CMYK inverted, and its marker says that it was Adobe. */
static void rgb_from_cmyk(const struct jpeg *jpeg)
{
    const uint8_t invert = jpeg->cinfo.saw_Adobe_marker ? 0xff : 0;
    const uint8_t *in = jpeg->cmyk;
    uint8_t *out = jpeg->row;
    for (uint32_t x = 0; x < jpeg->cinfo.output_width; x++, in += 4, out += 3) {
        const uint32_t light = 255u - (in[3] ^ invert);
        out[0] = remove_ink(light, in[0] ^ invert);
        out[1] = remove_ink(light, in[1] ^ invert);
        out[2] = remove_ink(light, in[2] ^ invert);
    }
}

/* For rows that are not taken as planes. */
static void start_rgb(struct jpeg *jpeg)
{
    struct jpeg_decompress_struct *cinfo = &jpeg->cinfo;
    cinfo->out_color_space = is_cmyk(cinfo) ? JCS_CMYK : JCS_RGB;
    jpeg_start_decompress(cinfo);
    jpeg->row = make(jpeg, 3 * (size_t)cinfo->output_width);
    if (is_cmyk(cinfo))
        jpeg->cmyk = make(jpeg, 4 * (size_t)cinfo->output_width);
}

static void read_rgb(struct jpeg *jpeg)
{
    JSAMPROW row = jpeg->cmyk ? jpeg->cmyk : jpeg->row;
    jpeg_read_scanlines(&jpeg->cinfo, &row, 1);
    if (jpeg->cmyk)
        rgb_from_cmyk(jpeg);
}

static void luma_by_rows(struct jpeg *jpeg)
{
    struct jpeg_decompress_struct *cinfo = &jpeg->cinfo;
    const bool is_gray = !is_cmyk(cinfo);
    if (is_gray) {
        cinfo->out_color_space = JCS_GRAYSCALE;
        jpeg_start_decompress(cinfo);
    } else {
        start_rgb(jpeg);
    }
    while (cinfo->output_scanline < cinfo->output_height) {
        JSAMPROW luma = moa_scan_space(jpeg->scan, 0);
        if (is_gray) {
            jpeg_read_scanlines(cinfo, &luma, 1);
        } else {
            read_rgb(jpeg);
            moa_kernels_get()->luma_from_rgb(jpeg->row, cinfo->output_width, luma);
        }
        moa_scan_push(jpeg->scan, 1);
    }
}

static void decode_luma(struct jpeg *jpeg)
{
    jpeg->cinfo.dct_method = JDCT_ISLOW;
    if (has_plain_luma(&jpeg->cinfo))
        luma_by_units(jpeg);
    else
        luma_by_rows(jpeg);
}

/* ---- pixels ---- */

/* 1/2, 1/4 and 1/8 are the reductions that libjpeg-turbo has fast transforms for. One that comes
 * out a little too small saves the decoding of four times the pixels, and the scaling. */
static bool is_near(uint32_t side, unsigned denominator, uint32_t wanted)
{
    return 8 * (uint64_t)((side + denominator - 1) / denominator) >= 7 * (uint64_t)wanted;
}

static unsigned denominator(const struct jpeg *jpeg)
{
    const struct moa_image_info *info = &jpeg->picture->info;
    unsigned d = 8;
    while (d > 1 && !(is_near(info->width_px, d, jpeg->wanted->width_px) &&
                      is_near(info->height_px, d, jpeg->wanted->height_px)))
        d /= 2;
    return d;
}

static void make_out(struct jpeg *jpeg, enum moa_color color, uint32_t width, uint32_t height)
{
    if (!moa_pixels_init(&jpeg->out, color, width, height))
        fail_jpeg(jpeg, MOA_ERR_MEMORY, "out of memory for the pixels");
}

static void start_shrink(struct jpeg *jpeg, int i, uint32_t width, uint32_t height)
{
    if (!moa_shrink_init(&jpeg->shrinks[i], width, height, &jpeg->out.planes[i]))
        fail_jpeg(jpeg, MOA_ERR_MEMORY, "out of memory for the pixels");
}

static void pixels_by_rows(struct jpeg *jpeg, uint32_t width, uint32_t height)
{
    struct jpeg_decompress_struct *cinfo = &jpeg->cinfo;
    /* Smooth chroma is for those who see every pixel. */
    cinfo->do_fancy_upsampling = width == jpeg->picture->info.width_px;
    start_rgb(jpeg);
    make_out(jpeg, MOA_COLOR_RGB, width, height);
    start_shrink(jpeg, 0, cinfo->output_width, cinfo->output_height);
    while (cinfo->output_scanline < cinfo->output_height) {
        read_rgb(jpeg);
        moa_shrink_row(&jpeg->shrinks[0], jpeg->row);
    }
}

#if JPEG_LIB_VERSION >= 70
#define DCT_SIZE(component) ((JDIMENSION)(component)->DCT_v_scaled_size)
#define MIN_DCT_SIZE(cinfo) ((JDIMENSION)(cinfo)->min_DCT_v_scaled_size)
#else
#define DCT_SIZE(component) ((JDIMENSION)(component)->DCT_scaled_size)
#define MIN_DCT_SIZE(cinfo) ((JDIMENSION)(cinfo)->min_DCT_scaled_size)
#endif

/* Where the rows of a unit go: one block of memory for all components. */
static void make_units(struct jpeg *jpeg, JSAMPROW ret_rows[3][MOA_SCAN_ROWS])
{
    struct jpeg_decompress_struct *cinfo = &jpeg->cinfo;
    size_t n_bytes = 0;
    for (int i = 0; i < cinfo->num_components; i++) {
        const jpeg_component_info *c = &cinfo->comp_info[i];
        n_bytes +=
            (size_t)c->width_in_blocks * DCT_SIZE(c) * (size_t)c->v_samp_factor * DCT_SIZE(c);
    }
    uint8_t *next = jpeg->units = make(jpeg, n_bytes);
    for (int i = 0; i < cinfo->num_components; i++) {
        const jpeg_component_info *c = &cinfo->comp_info[i];
        const JDIMENSION n_rows = (JDIMENSION)c->v_samp_factor * DCT_SIZE(c);
        for (JDIMENSION y = 0; y < n_rows; y++, next += (size_t)c->width_in_blocks * DCT_SIZE(c))
            ret_rows[i][y] = next;
    }
}

static void push_units(struct jpeg *jpeg, int i, JSAMPROW *rows)
{
    const jpeg_component_info *c = &jpeg->cinfo.comp_info[i];
    struct moa_shrink *shrink = &jpeg->shrinks[i];
    const uint32_t n_rows = (uint32_t)c->v_samp_factor * DCT_SIZE(c);
    for (uint32_t y = 0; y < n_rows && shrink->in_row < shrink->in_height; y++)
        moa_shrink_row(shrink, rows[y]);
}

static void pixels_by_units(struct jpeg *jpeg, uint32_t width, uint32_t height)
{
    struct jpeg_decompress_struct *cinfo = &jpeg->cinfo;
    JSAMPROW rows[3][MOA_SCAN_ROWS];
    JSAMPARRAY planes[3] = {rows[0], rows[1], rows[2]};
    cinfo->raw_data_out = TRUE;
    jpeg_start_decompress(cinfo);
    make_out(jpeg, cinfo->num_components == 1 ? MOA_COLOR_GRAY : MOA_COLOR_YCC, width, height);
    for (int i = 0; i < cinfo->num_components; i++)
        start_shrink(jpeg, i, cinfo->comp_info[i].downsampled_width,
                     cinfo->comp_info[i].downsampled_height);
    make_units(jpeg, rows);
    const JDIMENSION n_rows = (JDIMENSION)cinfo->max_v_samp_factor * MIN_DCT_SIZE(cinfo);
    while (cinfo->output_scanline < cinfo->output_height) {
        jpeg_read_raw_data(cinfo, planes, n_rows);
        for (int i = 0; i < cinfo->num_components; i++)
            push_units(jpeg, i, rows[i]);
    }
}

static void decode_pixels(struct jpeg *jpeg)
{
    struct jpeg_decompress_struct *cinfo = &jpeg->cinfo;
    const struct moa_wanted *wanted = jpeg->wanted;
    cinfo->scale_num = 1;
    cinfo->scale_denom = denominator(jpeg);
    jpeg_calc_output_dimensions(cinfo);
    uint32_t width = cinfo->output_width, height = cinfo->output_height;
    if (width > wanted->width_px || height > wanted->height_px) {
        width = wanted->width_px;
        height = wanted->height_px;
    }
    const bool takes_planes = cinfo->num_components == 1 ||
                              (wanted->takes_ycc && !(wanted->moves && ((width | height) & 1)));
    if (has_plain_luma(cinfo) && takes_planes)
        pixels_by_units(jpeg, width, height);
    else
        pixels_by_rows(jpeg, width, height);
}

/* ---- both ---- */

static void decode(struct jpeg *jpeg, void (*decode_what)(struct jpeg *))
{
    struct jpeg_decompress_struct *cinfo = &jpeg->cinfo;
    jpeg_create_decompress(cinfo);
    cinfo->client_data = jpeg;
    jpeg->progress.progress_monitor = on_progress;
    cinfo->progress = &jpeg->progress;
    jpeg_mem_src(cinfo, jpeg->picture->file.p, jpeg->picture->file.n);
    jpeg_read_header(cinfo, TRUE);
    /* The limits were checked against the first frame header. */
    if (cinfo->image_width != jpeg->picture->info.width_px ||
        cinfo->image_height != jpeg->picture->info.height_px)
        fail_jpeg(jpeg, MOA_ERR_CORRUPT, "JPEG with two frame headers");
    cinfo->do_block_smoothing = FALSE;
    decode_what(jpeg);
    if (!jpeg_input_complete(cinfo) && cinfo->unread_marker != JPEG_EOI &&
        !memmem(cinfo->src->next_input_byte, cinfo->src->bytes_in_buffer, "\xff\xd9", 2))
        jpeg->has_ended = true;
}

static enum moa_err run(struct jpeg *jpeg, void (*decode_what)(struct jpeg *))
{
    jpeg->cinfo.err = jpeg_std_error(&jpeg->errors);
    jpeg->cinfo.client_data = jpeg;
    jpeg->errors.error_exit = on_error;
    jpeg->errors.emit_message = on_message;
    jpeg->error->code = MOA_OK;
    if (setjmp(jpeg->failed) == 0)
        decode(jpeg, decode_what);
    jpeg_destroy_decompress(&jpeg->cinfo);
    free(jpeg->row);
    free(jpeg->cmyk);
    free(jpeg->units);
    for (unsigned i = 0; i < 3; i++)
        moa_shrink_done(&jpeg->shrinks[i]);
    return jpeg->error->code;
}

static enum moa_err luma_of_jpeg(const struct moa_picture *picture, enum moa_image_mode mode,
                                 struct moa_luma_scan *scan, uint32_t *notes,
                                 struct moa_error *error)
{
    struct jpeg jpeg = {.picture = picture, .mode = mode, .scan = scan, .error = error};
    const enum moa_err err = run(&jpeg, decode_luma);
    if (!err && jpeg.has_ended)
        *notes |= MOA_IMAGE_TRUNCATED;
    return err;
}

static enum moa_err pixels_of_jpeg(const struct moa_picture *picture,
                                   const struct moa_wanted *wanted, struct moa_pixels *ret_pixels,
                                   struct moa_error *error)
{
    struct jpeg jpeg = {.picture = picture, .wanted = wanted, .error = error};
    const enum moa_err err = run(&jpeg, decode_pixels);
    if (err)
        moa_pixels_done(&jpeg.out);
    else
        *ret_pixels = jpeg.out;
    return err;
}

const struct moa_format moa_format_jpeg = {
    .name = "jpeg",
    .mime = "image/jpeg",
    .sniff = sniff_jpeg,
    .probe = probe_jpeg,
    .header = header_of_jpeg,
    .exif = exif_of_jpeg,
    .luma = luma_of_jpeg,
    .pixels = pixels_of_jpeg,
    .encode = moa_jpeg_write,
};
