/* SPDX-License-Identifier: Apache-2.0
 *
 * gateway/keys.h: the file of keys and its faults, who is let in, limits, and what a reload keeps.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/keys.h"
#include "gateway/pins.h"

#include "test.h"

#define SECOND INT64_C(1000000)

/* printf 0123456789abcdef | sha256sum */
#define DIGEST "9f9f5111f7b27a781f1f1ddde5ebc2dd2b796bfc7365c9c28b548e564176929f"

static struct keys *parse(const char *text)
{
    struct keys *keys;
    struct config_error error;
    if (keys_parse((struct moa_bytes){text, strlen(text)}, &keys, &error))
        fail_msg("refused at line %u: %s", error.line, error.message);
    return keys;
}

static struct key *find(struct keys *keys, const char *authorization)
{
    struct http_error error;
    return keys_find(keys, authorization, NULL, &error);
}

static void a_key_is_found_by_its_secret_or_its_digest(void **state)
{
    (void)state;
    struct keys *keys = parse("# who may\n"
                              "kiosk   secret-of-the-kiosk  # a comment\n"
                              "\n"
                              "robot\tsha256:" DIGEST "\tpin=edge in_flight=2 observe\r\n");
    struct key *kiosk = find(keys, "Bearer secret-of-the-kiosk");
    assert_string_equal(key_name(kiosk), "kiosk");
    assert_int_equal(key_pins(kiosk), PINS_NONE);
    assert_false(key_observes(kiosk));
    struct key *robot = find(keys, "bearer  0123456789abcdef ");
    assert_string_equal(key_name(robot), "robot");
    assert_int_equal(key_pins(robot), PINS_ALL);
    assert_true(key_observes(robot));
    keys_free(keys);
}

static void everything_else_is_401(void **state)
{
    (void)state;
    static const struct {
        const char *authorization, *code;
    } cases[] = {
        {NULL, "missing_api_key"},
        {"", "missing_api_key"},
        {"Bearer", "missing_api_key"},
        {"Bearer ", "missing_api_key"},
        {"Bearersecret-of-the-kiosk", "missing_api_key"},
        {"Basic secret-of-the-kiosk", "missing_api_key"},
        {"Bearer secret-of-the-kios", "invalid_api_key"},
        {"Bearer secret-of-the-kioskk", "invalid_api_key"},
        {"Bearer SECRET-OF-THE-KIOSK", "invalid_api_key"},
        {"Bearer sha256:" DIGEST, "invalid_api_key"},
        {"Bearer " DIGEST, "invalid_api_key"},
        {"Bearer kiosk", "invalid_api_key"},
    };
    struct keys *keys = parse("kiosk secret-of-the-kiosk\nrobot sha256:" DIGEST "\n");
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        struct http_error error = {0};
        assert_null(keys_find(keys, cases[i].authorization, NULL, &error));
        assert_int_equal(error.status, 401);
        assert_string_equal(error.code, cases[i].code);
        assert_null(strstr(error.message, "secret"));
    }
    keys_free(keys);
    keys = parse("# nobody\n");
    assert_null(find(keys, "Bearer secret-of-the-kiosk"));
    keys_free(keys);
}

static void faults_have_their_line(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned line;
        const char *message;
    } cases[] = {
        {"kiosk\n", 1, "no secret"},
        {"\nkiosk short\n", 2, "shorter than 16"},
        {"kiosk sha256:abcd\n", 1, "64 hexadecimal"},
        {"kiosk sha256:" DIGEST "0\n", 1, "64 hexadecimal"},
        {"k!osk secret-of-the-kiosk\n", 1, "letters"},
        {"a secret-of-the-kiosk\na secret-of-the-robot\n", 2, "twice"},
        {"a 0123456789abcdef\n# x\nb sha256:" DIGEST "\n", 3, "the same"},
        {"a secret-of-the-kiosk pin=cloud\n", 1, "must be edge"},
        {"a secret-of-the-kiosk pin=image,\n", 1, "must be edge"},
        {"a secret-of-the-kiosk pinned\n", 1, "unknown option"},
        {"a secret-of-the-kiosk in_flight=0\n", 1, "number"},
        {"a secret-of-the-kiosk per_minute=-1\n", 1, "number"},
        {"a secret-of-the-kiosk per_minute=1e3\n", 1, "number"},
        {"a secret-of-the-kiosk per_minute=99999999999\n", 1, "number"},
        {"a secret-of-the-kiosk observe observe observe observe observe observe observe\n", 1,
         "words"},
    };
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        struct keys *keys;
        struct config_error error;
        struct moa_bytes text = {cases[i].text, strlen(cases[i].text)};
        if (!keys_parse(text, &keys, &error))
            fail_msg("accepted: %s", cases[i].text);
        if (error.line != cases[i].line || !strstr(error.message, cases[i].message))
            fail_msg("%s\nline %u: %s", cases[i].text, error.line, error.message);
        assert_null(strstr(error.message, "secret-of"));
    }
}

static void requests_in_flight_are_limited(void **state)
{
    (void)state;
    struct keys *keys = parse("a secret-of-the-kiosk in_flight=2\n");
    struct key *key = find(keys, "Bearer secret-of-the-kiosk");
    struct http_error error;
    unsigned retry = 0;
    assert_int_equal(key_enter(key, 0, &error, &retry), 0);
    assert_int_equal(key_enter(key, 0, &error, &retry), 0);
    assert_int_equal(key_enter(key, 0, &error, &retry), -1);
    assert_int_equal(error.status, 429);
    assert_int_equal(retry, 1);
    key_leave(key);
    assert_int_equal(key_enter(key, 0, &error, &retry), 0);
    key_leave(key);
    key_leave(key);
    keys_free(keys);
}

static int enter_and_leave(struct key *key, int64_t now_us, unsigned *ret_retry)
{
    struct http_error error;
    int result = key_enter(key, now_us, &error, ret_retry);
    if (!result)
        key_leave(key);
    return result;
}

static void requests_a_minute_are_limited(void **state)
{
    (void)state;
    struct keys *keys = parse("a secret-of-the-kiosk per_minute=3\n");
    struct key *key = find(keys, "Bearer secret-of-the-kiosk");
    int64_t now = 1000 * SECOND;
    unsigned retry = 0;
    for (int i = 0; i < 3; i++)
        assert_int_equal(enter_and_leave(key, now, &retry), 0);
    assert_int_equal(enter_and_leave(key, now, &retry), -1);
    assert_int_equal(retry, 20);
    assert_int_equal(enter_and_leave(key, now + 19 * SECOND, &retry), -1);
    assert_int_equal(retry, 1);
    assert_int_equal(enter_and_leave(key, now + 20 * SECOND, &retry), 0);
    assert_int_equal(enter_and_leave(key, now + 20 * SECOND, &retry), -1);
    /* However long it waits, it never saves up more than a minute's worth. */
    now += 86400 * SECOND;
    for (int i = 0; i < 3; i++)
        assert_int_equal(enter_and_leave(key, now, &retry), 0);
    assert_int_equal(enter_and_leave(key, now, &retry), -1);
    keys_free(keys);
}

static void a_reload_keeps_what_is_used(void **state)
{
    (void)state;
    struct http_error error;
    unsigned retry;
    struct keys *keys = parse("a secret-of-the-kiosk in_flight=1 per_minute=2\n"
                              "b secret-of-the-robot\n");
    struct key *a = find(keys, "Bearer secret-of-the-kiosk");
    struct key *b = find(keys, "Bearer secret-of-the-robot");
    assert_int_equal(key_enter(a, 0, &error, &retry), 0);
    assert_int_equal(key_enter(b, 0, &error, &retry), 0);

    keys = keys_replace(keys, parse("c secret-of-the-crane\n"
                                    "a another-secret-of-it in_flight=1 per_minute=2 pin=edge\n"));
    assert_null(find(keys, "Bearer secret-of-the-kiosk"));
    assert_null(find(keys, "Bearer secret-of-the-robot"));
    assert_ptr_equal(find(keys, "Bearer another-secret-of-it"), a);
    assert_int_equal(key_pins(a), PINS_ALL);
    assert_int_equal(key_enter(a, 0, &error, &retry), -1); /* still one in flight */
    key_leave(a);
    assert_int_equal(key_enter(a, 0, &error, &retry), 0);
    key_leave(a);
    assert_int_equal(key_enter(a, 0, &error, &retry), -1); /* two in this minute */
    assert_string_equal(key_name(b), "b");                 /* gone, but its request still runs */
    key_leave(b);

    a = find(keys, "Bearer secret-of-the-crane");
    assert_int_equal(key_enter(a, 0, &error, &retry), 0);
    assert_null(keys_replace(keys, NULL));
    key_leave(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_found_by_its_secret_or_its_digest),
        cmocka_unit_test(everything_else_is_401),
        cmocka_unit_test(faults_have_their_line),
        cmocka_unit_test(requests_in_flight_are_limited),
        cmocka_unit_test(requests_a_minute_are_limited),
        cmocka_unit_test(a_reload_keeps_what_is_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
