/* SPDX-License-Identifier: Apache-2.0
 *
 * study/json_list.h: elements of an array in a JSON text, and texts that are none.
 */
#include <string.h>

#include "study/json_list.h"

#include "test.h"

static struct moa_bytes bytes(const char *text)
{
    return (struct moa_bytes){text, strlen(text)};
}

/* The elements of "list" with "|" behind each, and how it ended. */
static void assert_elements(const char *text, const char *wanted, int end)
{
    struct json_list list;
    struct moa_bytes element;
    char got[256] = "";
    int more = json_list_open(bytes(text), "list", &list);
    while (more >= 0 && (more = json_list_next(&list, &element)) > 0) {
        strncat(got, element.p, element.n);
        strcat(got, "|");
    }
    if (strcmp(got, wanted) != 0 || more != end)
        fail_msg("%s: \"%s\" and %d, not \"%s\" and %d", text, got, more, wanted, end);
    if (more < 0)
        assert_true(list.at >= text && list.at <= text + strlen(text));
}

static void elements_come_as_they_stand(void **unused)
{
    (void)unused;
    assert_elements("{\"list\":[]}", "", 0);
    assert_elements("{\"list\":[ ]}", "", 0);
    assert_elements(" {\"list\" : [1, \"a\", {\"x\": [2]} ,null]} ", "1|\"a\"|{\"x\": [2]}|null|",
                    0);
    assert_elements("{\"a\":{\"list\":[9]},\"b\":[\"list\"],\"list\":[[1],[2,3]]}", "[1]|[2,3]|",
                    0);
    assert_elements("{\"a\":\"list\",\"list\":[\"]\",\"\\\"}\",\"\\\\\"]}",
                    "\"]\"|\"\\\"}\"|\"\\\\\"|", 0);
    /* Behind the array nothing is read. */
    assert_elements("{\"list\":[1]", "1|", 0);
}

static void what_is_no_list_is_said(void **unused)
{
    (void)unused;
    static const char *const none[] = {"",
                                       "[1]",
                                       "{}",
                                       "{\"list\"}",
                                       "{\"list\":1}",
                                       "{\"list\":",
                                       "{\"lis\":[1],\"lists\":[2]}",
                                       "{\"a\":\"",
                                       "{\"a\":[1,\"list\":[1]}",
                                       "{\"list"};
    for (size_t i = 0; i < N_TESTS(none); i++)
        assert_elements(none[i], "", -1);
    assert_elements("{\"list\":[1,", "1|", -1);
    assert_elements("{\"list\":[1,]}", "1|", -1);
    assert_elements("{\"list\":[1 2]}", "1|", -1);
    assert_elements("{\"list\":[,1]}", "", -1);
    /* Brackets are counted, not matched: who reads the element sees it. */
    assert_elements("{\"list\":[{\"a\":1]}", "{\"a\":1]|", -1);
    assert_elements("{\"list\":[{\"a\":1", "", -1);
    assert_elements("{\"list\":[\"a]}", "", -1);
    assert_elements("{\"list\":[\"\\", "", -1);
}

static void members_are_found(void **unused)
{
    (void)unused;
    struct moa_bytes text = bytes("{\"a\":{\"b\":1},\"b\": \"x, y\" ,\"c\":true}");
    struct moa_bytes b = json_member(text, "b");
    assert_true(b.n == 6 && memcmp(b.p, "\"x, y\"", 6) == 0);
    struct moa_bytes c = json_member(text, "c");
    assert_true(c.n == 4 && memcmp(c.p, "true", 4) == 0);
    assert_null(json_member(text, "d").p);
    assert_null(json_member(bytes("{\"d\":[1"), "d").p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_come_as_they_stand),
        cmocka_unit_test(what_is_no_list_is_said),
        cmocka_unit_test(members_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
