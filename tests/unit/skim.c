/* SPDX-License-Identifier: Apache-2.0
 *
 * Bodies without the bulk of their files: what is left, where it was, and how much.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/skim.h"

#include "test.h"

#define BULK 10000

/* `before`, a string of "data:" and BULK letters, and `after`, in JSON; `bulk` may be spoilt. */
static struct moa_bytes body_of(const char *before, const char *after, char spoilt)
{
    const size_t n = strlen(before) + 6 + BULK + 1 + strlen(after);
    char *body = malloc(n + 1);
    assert_non_null(body);
    char *at = stpcpy(stpcpy(body, before), "\"data:");
    memset(at, 'A', BULK);
    if (spoilt)
        at[BULK / 2] = spoilt;
    stpcpy(stpcpy(at + BULK, "\""), after);
    return (struct moa_bytes){body, n};
}

static void check(struct moa_bytes body, size_t n_left)
{
    struct skim skim;
    assert_int_equal(skim_size(body), n_left);
    assert_int_equal(skim_init(&skim, body), 0);
    assert_int_equal(skim.json.n, n_left);
    for (size_t i = 0; i < skim.json.n; i++) {
        const size_t origin = skim_origin(&skim, i);
        assert_int_equal(((const char *)skim.json.p)[i], ((const char *)body.p)[origin]);
    }
    skim_done(&skim);
    free((void *)(uintptr_t)body.p);
}

static void test_bulk_is_left_out(void **state)
{
    (void)state;
    /* 32 bytes of the string stay, its quotes and scheme among them. */
    check(body_of("{\"url\":", "}", 0), strlen("{\"url\":") + 32 + 1 + 1);
}

static void test_what_is_no_uri_stays(void **state)
{
    (void)state;
    const size_t whole = strlen("[") + 6 + BULK + 1 + strlen("]");
    check(body_of("[", "]", '\\'), whole);
    check(body_of("[", "]", '\x80'), whole);
    check(body_of("[", "]", '\n'), whole);
    check(body_of("\\", "", 0), whole - 1); /* its quote is a character of a string */
}

static void test_short_and_none(void **state)
{
    (void)state;
    static const char text[] = "{\"url\": \"data:image/png;base64,AAAA\"}";
    assert_int_equal(skim_size((struct moa_bytes){text, strlen(text)}), strlen(text));
    assert_int_equal(skim_size((struct moa_bytes){NULL, 0}), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bulk_is_left_out),
        cmocka_unit_test(test_what_is_no_uri_stays),
        cmocka_unit_test(test_short_and_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
