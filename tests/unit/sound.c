/* SPDX-License-Identifier: Apache-2.0
 *
 * moaoff/sound.h: what is heard of odd files, and the arithmetic of complexities. The formulas over
 * real samples are compared with numpy in tests/reference/sound_reference.py.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <moaoff/sound.h>

#include "spectrum.h"
#include "test.h"

static void put(unsigned char *p, size_t n, uint32_t value)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (unsigned char)(value >> 8 * i);
}

/* 44 bytes. */
static void write_head(unsigned char *p, unsigned tag, unsigned channels, uint32_t rate,
                       unsigned bits, uint32_t data_bytes)
{
    memcpy(p, "RIFF....WAVEfmt ", 16);
    put(p + 4, 4, 36 + data_bytes);
    put(p + 16, 4, 16);
    put(p + 20, 2, tag);
    put(p + 22, 2, channels);
    put(p + 24, 4, rate);
    put(p + 28, 4, rate * channels * bits / 8);
    put(p + 32, 2, channels * bits / 8);
    put(p + 34, 2, bits);
    memcpy(p + 36, "data", 4);
    put(p + 40, 4, data_bytes);
}

static struct moa_sound_features measure(const void *p, size_t n)
{
    struct moa_sound_features f;
    assert_int_equal(moa_sound_measure((struct moa_bytes){p, n}, &f), MOA_OK);
    return f;
}

static void silence_is_heard_as_such(void **state)
{
    (void)state;
    static unsigned char wav[44 + 2 * 8000];
    write_head(wav, 1, 1, 8000, 16, 2 * 8000);
    const struct moa_sound_features f = measure(wav, sizeof(wav));
    assert_true(f.n_blocks == 8000 / 128 && f.silence_share == 1.0 && f.duration_s == 1.0);
    assert_true(f.level_dbfs == -60.0 && f.flatness_db == -120.0);
    struct moa_sound_complexity c;
    moa_sound_complexity(NULL, &f, &c);
    assert_true(c.level == 0 && c.activity == 0 && c.flatness == 0 && c.rate == 0);
    assert_true(fabs(c.length - 1 / 60.0) < 1e-12 && fabs(c.score - 1 / 240.0) < 1e-12);
}

static void what_cannot_be_heard_has_its_length_and_rate(void **state)
{
    (void)state;
    static const struct {
        unsigned tag, channels, bits;
        uint32_t rate;
        double score;
    } cases[] = {
        {7, 1, 8, 8000, (1 / 60.0 + 0.2) / 2}, /* mu-law: 64 of 320 kbit/s */
        {1, 1, 40, 8000, 0},                   /* no encoding that there is */
        {3, 1, 16, 8000, 0},
        {1, 0, 16, 8000, 0},
        {1, 1, 16, 0, 0},
    };
    static unsigned char wav[44 + 8000];
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        write_head(wav, cases[i].tag, cases[i].channels, cases[i].rate, cases[i].bits, 8000);
        const struct moa_sound_features f = measure(wav, sizeof(wav));
        struct moa_sound_complexity c;
        moa_sound_complexity(NULL, &f, &c);
        assert_true(f.n_blocks == 0 && c.score >= 0 && c.score <= 1);
        if (cases[i].score > 0 && fabs(c.score - cases[i].score) > 1e-3)
            fail_msg("%zu: %g", i, c.score);
    }
}

static void numbers_that_are_none_are_silent(void **state)
{
    (void)state;
    static unsigned char wav[44 + 4 * 512];
    static const uint32_t bits[] = {0x7fc00000, 0xffc00001, 0x7f800000, 0xff800000, 0x7f7fffff};
    write_head(wav, 3, 1, 8000, 32, 4 * 512);
    for (size_t i = 0; i < 512; i++)
        put(wav + 44 + 4 * i, 4, bits[i % 5]);
    const struct moa_sound_features f = measure(wav, sizeof(wav));
    assert_true(f.n_blocks == 4 && f.silence_share == 0);
    assert_true(f.level_dbfs <= 0 && f.level_dbfs > -4 && f.flatness_db >= -120);
    assert_true(f.flatness_db <= 0);
}

static void parameters_that_are_nonsense_leave_scores_in_their_range(void **state)
{
    (void)state;
    struct moa_sound_params p;
    struct moa_film_params q;
    moa_sound_params_default(&p);
    moa_film_params_default(&q);
    p.level_p95_dbfs = p.level_p5_dbfs = p.weight_level = NAN;
    p.weight_activity = p.weight_flatness = -1;
    p.flatness_p5_db = 0;
    p.reference_s = 0;
    q.reference_px = NAN;
    const struct moa_sound_features f = {
        .bytes = 1, .duration_s = 9, .n_blocks = 1, .level_dbfs = -20, .flatness_db = -3};
    const struct moa_media m = {.duration_s = 9, .width_px = 640, .height_px = 480};
    struct moa_sound_complexity c;
    struct moa_film_complexity d;
    moa_sound_complexity(&p, &f, &c);
    moa_film_complexity(&q, &m, 1, &d);
    assert_true(c.score == 1 && d.frame == 0 && d.score >= 0 && d.score <= 1);
    moa_sound_complexity(NULL, NULL, &c);
    moa_film_complexity(NULL, NULL, 0, &d);
    assert_true(c.score == 0 && d.score == 0);
    moa_sound_complexity(NULL, NULL, NULL);
    moa_film_complexity(NULL, NULL, 0, NULL);
    assert_int_equal(moa_sound_measure((struct moa_bytes){NULL, 7}, NULL), MOA_ERR_ARGUMENT);
}

static void films_by_length_and_frame(void **state)
{
    (void)state;
    static const struct {
        struct moa_media media;
        uint64_t bytes;
        double score;
    } cases[] = {
        {{.duration_s = 10, .width_px = 768, .height_px = 784}, 1, (0.5 + 1) / 2},
        {{.duration_s = 10, .width_px = 384, .height_px = 392}, 1, (0.5 + 0.25) / 2},
        {{.duration_s = 10}, 1, 0.5},
        {{.duration_s = 0}, 2500000, 0.5}, /* 2 Mbit/s */
        {{.duration_s = 1e6, .width_px = 9999, .height_px = 9999}, 1, 1},
    };
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        struct moa_film_complexity c;
        moa_film_complexity(NULL, &cases[i].media, cases[i].bytes, &c);
        if (fabs(c.score - cases[i].score) > 1e-12)
            fail_msg("%zu: %g", i, c.score);
    }
}

/* White noise is 0 dB, one frequency is far below; one block alone is heard as well as many. */
static void spectra_are_flat_or_not(void **state)
{
    (void)state;
    for (size_t n = 8; n <= 4096; n *= 8) {
        struct spectrum *one = moa_spectrum_new(n);
        double *block = calloc(n, sizeof(*block));
        assert_true(one && block && moa_spectrum_flatness_db(one, n / 2 - 1) < -119);
        block[n / 2] = 1; /* an impulse */
        moa_spectrum_add(one, block);
        const double flat = moa_spectrum_flatness_db(one, n / 2 - 1);
        assert_true(flat <= 0 && flat > -1e-9);
        for (size_t i = 0; i < n; i++)
            block[i] = i & 1 ? 0.5 : -0.5;
        for (int i = 0; i < 3; i++)
            moa_spectrum_add(one, block);
        assert_true(n == 8 || moa_spectrum_flatness_db(one, n / 2 - 1) < -3);
        moa_spectrum_free(one);
        free(block);
    }
    moa_spectrum_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silence_is_heard_as_such),
        cmocka_unit_test(what_cannot_be_heard_has_its_length_and_rate),
        cmocka_unit_test(numbers_that_are_none_are_silent),
        cmocka_unit_test(parameters_that_are_nonsense_leave_scores_in_their_range),
        cmocka_unit_test(films_by_length_and_frame),
        cmocka_unit_test(spectra_are_flat_or_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
