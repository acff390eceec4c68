/* SPDX-License-Identifier: Apache-2.0
 *
 * gateway/completion.h: what engines say, whole and streamed, and whether it is the same.
 */
#include "gateway/completion.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "test.h"

static void read_whole(struct completion *c, const char *json)
{
    yyjson_doc *doc = yyjson_read(json, strlen(json), YYJSON_READ_NOFLAG);
    completion_read(c, yyjson_doc_get_root(doc));
    yyjson_doc_free(doc);
}

static void read_event(struct completion *c, const char *json)
{
    yyjson_doc *doc = yyjson_read(json, strlen(json), YYJSON_READ_NOFLAG);
    completion_read_event(c, yyjson_doc_get_root(doc));
    yyjson_doc_free(doc);
}

/* A whole completion with this message and reason. */
static struct completion of_message(const char *message, const char *reason)
{
    char json[4096];
    struct completion c;
    snprintf(json, sizeof(json), "{\"choices\":[{\"message\":%s,\"finish_reason\":\"%s\"}]}",
             message, reason);
    completion_init(&c);
    read_whole(&c, json);
    return c;
}

/* Whether the two messages say the same, either way round. */
static bool agree(const char *one, const char *other)
{
    struct completion a = of_message(one, "stop");
    struct completion b = of_message(other, "stop");
    const bool same = completions_agree(&a, &b);
    assert_int_equal(same, completions_agree(&b, &a));
    completion_done(&a);
    completion_done(&b);
    return same;
}

static void texts(void **state)
{
    (void)state;
    assert_true(agree("{\"content\":\"Two.\"}", "{\"content\":\"2\"}"));
    assert_true(agree("{\"content\":\" Red\\n\"}", "{\"content\":\"red\",\"refusal\":null}"));
    assert_false(agree("{\"content\":\"red\"}", "{\"content\":\"blue\"}"));
    assert_true(agree("{\"content\":\"It is a cat on a mat.\"}",
                      "{\"content\":\"It is a cat on a mat. \"}"));
    assert_false(agree("{\"content\":\"It is a cat on a mat.\"}",
                       "{\"content\":\"There is a cat on a mat.\"}"));
    assert_false(agree("{\"content\":\"\"}", "{\"content\":\"\"}")); /* neither has answered */
    assert_false(agree("{}", "{}"));
    assert_false(agree("{\"content\":[{\"type\":\"text\",\"text\":\"red\"}]}",
                       "{\"content\":[{\"type\":\"text\",\"text\":\"red\"}]}"));
}

static void json_is_compared_as_a_value(void **state)
{
    (void)state;
    assert_true(agree("{\"content\":\"{\\\"a\\\": 1, \\\"b\\\": [true]}\"}",
                      "{\"content\":\"{\\\"b\\\":[true],\\n\\\"a\\\":1}\"}"));
    assert_false(agree("{\"content\":\"{\\\"a\\\": 1}\"}", "{\"content\":\"{\\\"a\\\": 2}\"}"));
    assert_false(agree("{\"content\":\"[1, 2]\"}", "{\"content\":\"[2, 1]\"}"));
    /* A key that appears twice hides no other. */
    assert_false(agree("{\"content\":\"{\\\"a\\\":1,\\\"a\\\":1}\"}",
                       "{\"content\":\"{\\\"a\\\":1,\\\"b\\\":2}\"}"));
    assert_false(agree("{\"content\":\"{\\\"a\\\": 1\"}", "{\"content\":\"{\\\"a\\\":1\"}"));
}

static void what_is_nested_deep_is_not_compared(void **state)
{
    (void)state;
    char one[1024], other[1024], open[202], close[202];
    memset(open, '[', 200);
    memset(close, ']', 200);
    open[200] = close[200] = '\0';
    snprintf(one, sizeof(one), "{\"content\":\"%s%s\"}", open, close);
    snprintf(other, sizeof(other), "{\"content\":\"%s %s\"}", open, close);
    assert_true(agree(one, one));
    assert_false(agree(one, other));
}

#define CALL(name, arguments)                                                                      \
    "{\"content\":null,\"tool_calls\":[{\"id\":\"x\",\"function\":{\"name\":\"" name               \
    "\",\"arguments\":\"" arguments "\"}}]}"

static void tool_calls(void **state)
{
    (void)state;
    assert_true(agree(CALL("look", "{\\\"x\\\": 1, \\\"y\\\": 2}"),
                      CALL("look", "{\\\"y\\\":2,\\\"x\\\":1}")));
    assert_false(agree(CALL("look", "{\\\"x\\\": 1}"), CALL("look", "{\\\"x\\\": 2}")));
    assert_false(agree(CALL("look", "{}"), CALL("leap", "{}")));
    assert_true(agree(CALL("look", ""), CALL("look", "")));
    assert_false(agree(CALL("look", "{}"), "{\"content\":\"look\"}"));
    assert_false(agree(CALL("look", "{}"),
                       "{\"tool_calls\":[{\"function\":{\"name\":\"look\",\"arguments\":\"{}\"}},"
                       "{\"function\":{\"name\":\"look\",\"arguments\":\"{}\"}}]}"));
    assert_true(
        agree(CALL("look", "{}"), "{\"function_call\":{\"name\":\"look\",\"arguments\":\"{}\"}}"));
    /* What is said beside a call counts. */
    assert_false(agree(CALL("look", "{}"), "{\"content\":\"Let me see.\",\"tool_calls\":[{"
                                           "\"function\":{\"name\":\"look\",\"arguments\":\"{}\"}}"
                                           "]}"));
}

static void a_stream_says_what_a_whole_answer_says(void **state)
{
    (void)state;
    static const char *const events[] = {
        "{\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":null}}]}",
        "{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"x\","
        "\"function\":{\"name\":\"look\",\"arguments\":\"\"}}]}}]}",
        "{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,"
        "\"function\":{\"arguments\":\"{\\\"x\\\"\"}}]}}]}",
        "{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,"
        "\"function\":{\"arguments\":\":1}\"}}]}}]}",
        "{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}",
        "{\"choices\":[],\"usage\":{\"prompt_tokens\":1}}",
    };
    struct completion streamed, whole = of_message(CALL("look", "{\\\"x\\\": 1}"), "tool_calls");
    completion_init(&streamed);
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
        read_event(&streamed, events[i]);
    assert_true(completions_agree(&streamed, &whole));
    completion_done(&streamed);
    completion_init(&streamed);
    read_event(&streamed, "{\"choices\":[{\"delta\":{\"content\":\"re\"}}]}");
    read_event(&streamed, "{\"choices\":[{\"delta\":{\"content\":\"d\"}}]}");
    assert_int_equal(completion_text(&streamed).n, 3);
    assert_memory_equal(completion_text(&streamed).p, "red", 3);
    completion_done(&streamed);
    completion_done(&whole);
}

static void what_is_not_whole_differs(void **state)
{
    (void)state;
    static const char *const reasons[] = {"length", "content_filter"};
    struct completion whole = of_message("{\"content\":\"red\"}", "stop");
    for (size_t i = 0; i < 2; i++) {
        struct completion cut = of_message("{\"content\":\"red\"}", reasons[i]);
        assert_false(completions_agree(&whole, &cut));
        assert_null(completion_text(&cut).p);
        completion_done(&cut);
    }
    completion_done(&whole);
    assert_false(agree("{\"content\":\"red\"}", "{\"content\":\"red\",\"refusal\":\"No.\"}"));
    struct completion two;
    completion_init(&two);
    read_whole(&two, "{\"choices\":[{\"index\":0,\"message\":{\"content\":\"red\"}},"
                     "{\"index\":1,\"message\":{\"content\":\"red\"}}]}");
    assert_false(completions_agree(&two, &two));
    completion_done(&two);
}

static void more_than_is_kept_differs(void **state)
{
    (void)state;
    char piece[1024], event[1200];
    for (size_t i = 0; i < sizeof(piece); i++)
        piece[i] = i % 2 ? ' ' : 'x';
    piece[sizeof(piece) - 1] = '\0';
    snprintf(event, sizeof(event), "{\"choices\":[{\"delta\":{\"content\":\"%s\"}}]}", piece);
    struct completion c;
    completion_init(&c);
    for (size_t i = 0; i < 16; i++)
        read_event(&c, event);
    assert_true(completions_agree(&c, &c));
    read_event(&c, event);
    assert_false(completions_agree(&c, &c));
    assert_true(c.n_bytes <= COMPLETION_BYTES_MAX);
    completion_done(&c);
}

static void a_call_out_of_order_is_beyond(void **state)
{
    (void)state;
    static const char *const indexes[] = {"1", "18446744073709551615", "-1", "16"};
    for (size_t i = 0; i < sizeof(indexes) / sizeof(indexes[0]); i++) {
        char event[256];
        struct completion c;
        snprintf(event, sizeof(event),
                 "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":%s,\"function\":"
                 "{\"name\":\"look\"}}]}}]}",
                 indexes[i]);
        completion_init(&c);
        read_event(&c, event);
        assert_true(c.is_beyond || strcmp(indexes[i], "-1") == 0);
        completion_done(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts),
        cmocka_unit_test(json_is_compared_as_a_value),
        cmocka_unit_test(what_is_nested_deep_is_not_compared),
        cmocka_unit_test(tool_calls),
        cmocka_unit_test(a_stream_says_what_a_whole_answer_says),
        cmocka_unit_test(what_is_not_whole_differs),
        cmocka_unit_test(more_than_is_kept_differs),
        cmocka_unit_test(a_call_out_of_order_is_beyond),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
