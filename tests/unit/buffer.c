/* SPDX-License-Identifier: Apache-2.0
 *
 * gateway/buffer.h: what fits, what does not, and who owns it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/buffer.h"

#include "test.h"

static void grows_up_to_its_maximum(void **state)
{
    (void)state;
    struct buffer b = buffer_of(1000);
    for (unsigned i = 0; i < 1000; i++) {
        const char byte = (char)('a' + i % 26);
        assert_int_equal(buffer_add(&b, &byte, 1), MOA_OK);
        assert_true(b.room <= 1000);
        assert_int_equal(b.p[b.n], '\0');
    }
    assert_int_equal(buffer_add(&b, "x", 1), MOA_ERR_LIMIT);
    assert_int_equal(b.n, 1000);
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(b.p[i], 'a' + i % 26);
    assert_int_equal(buffer_add(&b, NULL, 0), MOA_OK);
    buffer_done(&b);
    assert_int_equal(b.max, 1000);
}

static void takes_nothing_without_a_maximum(void **state)
{
    (void)state;
    struct buffer b = {0};
    assert_int_equal(buffer_add(&b, "x", 1), MOA_ERR_LIMIT);
    assert_null(b.p);
    buffer_done(&b);
}

static void counts_do_not_overflow(void **state)
{
    (void)state;
    struct buffer b = buffer_of(SIZE_MAX);
    assert_int_equal(buffer_add(&b, "abc", 3), MOA_OK);
    assert_int_equal(buffer_grow(&b, SIZE_MAX - 2), MOA_ERR_LIMIT);
    assert_int_equal(buffer_grow(&b, SIZE_MAX - 3), MOA_ERR_LIMIT);
    assert_int_equal(buffer_reserve(&b, SIZE_MAX), MOA_ERR_LIMIT);
    assert_string_equal(b.p, "abc");
    buffer_done(&b);
}

static void is_a_string_when_empty(void **state)
{
    (void)state;
    struct buffer b = buffer_of(10);
    assert_int_equal(buffer_add(&b, NULL, 0), MOA_OK);
    size_t n;
    char *text = buffer_take(&b, &n);
    assert_string_equal(text, "");
    assert_int_equal(n, 0);
    assert_null(b.p);
    free(text);
    assert_null(buffer_take(&b, &n));
}

static void reserves_exactly_and_is_written_from_outside(void **state)
{
    (void)state;
    struct buffer b = buffer_of(100);
    assert_int_equal(buffer_reserve(&b, 7), MOA_OK);
    assert_int_equal(b.room, 7);
    memcpy(b.p, "seven b", 7);
    buffer_added(&b, 7);
    assert_string_equal(b.p, "seven b");
    assert_int_equal(buffer_reserve(&b, 3), MOA_OK);
    assert_int_equal(b.room, 7);
    assert_int_equal(buffer_reserve(&b, 101), MOA_ERR_LIMIT);
    size_t n;
    char *taken = buffer_take(&b, &n);
    assert_int_equal(n, 7);
    assert_int_equal(b.max, 100);
    assert_int_equal(buffer_add(&b, "again", 5), MOA_OK);
    assert_string_equal(taken, "seven b");
    free(taken);
    buffer_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_up_to_its_maximum),
        cmocka_unit_test(takes_nothing_without_a_maximum),
        cmocka_unit_test(counts_do_not_overflow),
        cmocka_unit_test(is_a_string_when_empty),
        cmocka_unit_test(reserves_exactly_and_is_written_from_outside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
