/* SPDX-License-Identifier: Apache-2.0
 *
 * gateway/data_uri.h: one picture in every spelling, what is no spelling of anything, and that what
 * is written is read again as it was.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/data_uri.h"

#include "test.h"

/* The file of all spellings below: its base64 has both odd characters and padding. */
static const char file[] = {(char)0xfb, (char)0xff, (char)0xfe, 'M', 'a', 'n', 0, (char)0x7e};
#define CANONICAL "data:image/png;base64,+//+TWFuAH4="

static struct moa_bytes bytes_of(const char *text)
{
    return (struct moa_bytes){text, strlen(text)};
}

static const char *const spellings[] = {
    CANONICAL,
    "DATA:IMAGE/PNG;BASE64,+//+TWFuAH4=",
    "data:image/png;base64,+//+TWFuAH4",           /* no padding */
    "data:image/png;base64,+//+TWFuAH4==",         /* too much */
    "data:image/png;base64,-__-TWFuAH4=",          /* RFC 4648 section 5 */
    "data:image/png;base64,-__-TWFuAH4",           /* as JavaScript's libraries write it */
    "data:image/png;base64,+//+TWFuAH4=\\n",       /* around */
    " \\tdata:image/png;base64,+//+TWFuAH4= ",     /* around */
    "data:image/png;base64, +//+TWFuAH4=",         /* behind the comma */
    "data:image/png; base64,+//+TWFuAH4=",         /* in the head */
    "data: image/png ; base64 , +//+TWFuAH4=",     /* all over it */
    "data:image/png;base64,+//+\\r\\nTWFu\\nAH4=", /* MIME's lines */
    "data:image/png;base64,+//+ TWFu\tAH4=",       /* not escaped */
    "data:image/png;base64,+//+TW\\u000aFuAH4=",   /* escaped the long way */
    "data:image/png;base64,%2B%2f%2F%2BTWFuAH4%3D",
    "data:image/png;base64,+//+TWFu%0D%0AAH4=",
    "data%3Aimage%2Fpng%3Bbase64%2C%2B%2F%2F%2BTWFuAH4%3D",
    "data:image\\/png;base64,+\\/\\/+TWFuAH4=",
    "data:image/png;base64,\\u002B\\u002f/+TWFuAH4\\u003d",
    "data:image/png;charset=utf-8;base64,+//+TWFuAH4=",
    "data:image/png;name=a%2Cb.png;base64,+//+TWFuAH4=",
    "data:image/png;name=\\\"a,b.png\\\";base64,+//+TWFuAH4=",
    "data:image/png;base64;charset=utf-8,+//+TWFuAH4=",
    "data:;base64,+//+TWFuAH4=",
    "data:base64,+//+TWFuAH4=",
    "data:text/plain;base64,+//+TWFuAH4=",
    "data:application/octet-stream;base64,+//+TWFuAH4=",
    "+//+TWFuAH4=",
    "-__-TWFuAH4",
    "\\n+//+\\nTWFuAH4\\n",
    "data:image/png;base64,+//+TWFuAH5=", /* the last bit is nobody's */
    "data:image/png,%fb%ff%FEMan%00~",    /* RFC 2397 without base64 */
};

static void test_all_spellings_are_one_file(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_TESTS(spellings); i++) {
        struct data_uri uri;
        struct http_error error;
        if (data_uri_decode(bytes_of(spellings[i]), &uri, &error))
            fail_msg("%s: %s", spellings[i], error.message);
        if (uri.n != sizeof(file) || memcmp(uri.p, file, sizeof(file)) != 0)
            fail_msg("%s: other bytes", spellings[i]);
        if (data_uri_is_canonical(&uri, bytes_of(spellings[i]), "image/png") != (i == 0))
            fail_msg("%s: canonical or not", spellings[i]);
        free(uri.p);
    }
}

static void test_another_type_is_not_canonical(void **state)
{
    (void)state;
    struct data_uri uri;
    struct http_error error;
    assert_int_equal(data_uri_decode(bytes_of(CANONICAL), &uri, &error), 0);
    assert_true(uri.is_strict);
    assert_int_equal(uri.head_n, strlen("data:image/png;base64,"));
    assert_true(data_uri_is_canonical(&uri, bytes_of(CANONICAL), "image/png"));
    assert_false(data_uri_is_canonical(&uri, bytes_of(CANONICAL), "image/jpeg"));
    assert_false(data_uri_is_canonical(&uri, bytes_of(CANONICAL), "image/pngx"));
    free(uri.p);
    /* An audio part is bare base64: strict, without a head. */
    assert_int_equal(data_uri_decode(bytes_of("+//+TWFuAH4="), &uri, &error), 0);
    assert_true(uri.is_strict && uri.head_n == 0);
    free(uri.p);
}

static void assert_refused(const char *url, const char *code)
{
    struct data_uri uri;
    struct http_error error = {0};
    if (data_uri_decode(bytes_of(url), &uri, &error) == 0)
        fail_msg("%s: taken", url);
    assert_int_equal(error.status, 400);
    if (strcmp(error.code, code) != 0)
        fail_msg("%s: %s instead of %s", url, error.code, code);
}

static void test_what_is_none(void **state)
{
    (void)state;
    static const char *const urls[] = {
        "",        " ",           "data:",           "data:image/png;base64",
        "cat.png", "file:///etc", "ftp://host/x",    "data:image/png;name=\\\"a,+//+TWFuAH4=",
        "a.b.c",   "image.png",   "blob:https://a/", "data:image/png,",
        "\\",      "\\u",         "\\u12",
    };
    for (size_t i = 0; i < N_TESTS(urls); i++)
        assert_refused(urls[i], "invalid_image_url");
    static const char *const data[] = {
        "data:;base64,",         "data:;base64,=",      "data:;base64,A",
        "data:;base64,AAAAA",    "data:;base64,AA=A",   "data:;base64,A@==",
        "data:;base64,AA,A",     "data:;base64,AAAA%",  "data:;base64,AAAA%4",
        "data:;base64,AA%zz",    "data:;base64,AAA%00", "data:;base64,\\u00e9AAA",
        "data:;base64,\\u0000",  "data:;base64,%%%",    "data:;base64,AAA\\",
        "data:;base64,\xc3\xa9",
    };
    for (size_t i = 0; i < N_TESTS(data); i++)
        assert_refused(data[i], "invalid_base64");
}

static void test_a_head_has_an_end(void **state)
{
    (void)state;
    char url[4096] = "data:image/png;name=";
    memset(url + strlen(url), 'x', 2000);
    memcpy(url + strlen(url), ";base64,AAAA", sizeof(";base64,AAAA"));
    assert_refused(url, "invalid_image_url");
}

static void test_round_trip(void **state)
{
    (void)state;
    char bytes[300];
    for (size_t n = 1; n <= sizeof(bytes); n++) {
        for (size_t i = 0; i < n; i++)
            bytes[i] = (char)(i * 37 + n);
        size_t uri_n;
        char *text = data_uri_encode((struct moa_bytes){bytes, n}, "audio/wav", &uri_n);
        assert_non_null(text);
        struct data_uri uri;
        struct http_error error;
        assert_int_equal(data_uri_decode((struct moa_bytes){text, uri_n}, &uri, &error), 0);
        assert_true(uri.n == n && memcmp(uri.p, bytes, n) == 0);
        assert_true(data_uri_is_canonical(&uri, (struct moa_bytes){text, uri_n}, "audio/wav"));
        free(uri.p);
        free(text);
    }
}

static void test_remote(void **state)
{
    (void)state;
    static const char *const remote[] = {"http://a/b", "HTTPS://a/b",    "https:\\/\\/a",
                                         " http://a",  "\\n\\thttp://a", "http:"};
    for (size_t i = 0; i < N_TESTS(remote); i++)
        assert_true(data_uri_is_remote(bytes_of(remote[i])));
    static const char *const local[] = {"",       "a.b.c",   "data:,http://a",
                                        "httpx:", "file://", CANONICAL};
    for (size_t i = 0; i < N_TESTS(local); i++)
        assert_false(data_uri_is_remote(bytes_of(local[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_spellings_are_one_file),
        cmocka_unit_test(test_another_type_is_not_canonical),
        cmocka_unit_test(test_what_is_none),
        cmocka_unit_test(test_a_head_has_an_end),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_remote),
    };
    return cmocka_run_group_tests_name("data_uri", tests, NULL, NULL);
}
