/* SPDX-License-Identifier: Apache-2.0
 *
 * study/profile.h: curves, and files that are and are not profiles.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "study/profile.h"

#include "test.h"

static int read_text(const char *text, struct profile *profile, char *why, size_t n)
{
    char path[] = "unit-profile-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_true(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
    int failed = profile_read(path, profile, why, n);
    unlink(path);
    return failed;
}

#define DECODE "decode:\n  - {context: 500, ms: [[1, 4], [3, 8]]}\n"
#define LEAST "slots: 2\nprefill_ms: [[10, 5], [20, 6], [30, 10]]\n"

static void assert_near(double got, double wanted)
{
    if (fabs(got - wanted) > 1e-9)
        fail_msg("%.12g, not %.12g", got, wanted);
}

static void curves_are_straight_between_their_points(void **unused)
{
    (void)unused;
    struct profile p;
    char why[256];
    assert_int_equal(read_text(LEAST DECODE
                               "  - {context: 1500, ms: [[1, 14], [3, 18]]}\n"
                               "name: N\nmodel: M\nsources: [a, b]\noverhead_ms: 1.5\n",
                               &p, why, sizeof(why)),
                     0);
    assert_string_equal(p.name, "N");
    assert_true(p.slots == 2 && p.overhead_ms == 1.5 && p.patch_px == 28.0);
    assert_near(profile_prefill_ms(&p, 1), 5);
    assert_near(profile_prefill_ms(&p, 10), 5);
    assert_near(profile_prefill_ms(&p, 15), 5.5);
    assert_near(profile_prefill_ms(&p, 25), 8);
    assert_near(profile_prefill_ms(&p, 50), 18);
    assert_near(profile_vision_ms(&p, 300), 0);
    assert_near(profile_decode_ms(&p, 1, 100), 4);
    assert_near(profile_decode_ms(&p, 2, 500), 6);
    assert_near(profile_decode_ms(&p, 4, 500), 10);
    assert_near(profile_decode_ms(&p, 2, 1000), 11);
    assert_near(profile_decode_ms(&p, 2, 2000), 21);
}

static void images_are_counted_as_qwen_does(void **unused)
{
    (void)unused;
    struct profile p = {.patch_px = 28.0, .min_image_tokens = 4.0, .max_image_tokens = 16384.0};
    assert_near(profile_image_tokens(&p, 640, 480), 391);
    assert_near(profile_image_tokens(&p, 1920, 1080), 2691);
    assert_near(profile_image_tokens(&p, 1, 1), 4);
    assert_near(profile_image_tokens(&p, 28000, 28000), 16384);
}

static void faults_are_named_with_their_line(void **unused)
{
    (void)unused;
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"", ":1: keys and values are wanted"},
        {"- 1\n", ":1: keys and values are wanted"},
        {LEAST, "slots, prefill_ms and decode are wanted"},
        {"slots: 1\n" DECODE, "slots, prefill_ms and decode are wanted"},
        {LEAST DECODE "prefil_ms: [[1, 2]]\n", ":5: unknown key \"prefil_ms\""},
        {LEAST DECODE "vision_ms: [[1, 2], [1, 3]]\n", ":5: points must ascend"},
        {LEAST DECODE "vision_ms: [[1, 5], [2, 3]]\n", "must not fall"},
        {LEAST DECODE "vision_ms: []\n", "1 to 64 points"},
        {LEAST DECODE "vision_ms: [[1, 2, 3]]\n", "a point is"},
        {LEAST DECODE "vision_ms: [[1, x]]\n", "not \"x\""},
        {LEAST DECODE "vision_ms: 7\n", "1 to 64 points"},
        {LEAST "decode: []\n", "a list of 1 to 8"},
        {LEAST "decode: [{context: 5}]\n", ":3: an entry needs ms"},
        {LEAST "decode: [{ms: [[1, 2]]}]\n", "an entry needs ms"},
        {LEAST "decode: [{context: 1, mss: 3}]\n", "unknown key \"mss\" in decode"},
        {"slots: 0\n", ":1: a number from 1 to 4096"},
        {"slots: nan\n", "a number from 1 to 4096"},
        {LEAST DECODE "min_image_tokens: 9\nmax_image_tokens: 8\n", "is above"},
        {"slots: [\n", ":"},
    };
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        struct profile p;
        char why[256] = "";
        assert_int_equal(read_text(cases[i].text, &p, why, sizeof(why)), -1);
        if (!strstr(why, cases[i].why))
            fail_msg("%s does not say %s", why, cases[i].why);
    }
    struct profile p;
    char why[256];
    assert_int_equal(profile_read("/nonexistent.yaml", &p, why, sizeof(why)), -1);
    assert_non_null(strstr(why, "No such file"));
}

static void shipped_profiles_are_sound(void **unused)
{
    (void)unused;
    static const char *const names[] = {"qwen2-vl-2b-rtx3090",     "qwen2.5-vl-7b-a100",
                                        "qwen2-vl-2b-jetson-orin", "qwen2-vl-2b-cpu-2-cores",
                                        "qwen2-vl-2b-h100",        "qwen2.5-vl-7b-h100"};
    for (size_t i = 0; i < N_TESTS(names); i++) {
        struct profile p;
        char path[512];
        char why[256] = "";
        snprintf(path, sizeof(path), TEST_DATA "/../../models/profiles/%s.yaml", names[i]);
        if (profile_read(path, &p, why, sizeof(why)))
            fail_msg("%s", why);
        assert_true(profile_vision_ms(&p, 391) < profile_vision_ms(&p, 2691));
        assert_true(profile_prefill_ms(&p, 512) < profile_prefill_ms(&p, 2048));
        assert_true(profile_decode_ms(&p, 1, 1000) < profile_decode_ms(&p, 16, 1000));
        /* A batch is worth it. */
        assert_true(profile_decode_ms(&p, 4, 1000) < 4.0 * profile_decode_ms(&p, 1, 1000));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(curves_are_straight_between_their_points),
        cmocka_unit_test(images_are_counted_as_qwen_does),
        cmocka_unit_test(faults_are_named_with_their_line),
        cmocka_unit_test(shipped_profiles_are_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
