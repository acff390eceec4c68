/* SPDX-License-Identifier: Apache-2.0
 *
 * The reduced luma of a picture against its definition, and what counts as one scene.
 */
#include <stdlib.h>
#include <string.h>

#include <moaoff/image.h>

#include "image/luma_scan.h"

#include "test.h"

enum { SIDE = MOA_IMAGE_REDUCED, W = 320, H = 240 };

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* About normal, of standard deviation `sigma`: twelve times uniform. */
static int noise(uint32_t *state, int sigma)
{
    int sum = 0;
    for (int i = 0; i < 12; i++)
        sum += (int)(next_random(state) % 1024);
    return (sum - 12 * 512) * sigma / 1024;
}

static uint8_t clipped(int v)
{
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

/* ---- reduced luma ---- */

/* The formula of the header. */
static uint8_t cell_of(const uint8_t *luma, uint32_t width, uint32_t height, uint32_t i, uint32_t j)
{
    const uint32_t top = i * height / SIDE, left = j * width / SIDE;
    const uint32_t below = (i + 1) * height / SIDE, right = (j + 1) * width / SIDE;
    const uint32_t step = (height + 95) / 96;
    uint32_t sum = 0, n = 0;
    for (uint32_t y = top; y == top || y < below; y++) {
        for (uint32_t x = left; y % step == 0 && (x == left || x < right); x++, n++)
            sum += luma[(size_t)y * width + x];
    }
    return (uint8_t)((sum + n / 2) / n);
}

static void reduced_is_the_mean_of_its_cells(void **state)
{
    (void)state;
    static const uint32_t sizes[][2] = {{1, 1},    {1, 50},   {50, 1},    {5, 3},    {31, 33},
                                        {32, 32},  {33, 31},  {77, 128},  {64, 129}, {500, 257},
                                        {20, 700}, {90, 641}, {2100, 40}, {640, 480}};
    uint32_t random = 5;
    for (size_t s = 0; s < N_TESTS(sizes); s++) {
        const uint32_t width = sizes[s][0], height = sizes[s][1];
        uint8_t *luma = malloc((size_t)width * height);
        assert_non_null(luma);
        for (size_t i = 0; i < (size_t)width * height; i++)
            luma[i] = (uint8_t)next_random(&random);
        struct moa_image_features f;
        assert_int_equal(moa_luma_measure(luma, width, height, width, &f), MOA_OK);
        for (uint32_t i = 0; i < SIDE * SIDE; i++) {
            const uint8_t expected = cell_of(luma, width, height, i / SIDE, i % SIDE);
            if (f.reduced[i] != expected)
                fail_msg("%u x %u, cell %u: %u for %u", width, height, i, f.reduced[i], expected);
        }
        free(luma);
    }
}

/* Gradients that are all alike are counted again with exact bins; the rows must not add up twice.
 */
static void counting_again_does_not_reduce_twice(void **state)
{
    (void)state;
    enum { SIDES = 96 };
    uint8_t *luma = malloc(SIDES * SIDES);
    assert_non_null(luma);
    for (size_t i = 0; i < SIDES * SIDES; i++)
        luma[i] = i % SIDES / 2 % 2 ? 250 : 10;
    struct moa_image_features f;
    assert_int_equal(moa_luma_measure(luma, SIDES, SIDES, SIDES, &f), MOA_OK);
    for (uint32_t i = 0; i < SIDE * SIDE; i++)
        assert_int_equal(f.reduced[i], cell_of(luma, SIDES, SIDES, i / SIDE, i % SIDE));
    free(luma);
}

/* Rows of which only means are known fill their cells all the same. */
static void skipped_rows_are_their_means(void **state)
{
    (void)state;
    enum { TALL = 512 };
    uint8_t means[64];
    struct moa_luma_scan *scan = moa_scan_new(64, TALL);
    assert_non_null(scan);
    for (uint32_t y = 0; y < TALL; y += 16) {
        if (y / 16 % 4) {
            memset(means, (int)(y / 4), sizeof(means));
            moa_scan_skip(scan, means, 16);
            continue;
        }
        for (uint32_t i = 0; i < 16; i++)
            memset(moa_scan_space(scan, i), (int)(y / 4), 64);
        moa_scan_push(scan, 16);
    }
    struct moa_image_features f;
    (void)moa_scan_finish(scan, &f);
    moa_scan_free(scan);
    for (uint32_t i = 0; i < SIDE * SIDE; i++)
        assert_int_equal(f.reduced[i], i / SIDE * 4); /* a row of cells has 16 rows */
    assert_int_equal(f.mode, MOA_IMAGE_FAST);
}

/* ---- scenes ---- */

/* A wall with a lamp, a door and a shelf. */
static void draw_wall(uint8_t luma[H][W], int lamp)
{
    for (int y = 0; y < H; y++) {
        for (int x = 0; x < W; x++) {
            const int from_lamp = abs(x - lamp) + abs(y - 40);
            luma[y][x] = clipped(90 + (from_lamp < 120 ? 120 - from_lamp : 0) + y / 8);
            if (x > 210 && x < 280 && y > 60)
                luma[y][x] = 55;
            if (y > 150 && y < 165 && x < 180)
                luma[y][x] = 30;
        }
    }
}

static struct moa_image_features frame_of(uint8_t luma[H][W], int sigma, int percent,
                                          uint32_t *random)
{
    static uint8_t frame[H][W];
    struct moa_image_features f;
    for (int y = 0; y < H; y++) {
        for (int x = 0; x < W; x++)
            frame[y][x] = clipped(luma[y][x] * percent / 100 + noise(random, sigma));
    }
    assert_int_equal(moa_luma_measure(&frame[0][0], W, H, W, &f), MOA_OK);
    return f;
}

static bool is_one_scene(const struct moa_image_features *one,
                         const struct moa_image_features *other)
{
    uint64_t a[2], b[2];
    moa_image_scene(one, a);
    moa_image_scene(other, b);
    return a[0] == b[0] && a[1] == b[1];
}

/* Mostly: a field that is at the border of two levels goes to and fro. */
static void noise_and_light_leave_the_scene(void **state)
{
    (void)state;
    static uint8_t wall[H][W];
    uint32_t random = 7;
    int n_same = 0, n_brighter = 0, n = 0;
    for (int lamp = 0; lamp < 200; lamp += 10) {
        draw_wall(wall, lamp);
        const struct moa_image_features first = frame_of(wall, 4, 100, &random);
        for (int i = 0; i < 10; i++, n++) {
            const struct moa_image_features again = frame_of(wall, 4, 100, &random);
            const struct moa_image_features lit = frame_of(wall, 4, 103, &random);
            double max, mean;
            n_same += is_one_scene(&first, &again);
            n_brighter += is_one_scene(&first, &lit);
            moa_image_distance(&first, &again, &max, &mean);
            assert_true(max <= 6.0 && mean <= 1.5);
        }
    }
    assert_in_range(n_same, n * 6 / 10, n);
    assert_in_range(n_brighter, n * 5 / 10, n);
}

/* Somebody in front of the wall: another scene; a hand: seen by the distance at least. */
static void what_moves_is_seen(void **state)
{
    (void)state;
    static uint8_t wall[H][W];
    uint32_t random = 9;
    draw_wall(wall, 90);
    const struct moa_image_features empty = frame_of(wall, 4, 100, &random);
    for (int at = 10; at < 150; at += 20) {
        draw_wall(wall, 90);
        for (int y = 70; y < 230; y++)
            memset(&wall[y][at], 40, 35);
        const struct moa_image_features person = frame_of(wall, 4, 100, &random);
        assert_false(is_one_scene(&empty, &person));
        draw_wall(wall, 90);
        for (int y = 100; y < 110; y++)
            memset(&wall[y][at], 40, 10);
        const struct moa_image_features hand = frame_of(wall, 4, 100, &random);
        double max, mean;
        moa_image_distance(&empty, &hand, &max, &mean);
        assert_true(max > 12.0);
    }
}

/* By the formula of the header, at its borders. */
static void levels_of_a_scene(void **state)
{
    (void)state;
    static struct moa_image_features f;
    uint64_t scene[2];
    moa_image_scene(&f, scene);
    assert_true(scene[0] == 0 && scene[1] == 0);
    memset(f.reduced, 200, sizeof(f.reduced));
    moa_image_scene(&f, scene);
    assert_true(scene[0] == 0x0c0c0c0c0c0c0c0c && scene[1] == scene[0]);
    memset(f.reduced, 16, sizeof(f.reduced)); /* half of the least mean */
    moa_image_scene(&f, scene);
    assert_true(scene[0] == 0x0606060606060606 && scene[1] == scene[0]);
    /* The last field alone is lit: c / m = 16. */
    memset(f.reduced, 0, sizeof(f.reduced));
    for (size_t i = 0; i < sizeof(f.reduced); i++) {
        if (i / SIDE >= 24 && i % SIDE >= 24)
            f.reduced[i] = 255;
    }
    moa_image_scene(&f, scene);
    assert_true(scene[0] == 0 && scene[1] == (uint64_t)(12.5 * 255 / 32) << 56);
    double max, mean;
    static const struct moa_image_features dark;
    moa_image_distance(&f, &dark, &max, &mean);
    assert_true(max == 255.0 && mean == 255.0 / 16.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reduced_is_the_mean_of_its_cells),
        cmocka_unit_test(counting_again_does_not_reduce_twice),
        cmocka_unit_test(skipped_rows_are_their_means),
        cmocka_unit_test(noise_and_light_leave_the_scene),
        cmocka_unit_test(what_moves_is_seen),
        cmocka_unit_test(levels_of_a_scene),
    };
    return cmocka_run_group_tests_name("scene", tests, NULL, NULL);
}
