/* SPDX-License-Identifier: Apache-2.0
 *
 * gateway/print.h: the same text as printf() makes.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/print.h"

#include "test.h"

static void integers_are_those_of_printf(void **state)
{
    (void)state;
    const int64_t values[] = {0, 1, -1, 9, 10, 99, 100, 1234567890123, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        char is[32], want[32];
        struct print p = print_into(is, sizeof(is));
        print_int(&p, values[i]);
        snprintf(want, sizeof(want), "%" PRId64, values[i]);
        assert_string_equal(is, want);
        assert_int_equal(p.n, strlen(want));
    }
}

static void expect_fixed(double value, unsigned decimals)
{
    char is[400], want[400];
    struct print p = print_into(is, sizeof(is));
    print_fixed(&p, value, decimals);
    snprintf(want, sizeof(want), "%.*f", (int)decimals, value);
    assert_string_equal(is, want);
}

static void decimals_are_those_of_printf(void **state)
{
    (void)state;
    const double values[] = {0,         -0.0,        1,     0.0005, 0.0015,  0.0625,  0.9995,
                             0.9994999, -0.125,      1e308, 1e-9,   1e12,    123.45,  2.5,
                             3.5,       999999.9999, NAN,   -NAN,   1.0 / 3, INFINITY};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        for (unsigned decimals = 0; decimals <= 6; decimals++)
            expect_fixed(values[i], decimals);
    }
    srand(7);
    for (int i = 0; i < 20000; i++) {
        expect_fixed(rand() / (double)RAND_MAX, 3);
        expect_fixed(rand() % 100000 / 2000.0, 3); /* ties, and what is next to them */
        expect_fixed(nextafter(rand() % 1000 / 20.0, rand() % 2 ? 0.0 : 1e9), 1);
    }
}

static void what_has_no_room_is_cut(void **state)
{
    (void)state;
    char s[6];
    struct print p = print_into(s, sizeof(s));
    assert_string_equal(s, "");
    print_text(&p, "abc");
    print_int(&p, 1234);
    assert_string_equal(s, "abc12");
    print_fixed(&p, 0.5, 1);
    print_bytes(&p, "x", 0);
    assert_string_equal(s, "abc12");
    assert_int_equal(p.n, 5);
    print_copy(s, 4, "wxyz");
    assert_string_equal(s, "wxy");
    print_copy(s, 1, "wxyz");
    assert_string_equal(s, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_those_of_printf),
        cmocka_unit_test(decimals_are_those_of_printf),
        cmocka_unit_test(what_has_no_room_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
