/* SPDX-License-Identifier: Apache-2.0
 *
 * moaoff/recode.h and what it stands on: sizes, the eight orientations, formats, hostile files,
 * and every allocation failing in turn. Pictures are four quadrants of different colours.
 */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <moaoff/recode.h>

#include "image/format.h"

#include "recode_pictures.h"
#include "test.h"

/* ---- allocations that fail: the linker sends ours here ---- */

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);

static long fail_at = -1; /* 0: this one */

void *__wrap_malloc(size_t n)
{
    return fail_at >= 0 && fail_at-- == 0 ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fail_at >= 0 && fail_at-- == 0 ? NULL : __real_calloc(n, size);
}

/* ---- what comes out ---- */

static struct moa_image_info info_of(struct moa_bytes file)
{
    struct moa_image_info info;
    assert_int_equal(moa_image_probe(file, &info, NULL), MOA_OK);
    return info;
}

static struct file recode(const struct file *file, unsigned orientation,
                          const struct moa_recode_target *target, enum moa_image_format expected)
{
    const struct moa_image_info info = info_of(bytes_of(file));
    struct moa_error error = {0};
    struct moa_recoded made;
    if (moa_recode(bytes_of(file), &info, orientation, target, &made, &error))
        fail_msg("%s", error.message);
    const struct file result = {made.p, made.n};
    assert_int_equal(made.format, expected);
    assert_int_equal(info_of(bytes_of(&result)).format, expected);
    return result;
}

/* The middle of each quarter, within what JPEG does to flat colours. */
static void assert_quadrants(const struct file *file, const char *names)
{
    const struct moa_image_info info = info_of(bytes_of(file));
    const struct moa_picture picture = {bytes_of(file), info};
    const struct moa_wanted wanted = {.width_px = info.width_px, .height_px = info.height_px};
    struct moa_pixels pixels;
    struct moa_error error;
    assert_int_equal(moa_picture_pixels(&picture, &wanted, &pixels, &error), MOA_OK);
    assert_int_equal(pixels.width_px, info.width_px);
    assert_int_equal(pixels.height_px, info.height_px);
    assert_int_equal(pixels.color, MOA_COLOR_RGB);
    for (uint32_t i = 0; i < 4; i++) {
        const size_t x = pixels.width_px * (1 + 2 * (i % 2)) / 4;
        const size_t y = pixels.height_px * (1 + 2 * (i / 2)) / 4;
        const uint8_t *got = pixels.planes[0].p + y * pixels.planes[0].stride_bytes + 3 * x;
        uint8_t rgb[3];
        color_of(names[i], rgb);
        if (abs(got[0] - rgb[0]) > 12 || abs(got[1] - rgb[1]) > 12 || abs(got[2] - rgb[2]) > 12)
            fail_msg("quarter %u is %u %u %u, not '%c'", i, got[0], got[1], got[2], names[i]);
    }
    moa_pixels_done(&pixels);
}

static const struct moa_recode_target plain = {.jpeg_quality = 90};
static const struct moa_recode_target jpeg_only = {.formats = 1 << MOA_IMAGE_JPEG,
                                                   .jpeg_quality = 90};

/* ---- tests ---- */

static void tokens_are_counted_on_the_grid(void **state)
{
    (void)state;
    assert_int_equal(moa_image_tokens(28, 28), 1);
    assert_int_equal(moa_image_tokens(29, 28), 2);
    assert_int_equal(moa_image_tokens(1, 1), 1);
    assert_int_equal(moa_image_tokens(640, 480), 23 * 18);
    assert_int_equal(moa_image_tokens(1920, 1080), 2691);
    assert_int_equal(moa_image_tokens(3840, 2160), 10764);
    assert_true(moa_image_tokens(UINT32_MAX, UINT32_MAX) > UINT64_C(1) << 54);
}

/* The largest scale at which whole columns, or whole rows, stay in the budget; 0: none does. */
static double best_scale(uint64_t w, uint64_t h, uint64_t budget)
{
    double best = 0;
    for (uint64_t k = 1; 28 * k <= w; k++) {
        if (k * ((k * h + w - 1) / w) <= budget)
            best = 28.0 * (double)k / (double)w;
    }
    for (uint64_t k = 1; 28 * k <= h; k++) {
        if (k * ((k * w + h - 1) / h) <= budget)
            best = fmax(best, 28.0 * (double)k / (double)h);
    }
    return best;
}

static void sizes_fill_the_budget_and_keep_the_shape(void **state)
{
    (void)state;
    unsigned random = 7;
    for (int i = 0; i < 3000; i++) {
        random = random * 1664525u + 1013904223u;
        const uint32_t w = 1 + (random >> 8) % (i % 3 ? 5000 : 100);
        random = random * 1664525u + 1013904223u;
        const uint32_t h = 1 + (random >> 8) % (i % 5 ? 5000 : 30);
        random = random * 1664525u + 1013904223u;
        const uint32_t budget = 1 + (random >> 8) % 4000;
        uint32_t got_w, got_h;
        moa_recode_size(w, h, budget, &got_w, &got_h);
        assert_true(got_w >= 1 && got_h >= 1 && got_w <= w && got_h <= h);
        if (4 * moa_image_tokens(w, h) <= 5 * (uint64_t)budget) {
            assert_int_equal(got_w, w);
            assert_int_equal(got_h, h);
            continue;
        }
        assert_true(moa_image_tokens(got_w, got_h) <= budget);
        const double scale = best_scale(w, h, budget);
        assert_true(fabs(got_w - fmax(1, scale * w)) <= 1);
        assert_true(fabs(got_h - fmax(1, scale * h)) <= 1);
    }
    uint32_t w, h;
    moa_recode_size(3840, 2160, 1024, &w, &h);
    assert_int_equal(w, 1176);
    assert_int_equal(h, 661);
    moa_recode_size(3840, 2160, 0, &w, &h);
    assert_int_equal(w, 3840);
    moa_recode_size(1, 65535, 4, &w, &h);
    assert_int_equal(w, 1);
    assert_int_equal(h, 112);
}

static void an_image_is_changed_for_a_reason(void **state)
{
    (void)state;
    const struct moa_image_info info = {MOA_IMAGE_PNG, 280, 140}; /* 50 tokens */
    const struct moa_recode_target all = {0};
    assert_false(moa_recode_needed(&info, 6, 0, &all));
    assert_false(moa_recode_needed(&info, 1, 0, &(struct moa_recode_target){.max_tokens = 40}));
    assert_true(moa_recode_needed(&info, 1, 0, &(struct moa_recode_target){.max_tokens = 39}));
    assert_false(moa_recode_needed(&info, 1, MOA_IMAGE_TRANSPARENT, &all));
    assert_true(moa_recode_needed(&info, 1, MOA_IMAGE_TRANSPARENT,
                                  &(struct moa_recode_target){.flatten = true}));
    assert_false(moa_recode_needed(&info, 1, 0, &(struct moa_recode_target){.flatten = true}));
    assert_true(moa_recode_needed(&info, 1, 0, &jpeg_only));
    assert_false(
        moa_recode_needed(&info, 1, 0, &(struct moa_recode_target){.formats = 1 << MOA_IMAGE_PNG}));
    assert_true(moa_recode_needed(&info, 6, 0, &(struct moa_recode_target){.upright = true}));
    assert_false(moa_recode_needed(&info, 1, 0, &(struct moa_recode_target){.upright = true}));
    assert_false(moa_recode_needed(&info, 1, 0, &(struct moa_recode_target){.min_side_px = 140}));
    assert_true(moa_recode_needed(&info, 1, 0, &(struct moa_recode_target){.min_side_px = 141}));
}

static void every_orientation_is_applied(void **state)
{
    (void)state;
    /* What is seen of the stored quadrants "rgb.", by EXIF's definition of each value. */
    static const char *const seen[9] = {NULL,   "rgb.", "gr.b", ".bgr", "b.rg",
                                        "rbg.", "br.g", ".gbr", "g.rb"};
    for (unsigned orientation = 1; orientation <= 8; orientation++) {
        const struct file files[] = {
            jpeg_file(160, 96, orientation, false), jpeg_file(160, 96, orientation, true),
            png_file(160, 96, orientation, false, false), webp_file(160, 96, orientation, false)};
        for (size_t i = 0; i < N_TESTS(files); i++) {
            const struct moa_bytes bytes = bytes_of(&files[i]);
            const struct moa_image_info info = info_of(bytes);
            assert_int_equal(moa_image_orientation(bytes, info.format), orientation);
            const struct file made = recode(&files[i], orientation, &jpeg_only, MOA_IMAGE_JPEG);
            const bool lies = orientation >= 5;
            assert_int_equal(info_of(bytes_of(&made)).width_px, lies ? 96 : 160);
            assert_int_equal(info_of(bytes_of(&made)).height_px, lies ? 160 : 96);
            assert_int_equal(moa_image_orientation(bytes_of(&made), MOA_IMAGE_JPEG), 1);
            assert_quadrants(&made, seen[orientation]);
            free(made.p);
            free(files[i].p);
        }
    }
}

static void wrong_exif_is_upright(void **state)
{
    (void)state;
    struct file file = jpeg_file(16, 16, 9, false);
    assert_int_equal(moa_image_orientation(bytes_of(&file), MOA_IMAGE_JPEG), 1);
    free(file.p);
    /* Any byte wrong, any length: a number from 1 to 8, and no read outside (sanitizers). */
    const struct file files[] = {jpeg_file(16, 16, 6, true), png_file(16, 16, 6, false, false),
                                 webp_file(16, 16, 6, false)};
    for (size_t i = 0; i < N_TESTS(files); i++) {
        const enum moa_image_format format = info_of(bytes_of(&files[i])).format;
        for (size_t n = 0; n < files[i].n && n < 300; n++) {
            uint8_t *cut = malloc(n + 1);
            memcpy(cut, files[i].p, n);
            moa_image_orientation((struct moa_bytes){cut, n}, format);
            for (unsigned value = 0; n > 0 && value < 256; value += 51) {
                cut[n - 1] = (uint8_t)value;
                const unsigned got = moa_image_orientation((struct moa_bytes){cut, n}, format);
                assert_true(got >= 1 && got <= 8);
            }
            free(cut);
        }
        free(files[i].p);
    }
}

static void every_format_is_read_and_reduced(void **state)
{
    (void)state;
    const struct file files[] = {
        jpeg_file(1003, 601, 0, false),      png_file(1003, 601, 0, false, false),
        png_file(1003, 601, 0, true, false), webp_file(1003, 601, 0, false),
        webp_file(1003, 601, 0, true),
    };
    static const uint32_t budgets[] = {0, 700, 200, 20, 1};
    for (size_t i = 0; i < N_TESTS(files); i++) {
        for (size_t k = 0; k < N_TESTS(budgets); k++) {
            struct moa_recode_target target = jpeg_only;
            target.max_tokens = budgets[k];
            const struct file made = recode(&files[i], 1, &target, MOA_IMAGE_JPEG);
            const struct moa_image_info info = info_of(bytes_of(&made));
            uint32_t width, height;
            moa_recode_size(1003, 601, budgets[k], &width, &height);
            const bool may_be_smaller = i == 0;
            assert_true(info.width_px <= width && info.height_px <= height);
            assert_true(info.width_px >= (may_be_smaller ? width * 7 / 8 : width));
            assert_true(info.height_px >= (may_be_smaller ? height * 7 / 8 : height));
            if (width > 60)
                assert_quadrants(&made, "rgb.");
            free(made.p);
        }
        free(files[i].p);
    }
}

static void the_first_frame_of_a_gif(void **state)
{
    (void)state;
    for (int interlaced = 0; interlaced < 2; interlaced++) {
        struct file file = gif_file(96, 60, interlaced);
        struct file made = recode(&file, 1, &plain, MOA_IMAGE_PNG);
        const struct moa_image_info info = info_of(bytes_of(&made));
        assert_int_equal(info.width_px, 100);
        assert_int_equal(info.height_px, 64);
        assert_quadrants(&made, "rgbw"); /* the black quarter is transparent: on white */
        free(made.p);
        free(file.p);
    }
}

static void few_colours_stay_png_and_transparent_is_white(void **state)
{
    (void)state;
    struct file file = png_file(200, 100, 0, false, true);
    struct moa_recode_target target = plain;
    target.max_tokens = 10;
    struct file made = recode(&file, 1, &target, MOA_IMAGE_PNG);
    assert_quadrants(&made, "rwbw");
    free(made.p);
    target.formats = 1 << MOA_IMAGE_PNG;
    made = recode(&file, 1, &target, MOA_IMAGE_PNG);
    assert_quadrants(&made, "rwbw");
    free(made.p);
    free(file.p);
    /* A photograph for a tier that reads nothing but PNG: too many colours for a palette. */
    file = jpeg_file(300, 300, 0, false);
    made = recode(&file, 1, &target, MOA_IMAGE_PNG);
    assert_quadrants(&made, "rgb.");
    free(made.p);
    free(file.p);
}

static void short_sides_are_padded(void **state)
{
    (void)state;
    struct file file = png_file(4, 60, 0, false, false);
    struct moa_recode_target target = {.min_side_px = 28, .jpeg_quality = 90};
    struct file made = recode(&file, 1, &target, MOA_IMAGE_PNG);
    const struct moa_image_info info = info_of(bytes_of(&made));
    assert_int_equal(info.width_px, 28);
    assert_int_equal(info.height_px, 60);
    assert_quadrants(&made, "wwww"); /* the stripe stands in the middle */
    free(made.p);
    free(file.p);
}

/* Cut anywhere, any byte wrong: an error or an image, no crash, no leak. */
static void damaged_files_do_no_harm(void **state)
{
    (void)state;
    const struct file files[] = {
        jpeg_file(60, 40, 6, false),      png_file(60, 40, 0, false, true),
        png_file(60, 40, 0, true, false), webp_file(60, 40, 0, false),
        webp_file(60, 40, 0, true),       gif_file(60, 40, false),
        gif_file(60, 40, true),
    };
    struct moa_recode_target target = plain;
    target.max_tokens = 2;
    unsigned random = 3;
    for (size_t i = 0; i < N_TESTS(files); i++) {
        for (int turn = 0; turn < 400; turn++) {
            random = random * 1664525u + 1013904223u;
            const size_t at = (random >> 8) % files[i].n;
            const size_t n = turn % 4 == 0 ? at : files[i].n;
            uint8_t *bad = malloc(files[i].n);
            memcpy(bad, files[i].p, files[i].n);
            bad[at] = (uint8_t)(random >> 3);
            const struct moa_bytes bytes = {bad, n};
            struct moa_image_info info;
            struct moa_error error = {0};
            struct moa_recoded made;
            if (!moa_image_probe(bytes, &info, NULL) &&
                (uint64_t)info.width_px * info.height_px < 1 << 20) {
                if (!moa_recode(bytes, &info, 1, &target, &made, &error))
                    free(made.p);
                else
                    assert_true(error.code && error.message);
            }
            free(bad);
        }
        free(files[i].p);
    }
}

/* The header was read, the limits checked; then the decoder sees another size. */
static void sizes_that_contradict_are_refused(void **state)
{
    (void)state;
    const struct file files[] = {jpeg_file(60, 40, 0, false), png_file(60, 40, 0, false, false)};
    for (size_t i = 0; i < N_TESTS(files); i++) {
        struct moa_image_info info = info_of(bytes_of(&files[i]));
        info.height_px = 20;
        struct moa_error error;
        struct moa_recoded made;
        assert_int_equal(moa_recode(bytes_of(&files[i]), &info, 1, &plain, &made, &error),
                         MOA_ERR_CORRUPT);
        free(files[i].p);
    }
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    const struct file files[] = {
        jpeg_file(200, 100, 0, false),      png_file(200, 100, 0, false, false),
        png_file(200, 100, 0, true, false), webp_file(200, 100, 0, false),
        gif_file(200, 100, true),
    };
    const struct moa_recode_target target = {
        .max_tokens = 8, .min_side_px = 28, .jpeg_quality = 80};
    for (size_t i = 0; i < N_TESTS(files); i++) {
        const struct moa_image_info info = info_of(bytes_of(&files[i]));
        unsigned failed = 0;
        for (long k = 0;; k++) {
            struct moa_error error = {0};
            struct moa_recoded made = {.p = NULL};
            fail_at = k;
            const enum moa_err err =
                moa_recode(bytes_of(&files[i]), &info, 5, &target, &made, &error);
            const bool reached = fail_at < 0;
            fail_at = -1;
            if (err)
                assert_int_equal(err, MOA_ERR_MEMORY);
            else
                free(made.p);
            failed += err != MOA_OK;
            if (!reached)
                break;
            assert_true(k < 100);
        }
        assert_true(failed >= 2);
        free(files[i].p);
    }
}

/* What is kept of a decoding that also measured, in each mode, against both by themselves. */
static void assert_kept(const struct file *file, const struct moa_recode_target *target,
                        bool is_kept)
{
    const struct moa_bytes bytes = bytes_of(file);
    const struct moa_image_info info = info_of(bytes);
    const unsigned orientation = moa_image_orientation(bytes, info.format);
    struct moa_recoded alone;
    assert_int_equal(moa_recode(bytes, &info, orientation, target, &alone, NULL), MOA_OK);
    for (int mode = MOA_IMAGE_EXACT; mode <= MOA_IMAGE_FAST; mode++) {
        const struct moa_image_options options = {.mode = (enum moa_image_mode)mode};
        struct moa_image_features f = {0}, with = {0};
        struct moa_kept *kept = NULL;
        struct moa_recoded made;
        assert_int_equal(moa_image_measure_with(bytes, &options, NULL, NULL, &f, NULL), MOA_OK);
        assert_int_equal(
            moa_recode_measure(bytes, &options, NULL, target, 1 << 24, NULL, &with, &kept, NULL),
            MOA_OK);
        assert_memory_equal(&f, &with, sizeof(f));
        assert_int_equal(kept != NULL, is_kept);
        if (!kept)
            continue;
        assert_true(moa_kept_suits(kept, target));
        assert_true(moa_kept_bytes(kept) > 0);
        assert_int_equal(moa_recode_kept(kept, target, &made, NULL), MOA_OK);
        assert_int_equal(made.format, alone.format);
        assert_int_equal(made.n, alone.n);
        assert_memory_equal(made.p, alone.p, alone.n);
        free(made.p);
    }
    free(alone.p);
}

static void kept_pixels_become_the_same_file(void **state)
{
    (void)state;
    const uint32_t jpegs[] = {600, 290, 70, 18}; /* tokens: whole, half, quarter, eighth */
    for (int sampling = 1; sampling <= 4; sampling += sampling) {
        for (int kind = 0; kind < 3; kind++) {
            const struct file file = textured_jpeg(1283, 709, kind == 1, kind == 2, sampling);
            for (size_t i = 0; i < N_TESTS(jpegs); i++)
                assert_kept(&file, &(struct moa_recode_target){.max_tokens = jpegs[i]}, i < 3);
            free(file.p);
        }
    }
    const struct moa_recode_target small = {.max_tokens = 6, .upright = true};
    const struct file others[] = {jpeg_file(320, 200, 6, false),
                                  png_file(320, 200, 6, false, false),
                                  png_file(320, 200, 1, true, true)};
    for (size_t i = 0; i < N_TESTS(others); i++) {
        assert_kept(&others[i], &small, true);
        assert_kept(&others[i], &jpeg_only, i > 0);
        free(others[i].p);
    }
    const struct moa_recode_target png = {.max_tokens = 6, .formats = 1u << MOA_IMAGE_PNG};
    for (int lossless = 0; lossless < 2; lossless++) {
        const struct file webp = webp_file(320, 200, 1, lossless);
        assert_kept(&webp, &small, lossless); /* else its planes are what goes on */
        assert_kept(&webp, &png, true);
        free(webp.p);
    }
}

static void kept_pixels_are_for_one_target(void **state)
{
    (void)state;
    const struct file file = textured_jpeg(640, 480, false, false, 4);
    const struct moa_recode_target small = {.max_tokens = 100}, other = {.max_tokens = 50},
                                   better = {.max_tokens = 100, .jpeg_quality = 95};
    struct moa_image_features f;
    struct moa_kept *kept = NULL;
    struct moa_recoded made;
    struct moa_error error;
    assert_int_equal(
        moa_recode_measure(bytes_of(&file), NULL, NULL, &small, 100, NULL, &f, &kept, &error),
        MOA_OK);
    assert_null(kept); /* there is no room */
    assert_int_equal(
        moa_recode_measure(bytes_of(&file), NULL, NULL, &small, 1 << 20, NULL, &f, &kept, &error),
        MOA_OK);
    assert_non_null(kept);
    assert_true(moa_kept_suits(kept, &better));
    assert_false(moa_kept_suits(kept, &other) || moa_kept_suits(NULL, &small));
    assert_int_equal(moa_recode_kept(kept, &other, &made, &error), MOA_ERR_ARGUMENT);
    assert_int_equal(moa_recode_kept(NULL, &small, &made, &error), MOA_ERR_ARGUMENT);
    assert_int_equal(moa_kept_bytes(NULL), 0);
    moa_kept_free(NULL);
    free(file.p);
}

/* What lies in rows that are not measured is seen all the same where pictures are compared. */
static void fast_mode_reduces_the_whole_picture(void **state)
{
    (void)state;
    const struct moa_image_options fast = {.mode = MOA_IMAGE_FAST};
    for (int kind = 0; kind < 3; kind++) {
        const struct file file = textured_jpeg(1280, 1090, kind == 1, kind == 2, 4);
        struct moa_image_features exact, quick;
        struct moa_image_complexity c, q;
        double max, mean;
        assert_int_equal(moa_image_measure(bytes_of(&file), NULL, NULL, &exact, NULL), MOA_OK);
        assert_int_equal(moa_image_measure_with(bytes_of(&file), &fast, NULL, NULL, &quick, NULL),
                         MOA_OK);
        moa_image_distance(&exact, &quick, &max, &mean);
        assert_int_equal(exact.mode, MOA_IMAGE_EXACT);
        assert_int_equal(quick.mode, MOA_IMAGE_FAST);
        assert_true(mean < 4);
        assert_true(exact.reduced[MOA_IMAGE_REDUCED + 12] < 80); /* in the bar */
        assert_true(quick.reduced[MOA_IMAGE_REDUCED + 12] < 80);
        moa_image_complexity(NULL, &exact, &c);
        moa_image_complexity(NULL, &quick, &q);
        assert_true(fabs(c.score - q.score) < 0.02);
        free(file.p);
    }
    assert_string_equal(moa_image_mode_name(MOA_IMAGE_FAST), "fast");
    assert_string_equal(moa_image_mode_name(MOA_IMAGE_EXACT), "exact");
    assert_string_equal(moa_image_mode_name((enum moa_image_mode)7), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_are_counted_on_the_grid),
        cmocka_unit_test(sizes_fill_the_budget_and_keep_the_shape),
        cmocka_unit_test(an_image_is_changed_for_a_reason),
        cmocka_unit_test(every_orientation_is_applied),
        cmocka_unit_test(wrong_exif_is_upright),
        cmocka_unit_test(kept_pixels_become_the_same_file),
        cmocka_unit_test(kept_pixels_are_for_one_target),
        cmocka_unit_test(fast_mode_reduces_the_whole_picture),
        cmocka_unit_test(every_format_is_read_and_reduced),
        cmocka_unit_test(the_first_frame_of_a_gif),
        cmocka_unit_test(few_colours_stay_png_and_transparent_is_white),
        cmocka_unit_test(short_sides_are_padded),
        cmocka_unit_test(damaged_files_do_no_harm),
        cmocka_unit_test(sizes_that_contradict_are_refused),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
