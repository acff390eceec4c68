/* SPDX-License-Identifier: Apache-2.0
 *
 * gateway/fleet_stream.h: names, and what a stream's answers mean. What needs a server is in
 * tests/gateway/test_fleet.py.
 */
#include <string.h>

#include "gateway/fleet_stream.h"

#include "test.h"

static void names_follow_from_group_and_box(void **state)
{
    (void)state;
    struct fleet_names names;
    char box[65];
    fleet_names_make("shop", "b-1", &names);
    assert_string_equal(names.stream, "moaoff-shop");
    assert_string_equal(names.bucket, "KV_moaoff-shop");
    assert_string_equal(names.rows, "moaoff.shop.b-1.journal");
    assert_string_equal(names.words, "$KV.moaoff-shop.b-1");
    fleet_names_box(names.rows, box, sizeof(box));
    assert_string_equal(box, "b-1");
    fleet_names_box(names.words, box, sizeof(box));
    assert_string_equal(box, "b-1");
    fleet_names_box("moaoff", box, sizeof(box));
    assert_string_equal(box, "");
    fleet_names_box(names.rows, box, 3); /* no room for it */
    assert_string_equal(box, "");
}

static struct fleet_ack ack_of(const char *text, int status)
{
    const struct fleet_heard heard = {.status = status, .data = {text, strlen(text)}};
    struct fleet_ack ack;
    fleet_ack_read(&heard, &ack);
    return ack;
}

static void only_an_acknowledgement_is_one(void **state)
{
    (void)state;
    static const char *const others[] = {
        "", "{", "[]", "{}", "{\"stream\":\"a\"}", "{\"seq\":0}", "{\"seq\":-1}", "{\"seq\":\"1\"}",
    };
    assert_true(ack_of("{\"stream\":\"a\",\"seq\":7}", 0).is_stored);
    assert_true(ack_of("{\"stream\":\"a\",\"seq\":7,\"duplicate\":true}", 0).is_stored);
    assert_true(ack_of("{\"stream\":\"a\",\"seq\":7,\"duplicate\":true}", 0).is_duplicate);
    for (size_t i = 0; i < N_TESTS(others); i++)
        assert_false(ack_of(others[i], 0).is_stored);
    const struct fleet_ack full = ack_of(
        "{\"error\":{\"code\":400,\"err_code\":10077,\"description\":\"maximum bytes exceeded\"},"
        "\"stream\":\"a\",\"seq\":7}",
        0);
    assert_false(full.is_stored);
    assert_string_equal(full.words, "maximum bytes exceeded");
    assert_false(ack_of("{\"seq\":7}", 503).is_stored);
    assert_string_equal(ack_of("", 503).words, "no stream takes it");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_follow_from_group_and_box),
        cmocka_unit_test(only_an_acknowledgement_is_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
