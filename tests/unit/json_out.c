/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON that is written piece by piece: what is escaped, and that a failure stays one.
 */
#include <string.h>

#include <yyjson.h>

#include "gateway/json_out.h"

#include "test.h"

static void strings_are_escaped(void **state)
{
    (void)state;
    char all[256];
    for (size_t i = 0; i < sizeof(all); i++)
        all[i] = (char)(i < 128 ? i : 'x');
    struct json_out out = json_out_of(4096);
    json_put_string(&out, (struct moa_bytes){all, sizeof(all)});
    assert_false(out.failed);
    yyjson_doc *doc = yyjson_read(out.text.p, out.text.n, YYJSON_READ_NOFLAG);
    yyjson_val *string = yyjson_doc_get_root(doc);
    assert_int_equal(yyjson_get_len(string), sizeof(all));
    assert_memory_equal(yyjson_get_str(string), all, sizeof(all));
    yyjson_doc_free(doc);
    buffer_done(&out.text);
}

static void pieces_stand_behind_each_other(void **state)
{
    (void)state;
    struct json_out out = json_out_of(100);
    json_put(&out, "{\"a\":\"");
    json_put_inside(&out, (struct moa_bytes){"\"b", 2});
    json_put_inside(&out, (struct moa_bytes){NULL, 0});
    json_put_inside(&out, (struct moa_bytes){"c\n", 2});
    json_print(&out, "\",\"d\":%d}", 7);
    assert_string_equal(out.text.p, "{\"a\":\"\\\"bc\\n\",\"d\":7}");
    buffer_done(&out.text);
}

static void a_failure_stays(void **state)
{
    (void)state;
    struct json_out out = json_out_of(4);
    json_put(&out, "123");
    json_put(&out, "456");
    assert_true(out.failed);
    json_put(&out, "7");
    assert_string_equal(out.text.p, "123");
    buffer_done(&out.text);
    struct json_out longer = json_out_of(4096);
    json_print(&longer, "%300d", 1);
    assert_true(longer.failed);
    buffer_done(&longer.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_are_escaped),
        cmocka_unit_test(pieces_stand_behind_each_other),
        cmocka_unit_test(a_failure_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
