/* SPDX-License-Identifier: Apache-2.0
 *
 * study/points.h: UTF-8 both ways, bytes that are none, white space.
 */
#include <stdlib.h>
#include <string.h>

#include "study/points.h"

#include "test.h"

static void assert_round_trip(const char *text, size_t n_points)
{
    struct points points;
    assert_true(points_decode(text, &points));
    if (points.n != n_points)
        fail_msg("\"%s\" has %zu code points, not %zu", text, points.n, n_points);
    char *again = points_encode(&points);
    assert_string_equal(again, text);
    free(again);
    free(points.p);
}

static void text_comes_back(void **unused)
{
    (void)unused;
    assert_round_trip("", 0);
    assert_round_trip("abc", 3);
    assert_round_trip("\xc3\xa9\xe7\xad\x94\xf0\x9f\x99\x82", 3);
    assert_round_trip(
        "\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", 7);
}

/* Every code point but surrogates and 0. */
static void every_code_point_survives(void **unused)
{
    (void)unused;
    for (uint32_t c = 1; c <= 0x10ffff; c += c < 0x3000 ? 1 : 37) {
        char text[8];
        struct points points;
        if (c >= 0xd800 && c <= 0xdfff)
            continue;
        text[points_encode_one(c, text)] = '\0';
        assert_true(points_decode(text, &points));
        if (points.n != 1 || points.p[0] != c)
            fail_msg("U+%X came back as U+%X, %zu of them", c, points.p[0], points.n);
        free(points.p);
    }
}

/* Stray bytes, cut and overlong sequences, surrogates, what is above the last code point. */
static void bytes_that_are_no_text_come_back_one_by_one(void **unused)
{
    (void)unused;
    assert_round_trip("\x80", 1);
    assert_round_trip("a\xff"
                      "b",
                      3);
    assert_round_trip("\xc3", 1);
    assert_round_trip("\xe7\xad", 2);
    assert_round_trip("\xc0\xaf", 2);
    assert_round_trip("\xe0\x80\xaf", 3);
    assert_round_trip("\xed\xa0\x80", 3);
    assert_round_trip("\xf4\x90\x80\x80", 4);
    assert_round_trip("\xf8\x88\x80\x80\x80", 5);
    struct points points;
    assert_true(points_decode("\xff", &points));
    assert_int_equal(points.p[0], POINTS_BYTE_ESCAPE + 0xff);
    free(points.p);
}

static void white_space_is_unicodes(void **unused)
{
    (void)unused;
    static const uint32_t spaces[] = {' ', '\t', '\n', 0x1c, 0x85, 0xa0, 0x1680, 0x2003, 0x3000};
    static const uint32_t others[] = {'a', 0, 0x08, 0x0e, 0x1b, 0x200b, 0xfeff, 0x2060};
    for (size_t i = 0; i < N_TESTS(spaces); i++)
        assert_true(points_is_space(spaces[i]));
    for (size_t i = 0; i < N_TESTS(others); i++)
        assert_false(points_is_space(others[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_comes_back),
        cmocka_unit_test(every_code_point_survives),
        cmocka_unit_test(bytes_that_are_no_text_come_back_one_by_one),
        cmocka_unit_test(white_space_is_unicodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
