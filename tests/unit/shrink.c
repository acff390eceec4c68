/* SPDX-License-Identifier: Apache-2.0
 *
 * src/image/shrink.h against the definition of an area average in double precision, and the
 * pictures in memory of pixels.h.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "image/shrink.h"

#include "test.h"

static unsigned next_random(unsigned *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* What of input pixel `i` lies in output pixel `o`, in input pixels. */
static double overlap(uint32_t i, uint32_t o, uint32_t n_in, uint32_t n_out)
{
    const double begin = fmax(i, (double)o * n_in / n_out);
    const double end = fmin(i + 1.0, (o + 1.0) * n_in / n_out);
    return fmax(0, end - begin);
}

static double mean_at(const struct moa_plane *in, const struct moa_plane *out, uint32_t x,
                      uint32_t y, uint32_t channel)
{
    double sum = 0, area = 0;
    for (uint32_t v = 0; v < in->height; v++) {
        const double down = overlap(v, y, in->height, out->height);
        for (uint32_t u = 0; down > 0 && u < in->width; u++) {
            const double share = down * overlap(u, x, in->width, out->width);
            sum += share * in->p[v * in->stride_bytes + u * in->n_channels + channel];
            area += share;
        }
    }
    return sum / area;
}

static struct moa_plane shrunk(const struct moa_plane *in, uint32_t width, uint32_t height)
{
    struct moa_plane out = {.width = width, .height = height, .n_channels = in->n_channels};
    out.stride_bytes = (size_t)width * in->n_channels + 3;
    out.p = calloc(out.stride_bytes, height);
    struct moa_shrink s;
    assert_true(moa_shrink_init(&s, in->width, in->height, &out));
    for (uint32_t y = 0; y < in->height; y++)
        moa_shrink_row(&s, in->p + y * in->stride_bytes);
    moa_shrink_done(&s);
    return out;
}

static struct moa_plane noise(uint32_t width, uint32_t height, uint32_t n_channels, unsigned seed)
{
    const size_t stride = (size_t)width * n_channels;
    struct moa_plane plane = {malloc(stride * height), width, height, n_channels, stride};
    for (size_t i = 0; i < stride * height; i++)
        plane.p[i] = (uint8_t)(next_random(&seed) % 4 ? next_random(&seed) : 255);
    return plane;
}

static void every_pixel_is_the_mean_of_what_it_covers(void **state)
{
    (void)state;
    static const uint32_t sizes[][4] = {
        {40, 30, 20, 15}, {40, 30, 40, 30}, {41, 31, 17, 29}, {100, 7, 3, 7},    {7, 100, 7, 3},
        {64, 64, 1, 1},   {1, 1, 1, 1},     {300, 2, 299, 1}, {33, 20, 32, 20},  {500, 3, 4, 2},
        {5, 5, 10, 10},   {3, 7, 4, 9},     {1, 9, 2, 3},     {200, 150, 33, 49}};
    for (size_t i = 0; i < N_TESTS(sizes); i++) {
        for (uint32_t n_channels = 1; n_channels <= 3; n_channels += 2) {
            struct moa_plane in = noise(sizes[i][0], sizes[i][1], n_channels, (unsigned)i);
            struct moa_plane out = shrunk(&in, sizes[i][2], sizes[i][3]);
            for (uint32_t y = 0; y < out.height; y++) {
                for (uint32_t x = 0; x < out.width; x++) {
                    for (uint32_t c = 0; c < n_channels; c++) {
                        const int got = out.p[y * out.stride_bytes + x * n_channels + c];
                        assert_true(fabs(got - mean_at(&in, &out, x, y, c)) < 0.53);
                    }
                }
            }
            free(in.p);
            free(out.p);
        }
    }
}

/* The largest sums there are, and no drift: white stays white, gray stays gray. */
static void flat_planes_stay_flat(void **state)
{
    (void)state;
    for (unsigned value = 0; value < 256; value += 51) {
        struct moa_plane in = {malloc(65535 * 3), 65535, 3, 1, 65535};
        memset(in.p, (int)value, 65535 * 3);
        static const uint32_t widths[] = {1, 2, 777, 32768, 65534};
        for (size_t i = 0; i < N_TESTS(widths); i++) {
            struct moa_plane out = shrunk(&in, widths[i], 2);
            for (size_t x = 0; x < widths[i]; x++)
                assert_int_equal(out.p[x], value);
            free(out.p);
        }
        in.width = 3;
        in.stride_bytes = 3;
        in.height = 65535;
        struct moa_plane out = shrunk(&in, 2, 1);
        assert_int_equal(out.p[0], value);
        assert_int_equal(out.p[1], value);
        free(out.p);
        free(in.p);
    }
}

static void planes_turn_and_are_padded(void **state)
{
    (void)state;
    struct moa_pixels pixels;
    assert_true(moa_pixels_init(&pixels, MOA_COLOR_YCC, 4, 2));
    for (unsigned i = 0; i < 3; i++) {
        struct moa_plane *plane = &pixels.planes[i];
        for (uint32_t y = 0; y < plane->height; y++) {
            for (uint32_t x = 0; x < plane->width; x++)
                plane->p[y * plane->stride_bytes + x] = (uint8_t)(10 * y + x);
        }
    }
    assert_true(moa_pixels_turn(&pixels, 6)); /* its left column, from below, is the top row */
    assert_int_equal(pixels.width_px, 2);
    assert_int_equal(pixels.height_px, 4);
    assert_memory_equal(pixels.planes[0].p, ((const uint8_t[]){10, 0}), 2);
    assert_int_equal(pixels.planes[1].width, 1);
    assert_int_equal(pixels.planes[1].p[0], 0);
    assert_int_equal(pixels.planes[1].p[pixels.planes[1].stride_bytes], 1);
    assert_true(moa_pixels_pad(&pixels, 8));
    assert_int_equal(pixels.width_px, 8);
    const struct moa_plane *luma = &pixels.planes[0], *chroma = &pixels.planes[2];
    assert_int_equal(luma->p[0], 255);
    assert_int_equal(luma->p[2 * luma->stride_bytes + 2], 10);
    assert_int_equal(chroma->p[0], 128);
    assert_int_equal(chroma->p[2 * chroma->stride_bytes + 1], 1);
    moa_pixels_done(&pixels);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pixel_is_the_mean_of_what_it_covers),
        cmocka_unit_test(flat_planes_stay_flat),
        cmocka_unit_test(planes_turn_and_are_padded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
