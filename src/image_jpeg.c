/* SPDX-License-Identifier: Apache-2.0
 *
 * JPEG to luma rows by libjpeg-turbo. The Y component is taken as decoded, a row of units at a
 * time and straight into the scan's space; chroma is entropy-decoded, as it must be, but never
 * transformed. Other colour spaces go through the library's conversions, row by row.
 *
 * libjpeg reports errors through a callback that must not return: the only setjmp of this file
 * catches them. Damage that libjpeg only warns of, and papers over with gray, is an error here.
 */
#include "image_decode.h"

#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

#include <jerror.h>

/* A hostile progressive file can ask for a pass over the whole image every few bytes. Encoders
 * write about ten scans. */
#define MAX_SCANS 100

struct jpeg {
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    struct jpeg_decompress_struct cinfo;
    jmp_buf failed;
    const struct moa_decode_job *job;
    uint8_t *cmyk; /* one row, if the file is CMYK */
    struct moa_error *error;
};

static void fail_jpeg(struct jpeg *jpeg, enum moa_err code, const char *message)
    __attribute__((noreturn));

static void fail_jpeg(struct jpeg *jpeg, enum moa_err code, const char *message)
{
    const size_t left = jpeg->cinfo.src ? jpeg->cinfo.src->bytes_in_buffer : 0;
    moa_fail(jpeg->error, code, left < jpeg->job->file.n ? jpeg->job->file.n - left : 0, message);
    longjmp(jpeg->failed, 1);
}

static void on_error(j_common_ptr common)
{
    struct jpeg *jpeg = common->client_data;
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

static void on_message(j_common_ptr common, int level)
{
    struct jpeg *jpeg = common->client_data;
    if (level >= 0)
        return;
    switch (common->err->msg_code) {
    case JWRN_JPEG_EOF:
        fail_jpeg(jpeg, MOA_ERR_TRUNCATED, "JPEG ends too early");
    case JWRN_HIT_MARKER:
        fail_jpeg(jpeg, MOA_ERR_CORRUPT, "JPEG data segment ends too early");
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

static bool is_band_measured(const struct moa_decode_job *job, JDIMENSION y)
{
    const bool all = job->mode == MOA_IMAGE_EXACT || job->info.height_px < FAST_MIN_ROWS ||
                     (uint64_t)job->info.width_px * job->info.height_px < FAST_MIN_PX;
    return all || y / BAND_ROWS % 4 == 0;
}

static void decode_units(struct jpeg *jpeg)
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
        const bool measured = is_band_measured(jpeg->job, y);
        /* Entropy decoding goes on, as it must; the transform of a band nobody looks at does not.
         */
        cinfo->comp_info[0].component_needed = measured;
        for (JDIMENSION i = 0; i < unit_rows; i++)
            rows[i] = moa_scan_space(jpeg->job->scan, i);
        jpeg_read_raw_data(cinfo, planes, unit_rows);
        if (measured)
            moa_scan_push(jpeg->job->scan, left < unit_rows ? left : unit_rows);
        else
            moa_scan_break(jpeg->job->scan);
    }
}

static uint8_t remove_ink(uint32_t light, uint32_t ink)
{
    const uint32_t t = light * ink + 128;
    return (uint8_t)(light - ((t + (t >> 8)) >> 8));
}

/* Adobe writes CMYK inverted, and its marker says that it was Adobe. */
static void luma_from_cmyk(const struct jpeg *jpeg, uint8_t *ret_luma)
{
    const uint8_t invert = jpeg->cinfo.saw_Adobe_marker ? 0xff : 0;
    for (uint32_t x = 0; x < jpeg->job->info.width_px; x++) {
        const uint8_t *in = jpeg->cmyk + 4 * (size_t)x;
        const uint32_t light = 255u - (in[3] ^ invert);
        const uint32_t r = remove_ink(light, in[0] ^ invert);
        const uint32_t g = remove_ink(light, in[1] ^ invert);
        const uint32_t b = remove_ink(light, in[2] ^ invert);
        ret_luma[x] = (uint8_t)((19595u * r + 38470u * g + 7471u * b + 32768u) >> 16);
    }
}

static void decode_rows(struct jpeg *jpeg)
{
    struct jpeg_decompress_struct *cinfo = &jpeg->cinfo;
    const bool is_cmyk = cinfo->jpeg_color_space == JCS_CMYK || cinfo->jpeg_color_space == JCS_YCCK;
    cinfo->out_color_space = is_cmyk ? JCS_CMYK : JCS_GRAYSCALE;
    if (is_cmyk) {
        jpeg->cmyk = malloc(4 * (size_t)jpeg->job->info.width_px);
        if (!jpeg->cmyk)
            fail_jpeg(jpeg, MOA_ERR_MEMORY, "out of memory for a row");
    }
    jpeg_start_decompress(cinfo);
    while (cinfo->output_scanline < cinfo->output_height) {
        uint8_t *luma = moa_scan_space(jpeg->job->scan, 0);
        JSAMPROW row = is_cmyk ? jpeg->cmyk : luma;
        jpeg_read_scanlines(cinfo, &row, 1);
        if (is_cmyk)
            luma_from_cmyk(jpeg, luma);
        moa_scan_push(jpeg->job->scan, 1);
    }
}

static void decode(struct jpeg *jpeg)
{
    struct jpeg_decompress_struct *cinfo = &jpeg->cinfo;
    jpeg_create_decompress(cinfo);
    cinfo->client_data = jpeg;
    jpeg->progress.progress_monitor = on_progress;
    cinfo->progress = &jpeg->progress;
    jpeg_mem_src(cinfo, jpeg->job->file.p, jpeg->job->file.n);
    jpeg_read_header(cinfo, TRUE);
    /* The limits were checked against the first frame header. */
    if (cinfo->image_width != jpeg->job->info.width_px ||
        cinfo->image_height != jpeg->job->info.height_px)
        fail_jpeg(jpeg, MOA_ERR_CORRUPT, "JPEG with two frame headers");
    cinfo->dct_method = JDCT_ISLOW;
    cinfo->do_block_smoothing = FALSE;
    if (has_plain_luma(cinfo))
        decode_units(jpeg);
    else
        decode_rows(jpeg);
}

enum moa_err moa_decode_jpeg(const struct moa_decode_job *job, struct moa_error *error)
{
    struct jpeg jpeg = {.job = job, .error = error};
    jpeg.cinfo.err = jpeg_std_error(&jpeg.errors);
    jpeg.cinfo.client_data = &jpeg;
    jpeg.errors.error_exit = on_error;
    jpeg.errors.emit_message = on_message;
    error->code = MOA_OK;
    if (setjmp(jpeg.failed) == 0)
        decode(&jpeg);
    jpeg_destroy_decompress(&jpeg.cinfo);
    free(jpeg.cmyk);
    return error->code;
}
