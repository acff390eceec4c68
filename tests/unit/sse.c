/* SPDX-License-Identifier: Apache-2.0
 *
 * gateway/sse.h: where events end, and what they are.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/sse.h"

#include "test.h"

static struct moa_bytes bytes_of(const char *text)
{
    return (struct moa_bytes){text, strlen(text)};
}

static void events_end_with_a_blank_line(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t n;
    } cases[] = {
        {"", 0},
        {"data: x", 0},
        {"data: x\n", 0},
        {"data: x\n\n", 9},
        {"data: x\r\n\r\n", 11},
        {"data: x\r\r", 9},
        {"data: x\n\ndata: y\n\n", 9},
        {"event: a\ndata: x\n\n", 18},
        {": comment\n\n", 11},
        {"data: x\r\n", 0},
    };
    for (size_t i = 0; i < N_TESTS(cases); i++)
        assert_int_equal(sse_next(bytes_of(cases[i].text)), cases[i].n);
}

static void kinds_of_events(void **state)
{
    (void)state;
    static const struct {
        const char *event;
        enum sse_kind kind;
    } cases[] = {
        {": waiting\n\n", SSE_NOTHING},
        {"data:\n\n", SSE_NOTHING},
        {"data: [DONE]\n\n", SSE_DONE},
        {"data:[DONE]\n\n", SSE_DONE},
        {"data: busy\n\n", SSE_OTHER},
        {"data: {\"choices\":[{\"delta\"\n\n", SSE_OTHER},
        {"data: {\"error\":{\"message\":\"x\"}}\n\n", SSE_ERROR},
        {"event: error\r\ndata: {\"error\":\"x\"}\r\n\r\n", SSE_ERROR},
        {"data: {\"error\":null,\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n", SSE_CONTENT},
        {"data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n",
         SSE_NOTHING},
        {"data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":null}}]}\n\n",
         SSE_NOTHING},
        {"data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0}]}}]}\n\n", SSE_CONTENT},
        {"data: {\"choices\":[{\"delta\":{\"tool_calls\":[]}}]}\n\n", SSE_NOTHING},
        {"data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n", SSE_CONTENT},
        {"data: {\"choices\":[],\"prompt_filter_results\":[]}\n\n", SSE_NOTHING},
        {"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":4}}\n\n", SSE_USAGE},
        {"data: "
         "{\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":{\"prompt_tokens\":4}}\n\n",
         SSE_CONTENT},
    };
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        struct sse sse;
        sse_init(&sse, &answer_form_chat);
        assert_int_equal(sse_read(&sse, bytes_of(cases[i].event), NULL), cases[i].kind);
        assert_int_equal(sse.begun, cases[i].kind == SSE_CONTENT);
        assert_int_equal(sse.failed, cases[i].kind == SSE_ERROR || cases[i].kind == SSE_OTHER);
    }
}

static const char stream[] =
    ": ping\r\n\r\n"
    "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"say "
    "\\\"usage\\\":{\\\"prompt_tokens\\\":99}\"}}],\"usage\":null}\n\n"
    "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\r\r"
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":41,\"completion_tokens\":5},\"x\":1}\n\n"
    "data: [DONE]\n\n";

static void streams_in_pieces_of_every_size(void **state)
{
    (void)state;
    const size_t n = strlen(stream);
    for (size_t size = 1; size <= n; size++) {
        struct sse sse;
        sse_init(&sse, &answer_form_chat);
        size_t read = 0;
        for (size_t come = size; read < n; come += size) {
            come = come < n ? come : n;
            size_t length;
            while ((length = sse_next((struct moa_bytes){stream + read, come - read})) > 0) {
                sse_read(&sse, (struct moa_bytes){stream + read, length}, NULL);
                read += length;
            }
            if (come == n)
                break;
        }
        assert_int_equal(read, n);
        assert_true(sse.begun && sse.ended && !sse.failed);
        assert_int_equal(sse.usage.prompt_tokens, 41);
        assert_int_equal(sse.usage.completion_tokens, 5);
    }
}

static void a_whole_answer_becomes_a_stream(void **state)
{
    (void)state;
    static const struct {
        const char *completion;
        bool has_usage;
        const char *chunk; /* NULL: it is no completion */
    } cases[] = {
        {"{\"object\":\"chat.completion\",\"choices\":[{\"index\":0,\"message\":{\"content\":"
         "\"a\\nb\"}}],"
         "\"usage\":{\"prompt_tokens\":1}}",
         false,
         "{\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{\"content\":"
         "\"a\\nb\"}}]}"},
        {"{\"choices\":[{\"message\":{}}],\"usage\":{}}", true,
         "{\"choices\":[{\"delta\":{}}],\"usage\":{},\"object\":\"chat.completion.chunk\"}"},
        {"{\"choices\":[{\"message\":{\"tool_calls\":[{\"id\":\"x\"},{\"id\":\"y\"}]}}],\"object\":"
         "1}",
         false,
         "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"id\":\"x\",\"index\":0},{\"id\":\"y\","
         "\"index\":1}]}}],"
         "\"object\":\"chat.completion.chunk\"}"},
        {"{\"choices\":1}", false, NULL},
        {"{\"choices\":[", false, NULL},
        {"null", false, NULL},
    };
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        char expected[400];
        char *events =
            sse_of_completion((struct moa_bytes){cases[i].completion, strlen(cases[i].completion)},
                              cases[i].has_usage);
        snprintf(expected, sizeof(expected), "data: %s\n\ndata: [DONE]\n\n",
                 cases[i].chunk ? cases[i].chunk : "");
        assert_int_equal(events == NULL, cases[i].chunk == NULL);
        if (events)
            assert_string_equal(events, expected);
        free(events);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_end_with_a_blank_line),
        cmocka_unit_test(kinds_of_events),
        cmocka_unit_test(streams_in_pieces_of_every_size),
        cmocka_unit_test(a_whole_answer_becomes_a_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
