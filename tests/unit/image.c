/* SPDX-License-Identifier: Apache-2.0
 *
 * moaoff/image.h on planes and files small enough to reason about.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <moaoff/image.h>

#include "test.h"

#define BYTES(...)                                                                                 \
    ((struct moa_bytes){(const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})})

static void plane_without_interior_has_no_gradient(void **state)
{
    (void)state;
    const uint8_t luma[8] = {0, 255, 0, 255, 0, 255, 0, 255};
    struct moa_image_features f;
    assert_int_equal(moa_luma_measure(luma, 2, 4, 2, &f), MOA_OK);
    assert_int_equal(f.width_px, 2);
    assert_int_equal(f.height_px, 4);
    assert_true(f.gradient_mean == 0.0 && f.gradient_p5 == 0.0 && f.gradient_p95 == 0.0);
    assert_true(f.laplacian_variance == 0.0 && f.edge_fraction == 0.0);
    assert_true(fabs(f.entropy_nats - log(2.0)) < 1e-15);
}

static void one_interior_pixel_is_every_percentile(void **state)
{
    (void)state;
    const uint8_t luma[9] = {0, 0, 255, 0, 0, 255, 0, 0, 255};
    struct moa_image_features f;
    assert_int_equal(moa_luma_measure(luma, 3, 3, 3, &f), MOA_OK);
    assert_true(f.gradient_mean == 1020.0);
    assert_true(f.gradient_p5 == 1020.0 && f.gradient_p95 == 1020.0);
    assert_true(f.edge_fraction == 1.0);
    assert_true(f.laplacian_variance == 0.0);
}

static void flat_plane_has_no_complexity_but_size(void **state)
{
    (void)state;
    uint8_t luma[64 * 64];
    memset(luma, 77, sizeof(luma));
    struct moa_image_features f;
    struct moa_image_complexity c;
    assert_int_equal(moa_luma_measure(luma, 64, 64, 64, &f), MOA_OK);
    moa_image_complexity(NULL, &f, &c);
    assert_true(c.edge == 0.0 && c.entropy == 0.0 && c.sharpness == 0.0);
    assert_true(c.resolution == 4096.0 / 1048576.0);
    assert_true(c.score == c.resolution / 4.0);
}

static void stride_is_not_measured(void **state)
{
    (void)state;
    uint8_t tight[40 * 30];
    uint8_t loose[30 * 57];
    memset(loose, 255, sizeof(loose));
    for (size_t i = 0; i < sizeof(tight); i++) {
        tight[i] = (uint8_t)(i * i * 31 + i);
        loose[i / 40 * 57 + i % 40] = tight[i];
    }
    struct moa_image_features a;
    struct moa_image_features b;
    assert_int_equal(moa_luma_measure(tight, 40, 30, 40, &a), MOA_OK);
    assert_int_equal(moa_luma_measure(loose, 40, 30, 57, &b), MOA_OK);
    assert_memory_equal(&a, &b, sizeof(a));
}

static void bad_arguments_are_refused(void **state)
{
    (void)state;
    const uint8_t luma[4] = {0};
    struct moa_image_features f;
    assert_int_equal(moa_luma_measure(luma, 0, 1, 4, &f), MOA_ERR_ARGUMENT);
    assert_int_equal(moa_luma_measure(luma, 1, 0, 4, &f), MOA_ERR_ARGUMENT);
    assert_int_equal(moa_luma_measure(luma, 2, 2, 1, &f), MOA_ERR_ARGUMENT);
    assert_int_equal(moa_luma_measure(NULL, 2, 2, 2, &f), MOA_ERR_ARGUMENT);
}

static void weights_are_normalised(void **state)
{
    (void)state;
    struct moa_image_params params;
    moa_image_params_default(&params);
    params.weight_resolution = 6.0;
    params.weight_edge = params.weight_entropy = params.weight_sharpness = 0.0;
    const struct moa_image_features f = {.width_px = 1024, .height_px = 512};
    struct moa_image_complexity c;
    moa_image_complexity(&params, &f, &c);
    assert_true(c.resolution == 0.5);
    assert_true(c.score == 0.5);
}

static enum moa_err probe(struct moa_bytes file, struct moa_image_info *ret_info)
{
    return moa_image_probe(file, ret_info, NULL);
}

static void headers_give_format_and_size(void **state)
{
    (void)state;
    struct moa_image_info info;
    assert_int_equal(probe(BYTES(0xff, 0xd8, 0xff, 0xe0, 0, 4, 'x', 'y', 0xff, 0xff, 0xc2, 0, 11, 8,
                                 0x01, 0x02, 0x03, 0x04, 1),
                           &info),
                     MOA_OK);
    assert_int_equal(info.format, MOA_IMAGE_JPEG);
    assert_int_equal(info.width_px, 0x0304);
    assert_int_equal(info.height_px, 0x0102);
    /* Decoders pass over bytes that stray between two segments. */
    assert_int_equal(probe(BYTES(0xff, 0xd8, 0xff, 0xe0, 0, 4, 'x', 'y', 0, 7, 0xff, 0xc0, 0, 11, 8,
                                 0x01, 0x02, 0x03, 0x04, 1),
                           &info),
                     MOA_OK);
    assert_int_equal(info.width_px, 0x0304);

    assert_int_equal(probe(BYTES(0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0, 0, 0, 13, 'I', 'H',
                                 'D', 'R', 0, 0, 0xea, 0x60, 0, 0, 0, 7),
                           &info),
                     MOA_OK);
    assert_int_equal(info.format, MOA_IMAGE_PNG);
    assert_int_equal(info.width_px, 60000);
    assert_int_equal(info.height_px, 7);

    assert_int_equal(probe(BYTES('G', 'I', 'F', '8', '9', 'a', 3, 1, 4, 0), &info), MOA_OK);
    assert_int_equal(info.format, MOA_IMAGE_GIF);
    assert_int_equal(info.width_px, 259);
    assert_int_equal(info.height_px, 4);

    assert_int_equal(probe(BYTES('R', 'I', 'F', 'F', 0, 0, 0, 0, 'W', 'E', 'B', 'P', 'V', 'P', '8',
                                 'X', 10, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 1, 1, 0),
                           &info),
                     MOA_OK);
    assert_int_equal(info.format, MOA_IMAGE_WEBP);
    assert_int_equal(info.width_px, 10);
    assert_int_equal(info.height_px, 258);
}

static void damaged_headers_are_refused(void **state)
{
    (void)state;
    struct moa_image_info info;
    assert_int_equal(probe((struct moa_bytes){NULL, 0}, &info), MOA_ERR_FORMAT);
    assert_int_equal(probe(BYTES('h', 'e', 'l', 'l', 'o', ' ', 'y', 'o', 'u'), &info),
                     MOA_ERR_FORMAT);
    assert_int_equal(probe(BYTES(0xff, 0xd8, 0xff), &info), MOA_ERR_TRUNCATED);
    assert_int_equal(probe(BYTES(0xff, 0xd8, 0xff, 0xe0, 0, 1, 0, 0), &info), MOA_ERR_CORRUPT);
    assert_int_equal(probe(BYTES(0xff, 0xd8, 0xff, 0xda, 0, 8, 0, 0), &info), MOA_ERR_CORRUPT);
    assert_int_equal(probe(BYTES(0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0), &info),
                     MOA_ERR_TRUNCATED);
    assert_int_equal(probe(BYTES('G', 'I', 'F', '8', '7', 'a', 0, 0, 4, 0), &info),
                     MOA_ERR_CORRUPT);
}

static void limits_are_checked_before_decoding(void **state)
{
    (void)state;
    /* No pixel data follows: a decoder would say TRUNCATED. */
    const struct moa_bytes huge = BYTES(0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0, 0, 0, 13,
                                        'I', 'H', 'D', 'R', 0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60);
    struct moa_image_info info = {0};
    struct moa_image_features f;
    struct moa_error error;
    assert_int_equal(moa_image_measure(huge, NULL, &info, &f, &error), MOA_ERR_LIMIT);
    assert_int_equal(error.code, MOA_ERR_LIMIT);
    assert_non_null(error.message);
    assert_int_equal(info.width_px, 60000);

    struct moa_image_limits limits;
    moa_image_limits_default(&limits);
    limits.max_px = UINT64_MAX;
    limits.max_width_px = 59999;
    assert_int_equal(moa_image_measure(huge, &limits, NULL, &f, NULL), MOA_ERR_LIMIT);
    limits.max_width_px = 60000;
    assert_int_equal(moa_image_measure(huge, &limits, NULL, &f, NULL), MOA_ERR_TRUNCATED);
}

static void header_gives_bits_and_quantiser(void **state)
{
    (void)state;
    /* A baseline JPEG header of 8 x 8 px: one table with every step 17, then one component. */
    uint8_t file[2 + 69 + 13 + 4] = {0xff, 0xd8, 0xff, 0xdb, 0, 67, 0};
    memset(file + 7, 17, 64);
    const uint8_t frame[] = {0xff, 0xc0, 0, 11, 8, 0, 8, 0, 8, 1, 1, 0x11, 0};
    memcpy(file + 71, frame, sizeof(frame));
    memcpy(file + 84, (const uint8_t[]){0xff, 0xda, 0, 8}, 4);
    const struct moa_bytes bytes = {file, sizeof(file)};
    struct moa_image_header header;
    assert_int_equal(moa_image_header(bytes, &header, NULL), MOA_OK);
    assert_int_equal(header.info.width_px, 8);
    assert_true(header.quantiser == 17.0);
    assert_true(header.bits_per_pixel == sizeof(file) * 8.0 / 64.0);
    /* The steps are nearly those of quality 85. */
    assert_true(fabs(header.bits_per_pixel_normal / header.bits_per_pixel - 1.0) < 0.02);

    /* Twice the step: the picture would have more bits at quality 85. */
    memset(file + 7, 34, 64);
    struct moa_image_header coarse;
    assert_int_equal(moa_image_header(bytes, &coarse, NULL), MOA_OK);
    assert_true(coarse.bits_per_pixel_normal > 1.4 * header.bits_per_pixel_normal);
    assert_true(coarse.bits_per_pixel == header.bits_per_pixel);
}

/* Columns 0, 0, a, b repeated: two gradients that differ by little and are both large. */
static void nearly_equal_gradients_are_told_apart(void **state)
{
    (void)state;
    enum { WIDTH = 402, HEIGHT = 30 };
    static uint8_t luma[WIDTH * HEIGHT];
    const uint8_t columns[4] = {0, 0, 250, 251};
    for (size_t i = 0; i < sizeof(luma); i++)
        luma[i] = columns[i % WIDTH % 4];
    struct moa_image_features f;
    assert_int_equal(moa_luma_measure(luma, WIDTH, HEIGHT, WIDTH, &f), MOA_OK);
    assert_true(f.gradient_p5 == 1000.0);
    assert_true(f.gradient_p95 == 1004.0);
    assert_true(f.gradient_mean == 1002.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plane_without_interior_has_no_gradient),
        cmocka_unit_test(one_interior_pixel_is_every_percentile),
        cmocka_unit_test(flat_plane_has_no_complexity_but_size),
        cmocka_unit_test(stride_is_not_measured),
        cmocka_unit_test(bad_arguments_are_refused),
        cmocka_unit_test(weights_are_normalised),
        cmocka_unit_test(headers_give_format_and_size),
        cmocka_unit_test(damaged_headers_are_refused),
        cmocka_unit_test(limits_are_checked_before_decoding),
        cmocka_unit_test(header_gives_bits_and_quantiser),
        cmocka_unit_test(nearly_equal_gradients_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
