/* SPDX-License-Identifier: Apache-2.0
 *
 * Files of pictures for recode.c: four quadrants of different colours in every format, orientation
 * and depth, and textures that a JPEG decoder has work with.
 */
#ifndef MOA_TESTS_UNIT_RECODE_PICTURES_H
#define MOA_TESTS_UNIT_RECODE_PICTURES_H

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <png.h>
#include <webp/encode.h>
#include <webp/mux.h>

#include <moaoff/recode.h>

#include "test.h"

struct file {
    uint8_t *p;
    size_t n;
};

static struct moa_bytes bytes_of(const struct file *file)
{
    return (struct moa_bytes){file->p, file->n};
}

/* Top left, top right, bottom left, bottom right: "rgb." is red, green, blue, black. */
static void color_of(char name, uint8_t ret_rgb[3])
{
    ret_rgb[0] = name == 'r' || name == 'w' ? 255 : 0;
    ret_rgb[1] = name == 'g' || name == 'w' ? 255 : 0;
    ret_rgb[2] = name == 'b' || name == 'w' ? 255 : 0;
}

static uint8_t *quadrants(uint32_t width, uint32_t height)
{
    uint8_t *rgb = malloc(3 * (size_t)width * height);
    for (uint32_t y = 0; y < height; y++) {
        for (uint32_t x = 0; x < width; x++)
            color_of("rgb."[2 * (y >= height / 2) + (x >= width / 2)],
                     rgb + 3 * ((size_t)y * width + x));
    }
    return rgb;
}

/* The EXIF block of one entry. */
static size_t exif_block(unsigned orientation, bool big_endian, uint8_t out[32])
{
    static const uint8_t big[26] = {'M', 'M', 0, '*', 0, 0, 0, 8, 0, 1, 1, 0x12, 0,
                                    3,   0,   0, 0,   1, 0, 0, 0, 0, 0, 0, 0};
    static const uint8_t little[26] = {'I', 'I', '*', 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3,
                                       0,   1,   0,   0, 0, 0, 0, 0, 0, 0, 0,    0, 0};
    memcpy(out, big_endian ? big : little, sizeof(big));
    out[big_endian ? 19 : 18] = (uint8_t)orientation;
    return sizeof(big);
}

static struct file jpeg_file(uint32_t width, uint32_t height, unsigned orientation, bool big_endian)
{
    struct jpeg_error_mgr errors;
    struct jpeg_compress_struct cinfo = {.err = jpeg_std_error(&errors)};
    unsigned char *p = NULL;
    unsigned long n = 0;
    uint8_t *rgb = quadrants(width, height);
    jpeg_create_compress(&cinfo);
    jpeg_mem_dest(&cinfo, &p, &n);
    cinfo.image_width = width;
    cinfo.image_height = height;
    cinfo.input_components = 3;
    cinfo.in_color_space = JCS_RGB;
    jpeg_set_defaults(&cinfo);
    jpeg_set_quality(&cinfo, 95, TRUE);
    jpeg_start_compress(&cinfo, TRUE);
    if (orientation) {
        uint8_t block[6 + 32] = "Exif\0";
        jpeg_write_marker(&cinfo, JPEG_APP0 + 1, block,
                          (unsigned)(6 + exif_block(orientation, big_endian, block + 6)));
    }
    while (cinfo.next_scanline < height) {
        JSAMPROW row = rgb + 3 * (size_t)width * cinfo.next_scanline;
        jpeg_write_scanlines(&cinfo, &row, 1);
    }
    jpeg_finish_compress(&cinfo);
    jpeg_destroy_compress(&cinfo);
    free(rgb);
    return (struct file){p, n};
}

static void on_png_bytes(png_structp png, png_bytep p, size_t n)
{
    struct file *file = png_get_io_ptr(png);
    file->p = realloc(file->p, file->n + n);
    memcpy(file->p + file->n, p, n);
    file->n += n;
}

/* RGBA with the right half transparent if `alpha`. */
static struct file png_file(uint32_t width, uint32_t height, unsigned orientation, bool interlaced,
                            bool alpha)
{
    uint8_t *rgb = quadrants(width, height);
    const size_t n = (size_t)width * height;
    uint8_t *rgba = malloc(4 * n);
    for (size_t i = 0; i < n; i++) {
        memcpy(rgba + 4 * i, rgb + 3 * i, 3);
        rgba[4 * i + 3] = alpha && i % width >= width / 2 ? 0 : 255;
    }
    struct file file = {NULL, 0};
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_set_write_fn(png, &file, on_png_bytes, NULL);
    png_set_IHDR(png, info, width, height, 8, PNG_COLOR_TYPE_RGB_ALPHA,
                 interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    uint8_t block[32];
    if (orientation)
        png_set_eXIf_1(png, info, (png_uint_32)exif_block(orientation, true, block), block);
    png_write_info(png, info);
    const int n_passes = png_set_interlace_handling(png);
    for (int pass = 0; pass < n_passes; pass++) {
        for (size_t y = 0; y < height; y++)
            png_write_row(png, rgba + 4 * y * width);
    }
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    free(rgb);
    free(rgba);
    return file;
}

static struct file webp_file(uint32_t width, uint32_t height, unsigned orientation, bool lossless)
{
    uint8_t *rgb = quadrants(width, height), *p;
    const int stride = (int)(3 * width);
    WebPData image = {NULL, 0};
    image.size = lossless ? WebPEncodeLosslessRGB(rgb, (int)width, (int)height, stride, &p)
                          : WebPEncodeRGB(rgb, (int)width, (int)height, stride, 95, &p);
    image.bytes = p;
    free(rgb);
    WebPMux *mux = WebPMuxCreate(&image, 1);
    uint8_t block[32];
    WebPData exif = {block, exif_block(orientation, false, block)};
    if (orientation)
        WebPMuxSetChunk(mux, "EXIF", &exif, 1);
    WebPData whole;
    WebPMuxAssemble(mux, &whole);
    struct file file = {malloc(whole.size), whole.size};
    memcpy(file.p, whole.bytes, whole.size);
    WebPDataClear(&whole);
    WebPMuxDelete(mux);
    WebPFree(p);
    return file;
}

/* Codes of 9 bits, and a clear code before the table would grow: no compression, but a GIF. */
struct codes {
    struct file *file;
    uint32_t bits;
    unsigned n_bits;
    uint8_t block[256];
    unsigned n_block;
};

static void put_bytes(struct file *file, const void *p, size_t n)
{
    file->p = realloc(file->p, file->n + n);
    memcpy(file->p + file->n, p, n);
    file->n += n;
}

static void put_block(struct codes *codes)
{
    codes->block[0] = (uint8_t)codes->n_block;
    put_bytes(codes->file, codes->block, codes->n_block + 1);
    codes->n_block = 0;
}

static void put_code(struct codes *codes, unsigned code)
{
    codes->bits |= code << codes->n_bits;
    for (codes->n_bits += 9; codes->n_bits >= 8; codes->n_bits -= 8, codes->bits >>= 8) {
        codes->block[++codes->n_block] = (uint8_t)codes->bits;
        if (codes->n_block == 255)
            put_block(codes);
    }
}

/* The frame is 2 px away from the canvas' top left, with its bottom right corner transparent. */
static struct file gif_file(unsigned width, unsigned height, bool interlaced)
{
    static const unsigned first[] = {0, 4, 2, 1, 0}, step[] = {8, 8, 4, 2, 1};
    static const uint8_t colors[12] = {255, 0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0};
    const uint8_t screen[13] = {
        'G', 'I',  'F', '8', '9', 'a', (uint8_t)(width + 4), 0, (uint8_t)(height + 4),
        0,   0x81, 0,   0};
    const uint8_t control[8] = {0x21, 0xf9, 4, 1, 0, 0, 3, 0}; /* colour 3 is transparent */
    const uint8_t frame[11] = {
        0x2c, 2, 0, 2, 0, (uint8_t)width, 0, (uint8_t)height, 0, interlaced ? 0x40 : 0, 8};
    struct file file = {NULL, 0};
    struct codes codes = {.file = &file};
    assert_true(width < 250 && height < 250);
    put_bytes(&file, screen, sizeof(screen));
    put_bytes(&file, colors, sizeof(colors));
    put_bytes(&file, control, sizeof(control));
    put_bytes(&file, frame, sizeof(frame));
    unsigned n = 0;
    for (unsigned pass = interlaced ? 0 : 4; pass < (interlaced ? 4 : 5); pass++) {
        for (unsigned y = first[pass]; y < height; y += step[pass]) {
            for (unsigned x = 0; x < width; x++, n++) {
                if (n % 200 == 0)
                    put_code(&codes, 256);
                put_code(&codes, 2u * (y >= height / 2) + (x >= width / 2));
            }
        }
    }
    put_code(&codes, 257);
    put_code(&codes, 0);
    put_block(&codes);
    put_bytes(&file, "\0;", 2);
    return file;
}

/* Waves and grain, with a dark bar in rows that MOA_IMAGE_FAST leaves out. */
static uint8_t textured(uint32_t x, uint32_t y, uint32_t random)
{
    const double waves = 40 * sin(x / 19.0) * cos(y / 31.0) + 30 * sin(y / 9.0);
    return y % 640 >= 20 && y % 640 < 60 && x > 300 && x < 700
               ? 10
               : (uint8_t)(128 + waves + (random >> 27));
}

static struct file textured_jpeg(uint32_t width, uint32_t height, bool is_gray, bool is_progressive,
                                 int luma_sampling)
{
    struct jpeg_error_mgr errors;
    struct jpeg_compress_struct cinfo = {.err = jpeg_std_error(&errors)};
    unsigned char *p = NULL;
    unsigned long n = 0;
    uint32_t random = 3;
    JSAMPLE line[3 * 2048];
    assert_true(width <= 2048);
    jpeg_create_compress(&cinfo);
    jpeg_mem_dest(&cinfo, &p, &n);
    cinfo.image_width = width;
    cinfo.image_height = height;
    cinfo.input_components = is_gray ? 1 : 3;
    cinfo.in_color_space = is_gray ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&cinfo);
    cinfo.comp_info[0].h_samp_factor = luma_sampling > 1 ? 2 : 1;
    cinfo.comp_info[0].v_samp_factor = luma_sampling > 2 ? 2 : 1;
    if (is_progressive)
        jpeg_simple_progression(&cinfo);
    jpeg_start_compress(&cinfo, TRUE);
    while (cinfo.next_scanline < height) {
        for (uint32_t i = 0; i < width * (uint32_t)cinfo.input_components; i++) {
            random = random * 1664525u + 1013904223u;
            line[i] = textured(i / (uint32_t)cinfo.input_components, cinfo.next_scanline, random);
        }
        JSAMPROW row = line;
        jpeg_write_scanlines(&cinfo, &row, 1);
    }
    jpeg_finish_compress(&cinfo);
    jpeg_destroy_compress(&cinfo);
    return (struct file){p, n};
}

#endif
