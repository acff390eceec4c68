/* SPDX-License-Identifier: Apache-2.0
 *
 * JPEG (ITU T.81) by libjpeg-turbo. Luma is the Y component as decoded, a row of units at a time
 * and straight into the scan's space; chroma is entropy-decoded, as it must be, but never
 * transformed. Pixels are reduced inside of the transform. Other colour spaces go through the
 * library's conversions, row by row. To transform a block in another way than all others, one
 * function pointer of the library is set: jpegint.h, where it stands, is as old as the library.
 *
 * libjpeg reports errors through a callback that must not return: run() catches
 * them. Damage that libjpeg only warns of, and papers over with gray, is an error here; but a file
 * that lacks no more than its last bytes is taken, as every other decoder does.
 */
#include "format.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>
#include <jpegint.h>

#include "../kernels.h"
#include "jpeg_head.h"
#include "jpeg_write.h"
#include "shrink.h"

/* A hostile progressive file can ask for a pass over the whole image every few bytes. Encoders
 * write about ten scans. */
#define MAX_SCANS 100

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
    struct moa_luma_scan *scan;       /* NULL: none is wanted */
    bool is_measured;                 /* the row of units that comes */
    inverse_DCT_method_ptr transform; /* of a block of luma to all of its pixels */
    /* for pixels */
    const struct moa_wanted *wanted; /* NULL: none are */
    uint8_t *units;                  /* a row of units of each component */
    struct moa_shrink shrinks[3];
    struct moa_pixels out;
    /* for both at once */
    inverse_DCT_method_ptr reduce;     /* of a block of luma to what the pixels are made of */
    JSAMPARRAY unit_rows;              /* where that goes */
    JSAMPROW luma_rows[MOA_SCAN_ROWS]; /* and where all of its pixels do, in the scan's space */
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

/* In place of the transform: the block's mean, in the first of its rows. */
static void mean_of_block(j_decompress_ptr cinfo, jpeg_component_info *component, JCOEFPTR block,
                          JSAMPARRAY out, JDIMENSION x)
{
    (void)cinfo;
    const int mean = (block[0] * component->quant_table->quantval[0] + 8 * CENTERJSAMPLE + 4) / 8;
    memset(out[0] + x, mean < 0 ? 0 : mean > MAXJSAMPLE ? MAXJSAMPLE : mean, DCTSIZE);
}

/* The row of units from row `y` of the picture on; returns how many rows it has. Entropy decoding
 * goes on, as it must; the transform of a band nobody looks at does not. */
static JDIMENSION begin_luma_units(struct jpeg *jpeg, JDIMENSION y)
{
    const JDIMENSION unit_rows = (JDIMENSION)jpeg->cinfo.max_v_samp_factor * DCTSIZE;
    const JDIMENSION left = jpeg->picture->info.height_px - y;
    for (JDIMENSION i = 0; i < unit_rows; i++)
        jpeg->luma_rows[i] = moa_scan_space(jpeg->scan, i);
    jpeg->is_measured = is_band_measured(jpeg, y);
    return left < unit_rows ? left : unit_rows;
}

static void end_luma_units(struct jpeg *jpeg, JDIMENSION n_rows)
{
    if (jpeg->is_measured) {
        moa_scan_push(jpeg->scan, n_rows);
        return;
    }
    for (JDIMENSION y = 0; y < n_rows; y += DCTSIZE)
        moa_scan_skip(jpeg->scan, jpeg->luma_rows[y], n_rows - y < DCTSIZE ? n_rows - y : DCTSIZE);
}

static void luma_by_units(struct jpeg *jpeg)
{
    struct jpeg_decompress_struct *cinfo = &jpeg->cinfo;
    cinfo->raw_data_out = TRUE;
    for (int i = 1; i < cinfo->num_components; i++)
        cinfo->comp_info[i].component_needed = FALSE;
    jpeg_start_decompress(cinfo);

    jpeg->transform = cinfo->idct->inverse_DCT[0];
    JSAMPARRAY planes[MAX_COMPONENTS] = {jpeg->luma_rows};
    while (cinfo->output_scanline < cinfo->output_height) {
        const JDIMENSION n_rows = begin_luma_units(jpeg, cinfo->output_scanline);
        cinfo->idct->inverse_DCT[0] = jpeg->is_measured ? jpeg->transform : mean_of_block;
        jpeg_read_raw_data(cinfo, planes, (JDIMENSION)cinfo->max_v_samp_factor * DCTSIZE);
        end_luma_units(jpeg, n_rows);
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
#define SET_DCT_SIZE(component, n)                                                                 \
    ((component)->DCT_h_scaled_size = (component)->DCT_v_scaled_size = (n))
#define MIN_DCT_SIZE(cinfo) ((JDIMENSION)(cinfo)->min_DCT_v_scaled_size)
#else
#define DCT_SIZE(component) ((JDIMENSION)(component)->DCT_scaled_size)
#define SET_DCT_SIZE(component, n) ((component)->DCT_scaled_size = (n))
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

/* In place of the reducing transform: that one, and the block's own pixels or mean for the scan. */
static void both_of_block(j_decompress_ptr cinfo, jpeg_component_info *component, JCOEFPTR block,
                          JSAMPARRAY out, JDIMENSION x)
{
    const struct jpeg *jpeg = cinfo->client_data;
    const JDIMENSION size = DCT_SIZE(component);
    JSAMPROW *luma = (JSAMPROW *)jpeg->luma_rows + (out - jpeg->unit_rows) * DCTSIZE / size;
    const JDIMENSION luma_x = x / size * DCTSIZE;
    jpeg->reduce(cinfo, component, block, out, x);
    if (!jpeg->is_measured)
        mean_of_block(cinfo, component, block, luma, luma_x);
    else if (size < DCTSIZE)
        jpeg->transform(cinfo, component, block, luma, luma_x);
    else
        for (unsigned y = 0; y < DCTSIZE; y++)
            memcpy(luma[y] + luma_x, out[y] + x, DCTSIZE);
}

/* The library is asked for its transform to all pixels of a block by saying that these are wanted;
 * the tables are the same for each size. */
static void start_both(struct jpeg *jpeg, JSAMPARRAY unit_rows)
{
    struct jpeg_decompress_struct *cinfo = &jpeg->cinfo;
    const int size = (int)DCT_SIZE(&cinfo->comp_info[0]);
    SET_DCT_SIZE(&cinfo->comp_info[0], DCTSIZE);
    cinfo->idct->start_pass(cinfo);
    jpeg->transform = cinfo->idct->inverse_DCT[0];
    SET_DCT_SIZE(&cinfo->comp_info[0], size);
    cinfo->idct->start_pass(cinfo);
    jpeg->reduce = cinfo->idct->inverse_DCT[0];
    jpeg->unit_rows = unit_rows;
    cinfo->idct->inverse_DCT[0] = both_of_block;
}

static void pixels_by_units(struct jpeg *jpeg, uint32_t width, uint32_t height)
{
    struct jpeg_decompress_struct *cinfo = &jpeg->cinfo;
    JSAMPROW rows[3][MOA_SCAN_ROWS];
    JSAMPARRAY planes[3] = {rows[0], rows[1], rows[2]};
    cinfo->raw_data_out = TRUE;
    jpeg_start_decompress(cinfo);
    if (jpeg->scan)
        start_both(jpeg, rows[0]);
    make_out(jpeg, cinfo->num_components == 1 ? MOA_COLOR_GRAY : MOA_COLOR_YCC, width, height);
    for (int i = 0; i < cinfo->num_components; i++)
        start_shrink(jpeg, i, cinfo->comp_info[i].downsampled_width,
                     cinfo->comp_info[i].downsampled_height);
    make_units(jpeg, rows);
    const JDIMENSION n_rows = (JDIMENSION)cinfo->max_v_samp_factor * MIN_DCT_SIZE(cinfo);
    for (JDIMENSION unit = 0; cinfo->output_scanline < cinfo->output_height; unit++) {
        const JDIMENSION n_luma =
            jpeg->scan
                ? begin_luma_units(jpeg, unit * (JDIMENSION)cinfo->max_v_samp_factor * DCTSIZE)
                : 0;
        jpeg_read_raw_data(cinfo, planes, n_rows);
        for (int i = 0; i < cinfo->num_components; i++)
            push_units(jpeg, i, rows[i]);
        if (jpeg->scan)
            end_luma_units(jpeg, n_luma);
    }
}

/* The size of the pixels. Returns whether they can be had as planes. */
static bool size_pixels(struct jpeg *jpeg, uint32_t *ret_width, uint32_t *ret_height)
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
    *ret_width = width;
    *ret_height = height;
    return has_plain_luma(cinfo) &&
           (cinfo->num_components == 1 ||
            (wanted->takes_ycc && !(wanted->moves && ((width | height) & 1))));
}

static void decode_pixels(struct jpeg *jpeg)
{
    uint32_t width, height;
    if (size_pixels(jpeg, &width, &height))
        pixels_by_units(jpeg, width, height);
    else
        pixels_by_rows(jpeg, width, height);
}

/* Pixels that are no planes are not given beside luma, nor those of an eighth, which the library
 * makes without reading the coefficients that luma is made of. */
static void decode_both(struct jpeg *jpeg)
{
    uint32_t width, height;
    if (size_pixels(jpeg, &width, &height) && jpeg->cinfo.scale_denom < DCTSIZE) {
        pixels_by_units(jpeg, width, height);
        return;
    }
    jpeg->cinfo.scale_denom = 1;
    decode_luma(jpeg);
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

static enum moa_err luma_of_jpeg(const struct moa_picture *picture, struct moa_look *look,
                                 struct moa_error *error)
{
    struct jpeg jpeg = {.picture = picture,
                        .mode = look->mode,
                        .scan = look->scan,
                        .wanted = look->wanted,
                        .error = error};
    const enum moa_err err = run(&jpeg, look->wanted ? decode_both : decode_luma);
    if (!err && jpeg.has_ended)
        look->notes |= MOA_IMAGE_TRUNCATED;
    if (err)
        moa_pixels_done(&jpeg.out);
    else
        look->pixels = jpeg.out;
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
    .sniff = moa_jpeg_sniff,
    .probe = moa_jpeg_probe,
    .header = moa_jpeg_header,
    .exif = moa_jpeg_exif,
    .luma = luma_of_jpeg,
    .pixels = pixels_of_jpeg,
    .encode = moa_jpeg_write,
};
