/* SPDX-License-Identifier: Apache-2.0
 *
 * Pixels to a JPEG by libjpeg-turbo: planes go in as they are, gray and RGB by rows.
 */
#include "jpeg_write.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

struct encoder {
    struct jpeg_error_mgr errors;
    struct jpeg_compress_struct cinfo;
    jmp_buf failed;
    unsigned char *file;
    unsigned long n;
};

static void on_encoder_error(j_common_ptr common)
{
    struct encoder *encoder = common->client_data;
    longjmp(encoder->failed, 1);
}

/* libjpeg reads whole blocks: rows are filled up with their last pixel. */
static void fill_up(const struct moa_plane *plane)
{
    for (size_t y = 0; y < plane->height; y++) {
        uint8_t *row = plane->p + y * plane->stride_bytes;
        memset(row + plane->width, row[plane->width - 1], plane->stride_bytes - plane->width);
    }
}

/* Row `y`, or the last one below the picture. */
static JSAMPROW row_of(const struct moa_plane *plane, size_t y)
{
    return plane->p + (y < plane->height ? y : plane->height - 1) * plane->stride_bytes;
}

static void write_planes(struct jpeg_compress_struct *cinfo, const struct moa_pixels *pixels)
{
    enum { UNIT_ROWS = 2 * DCTSIZE };
    JSAMPROW rows[3][UNIT_ROWS];
    JSAMPARRAY planes[3] = {rows[0], rows[1], rows[2]};
    for (unsigned i = 0; i < 3; i++)
        fill_up(&pixels->planes[i]);
    while (cinfo->next_scanline < cinfo->image_height) {
        const size_t y = cinfo->next_scanline;
        for (size_t i = 0; i < UNIT_ROWS; i++)
            rows[0][i] = row_of(&pixels->planes[0], y + i);
        for (size_t i = 0; i < UNIT_ROWS / 2; i++) {
            rows[1][i] = row_of(&pixels->planes[1], y / 2 + i);
            rows[2][i] = row_of(&pixels->planes[2], y / 2 + i);
        }
        jpeg_write_raw_data(cinfo, planes, UNIT_ROWS);
    }
}

static void write_rows(struct jpeg_compress_struct *cinfo, const struct moa_pixels *pixels)
{
    while (cinfo->next_scanline < cinfo->image_height) {
        JSAMPROW row = row_of(&pixels->planes[0], cinfo->next_scanline);
        jpeg_write_scanlines(cinfo, &row, 1);
    }
}

static void write_jpeg(struct encoder *encoder, const struct moa_pixels *pixels,
                       const struct moa_encode_options *options)
{
    static const J_COLOR_SPACE spaces[] = {
        [MOA_COLOR_GRAY] = JCS_GRAYSCALE,
        [MOA_COLOR_RGB] = JCS_RGB,
        [MOA_COLOR_YCC] = JCS_YCbCr,
    };
    struct jpeg_compress_struct *cinfo = &encoder->cinfo;
    jpeg_create_compress(cinfo);
    cinfo->client_data = encoder;
    jpeg_mem_dest(cinfo, &encoder->file, &encoder->n);
    cinfo->image_width = pixels->width_px;
    cinfo->image_height = pixels->height_px;
    cinfo->input_components = pixels->color == MOA_COLOR_GRAY ? 1 : 3;
    cinfo->in_color_space = spaces[pixels->color];
    jpeg_set_defaults(cinfo); /* chroma of half the size */
    jpeg_set_quality(cinfo, options->quality, TRUE);
    if (options->full_chroma && pixels->color == MOA_COLOR_RGB)
        cinfo->comp_info[0].h_samp_factor = cinfo->comp_info[0].v_samp_factor = 1;
    cinfo->raw_data_in = pixels->color == MOA_COLOR_YCC;
    jpeg_start_compress(cinfo, TRUE);
    if (pixels->color == MOA_COLOR_YCC)
        write_planes(cinfo, pixels);
    else
        write_rows(cinfo, pixels);
    jpeg_finish_compress(cinfo);
}

void *moa_jpeg_write(const struct moa_pixels *pixels, const struct moa_encode_options *options,
                     size_t *ret_n)
{
    struct encoder encoder = {0};
    encoder.cinfo.err = jpeg_std_error(&encoder.errors);
    encoder.cinfo.client_data = &encoder;
    encoder.errors.error_exit = on_encoder_error;
    bool written = false;
    if (setjmp(encoder.failed) == 0) {
        write_jpeg(&encoder, pixels, options);
        written = true;
    }
    jpeg_destroy_compress(&encoder.cinfo);
    if (!written) {
        free(encoder.file);
        return NULL;
    }
    *ret_n = encoder.n;
    return encoder.file;
}
