/* SPDX-License-Identifier: Apache-2.0
 *
 * Anthropic's Messages: bodies as chat completions, byte for byte, and answers as they are told.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/dialect.h"

#include "test.h"

static const struct chat_limits limits = {.max_text_bytes = 100000, .max_images = 3};

static void assert_chat(const char *body, const char *expected)
{
    struct dialect_body translated;
    struct chat chat;
    struct http_error error;
    const struct moa_bytes bytes = {body, strlen(body)};
    if (dialect_read(&dialect_messages, bytes, &limits, &translated, &chat, &error))
        fail_msg("refused: %s", error.message);
    char *whole = chat_copy(&chat, 0, chat_size(&chat));
    assert_string_equal(whole, expected);
    free(whole);
    chat_done(&chat);
    dialect_body_done(&translated);
}

static void assert_refused(const char *body, const char *code, const char *param)
{
    struct dialect_body translated;
    struct chat chat;
    struct http_error error;
    const struct moa_bytes bytes = {body, strlen(body)};
    assert_int_equal(dialect_read(&dialect_messages, bytes, &limits, &translated, &chat, &error),
                     -1);
    assert_string_equal(error.code, code);
    assert_string_equal(error.param, param);
    assert_int_equal(error.status, 400);
    dialect_body_done(&translated);
}

#define USER "{\"role\":\"user\",\"content\":"

static void strings_stay_as_they_are_written(void **state)
{
    (void)state;
    assert_chat("{\"model\": \"m\\u00e9\", \"max_tokens\": 1e2, \"messages\": [" USER
                "\"a\\u0041\\n\"}], \"stop_sequences\":[\"\\\"\"]}",
                "{\"messages\":[" USER
                "\"a\\u0041\\n\"}],\"model\":\"m\\u00e9\",\"max_tokens\":1e2,\"stop\":[\"\\\"\"]}");
    assert_chat("\xef\xbb\xbf{\"system\":\"s\",\"messages\":[" USER "\"a\"}],\"top_k\":null}",
                "{\"messages\":[{\"role\":\"system\",\"content\":\"s\"}," USER "\"a\"}]}");
}

static void what_a_tool_was_given_is_a_text(void **state)
{
    (void)state;
    assert_chat("{\"messages\":[{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\","
                "\"id\":\"t\",\"name\":\"f\",\"input\":{ \"a\" :\n\"\\\"\\u00e9\"}}]}," USER
                "[{\"type\":\"text\",\"text\":\"b\"},{\"type\":\"tool_result\",\"tool_use_id\":"
                "\"t\",\"content\":\"r\"}]}]}",
                "{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"t\",\"type\":"
                "\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{ \\\"a\\\" :\\n"
                "\\\"\\\\\\\"\\\\u00e9\\\"}\"}}],\"content\":null},{\"role\":\"tool\","
                "\"tool_call_id\":\"t\",\"content\":\"r\"}," USER
                "[{\"type\":\"text\",\"text\":\"b\"}]}]}");
}

#define PICTURE                                                                                    \
    "{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":\"image/"                  \
    "png\",\"data\":\"%s\"}}"

/* Whether the skim cuts it or not. */
static void pictures_are_copied_whole(void **state)
{
    (void)state;
    for (size_t n = 4090; n < 4140; n++) {
        char *bulk = malloc(n + 1), *body, *expected;
        memset(bulk, 'A', n);
        bulk[n] = '\0';
        assert_true(asprintf(&body, "{\"messages\":[" USER "[" PICTURE "]}]}", bulk) > 0);
        assert_true(asprintf(&expected,
                             "{\"messages\":[" USER "[{\"type\":\"image_url\",\"image_url\":"
                             "{\"url\":\"data:image/png;base64,%s\"}}]}]}",
                             bulk) > 0);
        assert_chat(body, expected);
        free(bulk);
        free(body);
        free(expected);
    }
}

static void what_has_no_place_is_named(void **state)
{
    (void)state;
    assert_refused("{\"messages\":[" USER "\"a\"}],\"n\":2}", "not_translatable", "n");
    assert_refused("{\"messages\":[" USER "\"a\"}],\"messages\":[]}", "invalid_value", "messages");
    assert_refused("{\"messages\":[" USER "[{\"type\":\"audio\"}]}]}", "not_translatable",
                   "messages[0].content[0].type");
    assert_refused("{\"messages\":[" USER "[{\"type\":\"tool_result\",\"tool_use_id\":\"t\","
                   "\"content\":[{\"type\":\"text\"}]}]}]}",
                   "invalid_value", "messages[0].content[0].content[0].text");
    assert_refused("{\"messages\":[" USER "\"a\"}],\"thinking\":{\"type\":\"enabled\"},"
                   "\"chat_template_kwargs\":{}}",
                   "invalid_value", "thinking");
}

static void assert_told(bool is_stream, const char *const *data, const char *expected)
{
    struct dialect_answer answer;
    const struct usage usage = {3, 4, 0, 0};
    dialect_answer_init(&answer, &dialect_messages, is_stream, "x", "[\"END\"]");
    for (size_t i = 0; data[i]; i++) {
        const struct moa_bytes bytes = {data[i], strlen(data[i])};
        assert_int_equal(is_stream ? dialect_answer_event(&answer, bytes)
                                   : dialect_answer_whole(&answer, bytes),
                         0);
    }
    assert_int_equal(dialect_answer_end(&answer, &usage), 0);
    assert_string_equal(answer.out.text.p, expected);
    dialect_answer_done(&answer);
}

static void whole_answers(void **state)
{
    (void)state;
    static const char *const said[] = {
        "{\"id\":\"chatcmpl-7\",\"model\":\"m\",\"choices\":[{\"finish_reason\":\"stop\","
        "\"message\":"
        "{\"content\":\"a\\\"\",\"reasoning\":\"h\",\"tool_calls\":[{\"id\":\"c\",\"function\":"
        "{\"name\":\"f\",\"arguments\":\"{\\\"a\\\": 1}\"}},{\"function\":{\"name\":\"g\","
        "\"arguments\":\"{\"}},{\"function\":{\"name\":\"h\"}}]}}]}",
        NULL};
    assert_told(false, said,
                "{\"id\":\"msg_7\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\","
                "\"content\":[{\"type\":\"thinking\",\"thinking\":\"h\",\"signature\":\"\"},"
                "{\"type\":\"text\",\"text\":\"a\\\"\"},{\"type\":\"tool_use\",\"id\":\"c\","
                "\"name\":\"f\",\"input\":{\"a\": 1}},{\"type\":\"tool_use\",\"id\":\"toolu_1\","
                "\"name\":\"g\",\"input\":{\"arguments\":\"{\"}},{\"type\":\"tool_use\",\"id\":"
                "\"toolu_2\",\"name\":\"h\",\"input\":{}}],\"stop_reason\":\"tool_use\","
                "\"stop_sequence\":null,\"usage\":{\"input_tokens\":3,\"output_tokens\":4}}");
    static const char *const stopped[] = {"{\"choices\":[{\"finish_reason\":\"stop\","
                                          "\"stop_reason\":\"END\",\"message\":{}}]}",
                                          NULL};
    assert_told(false, stopped,
                "{\"id\":\"msg_x\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"\","
                "\"content\":[],\"stop_reason\":\"stop_sequence\",\"stop_sequence\":\"END\","
                "\"usage\":{\"input_tokens\":3,\"output_tokens\":4}}");
}

static void streams(void **state)
{
    (void)state;
    static const char *const said[] = {
        "{\"choices\":[{\"delta\":{\"content\":\"a\"}}]}",
        "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"id\":\"c\",\"function\":{\"name\":\"f\","
        "\"arguments\":\"{}\"}}]}}]}",
        "{\"choices\":[{\"delta\":{},\"finish_reason\":\"length\",\"stop_reason\":\"</s>\"}]}",
        NULL};
    static const char expected[] =
        "event: message_start\n"
        "data: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_x\",\"type\":\""
        "message\",\"role\":\"assistant\",\"model\":\"\",\"content\":[],\"stop_reas"
        "on\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":0,\"outpu"
        "t_tokens\":0}}}\n\n"
        "event: content_block_start\n"
        "data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":"
        "{\"type\":\"text\",\"text\":\"\"}}\n\n"
        "event: content_block_delta\n"
        "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":"
        "\"text_delta\",\"text\":\"a\"}}\n\n"
        "event: content_block_stop\n"
        "data: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
        "event: content_block_start\n"
        "data: {\"type\":\"content_block_start\",\"index\":1,\"content_block\":"
        "{\"type\":\"tool_use\",\"id\":\"c\",\"name\":\"f\",\"input\":{}}}\n\n"
        "event: content_block_delta\n"
        "data: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":"
        "\"input_json_delta\",\"partial_json\":\"{}\"}}\n\n"
        "event: content_block_stop\n"
        "data: {\"type\":\"content_block_stop\",\"index\":1}\n\n"
        "event: message_delta\n"
        "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"max_toke"
        "ns\",\"stop_sequence\":null},\"usage\":{\"input_tokens\":3,\"output_to"
        "kens\":4}}\n\n"
        "event: message_stop\n"
        "data: {\"type\":\"message_stop\"}\n\n";
    assert_told(true, said, expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_stay_as_they_are_written),
        cmocka_unit_test(what_a_tool_was_given_is_a_text),
        cmocka_unit_test(pictures_are_copied_whole),
        cmocka_unit_test(what_has_no_place_is_named),
        cmocka_unit_test(whole_answers),
        cmocka_unit_test(streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
