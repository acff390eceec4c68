/* SPDX-License-Identifier: Apache-2.0
 *
 * moaoff/media.h: what is read of each container, from the files of the fuzzing corpus, and that
 * odd files are read within their bounds. WAV is written here, as a recorder would.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <moaoff/media.h>

#include "test.h"

static struct moa_media probe_file(const char *name)
{
    static char bytes[1 << 20];
    char path[300];
    snprintf(path, sizeof(path), TEST_DATA "/../fuzz/corpus/media/%s", name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    const size_t n = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    struct moa_media media;
    moa_media_probe((struct moa_bytes){bytes, n}, &media);
    return media;
}

static void each_container_says_what_it_holds(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct moa_media expected;
    } cases[] = {
        /* Only 64 bytes of what its header says are there: 4 ms. */
        {"pcm.wav", {MOA_MEDIA_WAV, 0.004, 8000, 1, 0, 0}},
        {"list.wav", {MOA_MEDIA_WAV, 0.004, 8000, 1, 0, 0}},
        {"cbr.mp3", {MOA_MEDIA_MP3, 1251 / 16000.0, 44100, 2, 0, 0}},
        {"vbr.mp3", {MOA_MEDIA_MP3, 1000 * 1152 / 44100.0, 44100, 2, 0, 0}},
        {"film.mp4", {MOA_MEDIA_MP4, 12.5, 44100, 0, 640, 480}},
        {"late.mov", {MOA_MEDIA_MP4, 12.5, 44100, 0, 640, 480}},
        {"film.webm", {MOA_MEDIA_WEBM, 7.5, 48000, 2, 1280, 720}},
        {"text", {MOA_MEDIA_UNKNOWN, 0, 0, 0, 0, 0}},
    };
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        const struct moa_media m = probe_file(cases[i].name), *e = &cases[i].expected;
        assert_string_equal(moa_media_format_name(m.format), moa_media_format_name(e->format));
        if (m.duration_s < e->duration_s - 1e-3 || m.duration_s > e->duration_s + 1e-3)
            fail_msg("%s: %g s", cases[i].name, m.duration_s);
        assert_int_equal(m.sample_rate_hz, e->sample_rate_hz);
        assert_int_equal(m.n_channels, e->n_channels);
        assert_int_equal(m.width_px, e->width_px);
        assert_int_equal(m.height_px, e->height_px);
    }
}

static void a_recording_is_as_long_as_its_samples(void **state)
{
    (void)state;
    static unsigned char wav[44 + 2 * 16000 * 3];
    memcpy(wav, "RIFF\0\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x80\x3e\0\0\0\x7d\0\0\2\0\x10\0data", 40);
    struct moa_media media;
    for (int i = 0; i < 2; i++) {
        /* As it should be, and as a stream's writer leaves it. */
        memcpy(wav + 40, i ? "\xff\xff\xff\xff" : "\0\x77\1\0", 4);
        moa_media_probe((struct moa_bytes){wav, sizeof(wav)}, &media);
        assert_true(media.duration_s == 3.0);
        assert_int_equal(media.sample_rate_hz, 16000);
    }
}

static void headers_without_end_are_left(void **state)
{
    (void)state;
    struct moa_media media;
    /* A million empty boxes: a bounded number is looked at. */
    static char boxes[8000000];
    memcpy(boxes, "\0\0\0\10ftyp", 8);
    for (size_t at = 8; at < sizeof(boxes); at += 8)
        memcpy(boxes + at, "\0\0\0\10free", 8);
    moa_media_probe((struct moa_bytes){boxes, sizeof(boxes)}, &media);
    assert_int_equal(media.format, MOA_MEDIA_MP4);
    assert_true(media.duration_s == 0);
    static const char *const odd[] = {"", "R", "RIFF", "ID3", "\x1a\x45\xdf\xa3", "\xff\xfb"};
    for (size_t i = 0; i < N_TESTS(odd); i++) {
        moa_media_probe((struct moa_bytes){odd[i], strlen(odd[i])}, &media);
        assert_true(media.duration_s == 0 && media.width_px == 0);
    }
    moa_media_probe((struct moa_bytes){NULL, 0}, &media);
    assert_int_equal(media.format, MOA_MEDIA_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_container_says_what_it_holds),
        cmocka_unit_test(a_recording_is_as_long_as_its_samples),
        cmocka_unit_test(headers_without_end_are_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
