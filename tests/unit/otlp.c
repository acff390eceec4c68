/* SPDX-License-Identifier: Apache-2.0
 *
 * gateway/otlp.h: the bytes of OTLP's JSON, and what collectors answer.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/otlp.h"

#include "test.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00f067aa0ba902b7"

static void expect(struct json_out *out, const char *json)
{
    assert_false(out->failed);
    assert_string_equal(out->text.p, json);
    buffer_done(&out->text);
}

static const struct otlp_span root = {.trace = TRACE "-and what follows",
                                      .state = "",
                                      .id = 0x1f2,
                                      .kind = OTLP_SERVER,
                                      .name = "POST /v1/chat/completions",
                                      .begin_us = 1544712660000001,
                                      .end_us = 1544712661000000};

static void a_span_to_the_byte(void **state)
{
    (void)state;
    struct json_out out = json_out_of(4096);
    otlp_begin(&out, &root);
    otlp_text(&out, "a.text", "one \"two\"\n\xc3\xa4");
    otlp_int(&out, "an.int", 9007199254740993);
    otlp_int(&out, "another", -1);
    otlp_double(&out, "a.double", 0.25);
    otlp_bool(&out, "yes", true);
    otlp_bool(&out, "no", false);
    otlp_end(&out);
    expect(&out,
           "{\"traceId\":\"" TRACE "\",\"spanId\":\"00000000000001f2\",\"flags\":257,\"kind\":2,"
           "\"startTimeUnixNano\":\"1544712660000001000\","
           "\"endTimeUnixNano\":\"1544712661000000000\","
           "\"name\":\"POST /v1/chat/completions\",\"attributes\":["
           "{\"key\":\"a.text\",\"value\":{\"stringValue\":\"one \\\"two\\\"\\n\xc3\xa4\"}},"
           "{\"key\":\"an.int\",\"value\":{\"intValue\":\"9007199254740993\"}},"
           "{\"key\":\"another\",\"value\":{\"intValue\":\"-1\"}},"
           "{\"key\":\"a.double\",\"value\":{\"doubleValue\":0.250000}},"
           "{\"key\":\"yes\",\"value\":{\"boolValue\":true}},"
           "{\"key\":\"no\",\"value\":{\"boolValue\":false}}]}");
}

static void what_is_unknown_is_left_out(void **state)
{
    (void)state;
    struct json_out out = json_out_of(4096);
    otlp_begin(&out, &root);
    const size_t n = out.text.n;
    otlp_text(&out, "none", "");
    otlp_double(&out, "nan", NAN);
    otlp_double(&out, "inf", INFINITY);
    assert_int_equal(out.text.n, n);
    buffer_done(&out.text);
}

static void spans_below_a_client_s_and_below_ours(void **state)
{
    (void)state;
    struct json_out out = json_out_of(4096);
    struct otlp_span span = root;
    span.parent = PARENT "-01";
    span.parent_is_remote = true;
    span.state = "vendor=\"1\"";
    otlp_begin(&out, &span);
    otlp_end(&out);
    span = (struct otlp_span){.trace = TRACE,
                              .state = "",
                              .id = UINT64_MAX,
                              .parent = PARENT,
                              .kind = OTLP_CLIENT,
                              .name = "chat",
                              .begin_us = 1544712660000002,
                              .end_us = 1544712660000001, /* not before it begins */
                              .failed = true};
    otlp_begin(&out, &span);
    otlp_end(&out);
    expect(&out,
           "{\"traceId\":\"" TRACE "\",\"spanId\":\"00000000000001f2\",\"parentSpanId\":\"" PARENT
           "\",\"flags\":769,\"kind\":2,\"startTimeUnixNano\":\"1544712660000001000\","
           "\"endTimeUnixNano\":\"1544712661000000000\","
           "\"name\":\"POST /v1/chat/completions\",\"traceState\":\"vendor=\\\"1\\\"\","
           "\"attributes\":[]},"
           "{\"traceId\":\"" TRACE "\",\"spanId\":\"ffffffffffffffff\",\"parentSpanId\":\"" PARENT
           "\",\"flags\":257,\"kind\":3,\"startTimeUnixNano\":\"1544712660000002000\","
           "\"endTimeUnixNano\":\"1544712660000002000\",\"status\":{\"code\":2},"
           "\"name\":\"chat\",\"attributes\":[]}");
}

static void a_message_to_the_byte(void **state)
{
    (void)state;
    struct json_out out = json_out_of(4096);
    const struct otlp_resource resource = {"1.2", "0a", "box \"7\""};
    otlp_put_head(&out, &resource);
    json_put(&out, otlp_tail);
    expect(&out, "{\"resourceSpans\":[{\"resource\":{\"attributes\":["
                 "{\"key\":\"service.name\",\"value\":{\"stringValue\":\"moaoff\"}},"
                 "{\"key\":\"service.version\",\"value\":{\"stringValue\":\"1.2\"}},"
                 "{\"key\":\"service.instance.id\",\"value\":{\"stringValue\":\"0a\"}},"
                 "{\"key\":\"host.name\",\"value\":{\"stringValue\":\"box \\\"7\\\"\"}}]},"
                 "\"scopeSpans\":[{\"scope\":{\"name\":\"moaoff\",\"version\":\"1.2\"},\"spans\":["
                 "]}]}]}");
}

static void long_texts_are_cut_between_letters(void **state)
{
    (void)state;
    static char text[2 * OTLP_TEXT_BYTES];
    struct json_out out = json_out_of(2 * OTLP_TEXT_BYTES);
    memset(text, 'x', sizeof(text) - 1);
    memcpy(text + OTLP_TEXT_BYTES - 1, "\xc3\xa4", 2);
    otlp_text(&out, "a", text);
    assert_false(out.failed);
    const char before[] = "{\"key\":\"a\",\"value\":{\"stringValue\":\"";
    assert_int_equal(out.text.n, strlen(before) + OTLP_TEXT_BYTES - 1 + strlen("\"}}"));
    buffer_done(&out.text);
}

/* Whether a span has room in so many bytes, and how many it takes. */
static size_t write_span(size_t room, bool *ret_failed)
{
    struct json_out out = json_out_of(room);
    otlp_begin(&out, &root);
    otlp_text(&out, "a", "b");
    otlp_end(&out);
    const size_t n = out.text.n;
    *ret_failed = out.failed;
    buffer_done(&out.text);
    return n;
}

static void without_room_it_fails(void **state)
{
    (void)state;
    bool failed;
    const size_t n = write_span(4096, &failed);
    assert_false(failed);
    for (size_t room = 0; room < n + 20; room++) {
        write_span(room, &failed);
        assert_int_equal(failed, room < n);
    }
}

static void what_collectors_answer(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        uint64_t rejected;
        const char *why;
    } answers[] = {
        {"", 0, ""},
        {"{}", 0, ""},
        {"{\"partialSuccess\":{}}", 0, ""},
        {"{\"partialSuccess\":{\"rejectedSpans\":\"12\",\"errorMessage\":\"too old\"}}", 12,
         "too old"},
        {"{\"partialSuccess\":{\"rejectedSpans\":12}}", 12, ""},
        {"{\"partialSuccess\":{\"rejectedSpans\":0,\"errorMessage\":\"slow down\"}}", 0,
         "slow down"},
        {"{\"partialSuccess\":{\"rejectedSpans\":-1,\"errorMessage\":7}}", 0, ""},
        {"{\"partialSuccess\":[7]}", 0, ""},
        {"[]", 0, ""},
        {"no JSON", 0, ""},
        {"{\"partialSuccess\":{\"errorMessage\":\"0123456789012345678901234567890123456789\"}}", 0,
         "0123456789012345678901234567890"},
    };
    for (size_t i = 0; i < N_TESTS(answers); i++) {
        char why[32];
        const struct moa_bytes answer = {answers[i].answer, strlen(answers[i].answer)};
        assert_int_equal(otlp_rejected(answer, why, sizeof(why)), answers[i].rejected);
        assert_string_equal(why, answers[i].why);
    }
    char why[32];
    assert_int_equal(otlp_rejected((struct moa_bytes){NULL, 0}, why, sizeof(why)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_span_to_the_byte),
        cmocka_unit_test(what_is_unknown_is_left_out),
        cmocka_unit_test(spans_below_a_client_s_and_below_ours),
        cmocka_unit_test(a_message_to_the_byte),
        cmocka_unit_test(long_texts_are_cut_between_letters),
        cmocka_unit_test(without_room_it_fails),
        cmocka_unit_test(what_collectors_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
