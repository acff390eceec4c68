/* SPDX-License-Identifier: Apache-2.0
 *
 * study/replay_render.h: answers in the words of three engines, whole and in pieces.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "study/replay_render.h"

#include "test.h"

static const char two_tokens[] =
    "[{\"token\":\"light\",\"logprob\":-0.5,\"top_logprobs\":[{\"token\":\"light\",\"logprob\":-0."
    "5}"
    ",{\"token\":\"dark\",\"logprob\":-1.5}]},{\"token\":\" blue\",\"logprob\":-0.25,"
    "\"top_logprobs\":[]},{\"token\":\"\",\"logprob\":-0.125,\"top_logprobs\":[]}]";

static yyjson_doc *tokens_doc;

static struct replay_reply reply_of(const struct answer *answer, enum replay_dialect dialect)
{
    return (struct replay_reply){.dialect = dialect,
                                 .model = "m",
                                 .answer = answer,
                                 .id = "x",
                                 .created_s = 5,
                                 .with_usage = true,
                                 .with_logprobs = true,
                                 .n_top = 1,
                                 .n_tokens = replay_n_tokens(answer),
                                 .prompt_tokens = 10,
                                 .first_ms = 2,
                                 .total_ms = 8};
}

static struct answer light_blue(void)
{
    if (!tokens_doc)
        tokens_doc = yyjson_read(two_tokens, sizeof(two_tokens) - 1, YYJSON_READ_NOFLAG);
    return (struct answer){.text = "light blue",
                           .finish = "stop",
                           .logprobs = "",
                           .tokens = yyjson_doc_get_root(tokens_doc),
                           .completion_tokens = 3};
}

/* The whole stream. */
static char *stream_of(const struct replay_reply *reply)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    char *part = replay_render_begin(reply);
    fputs(part, out);
    free(part);
    for (size_t i = 0; i < reply->n_tokens; i++) {
        part = replay_render_token(reply, i);
        fputs(part, out);
        free(part);
    }
    part = replay_render_end(reply);
    fputs(part, out);
    free(part);
    fclose(out);
    return text;
}

#define LIGHT                                                                                      \
    "{\"token\":\"light\",\"bytes\":[108,105,103,104,116],\"logprob\":-0.5,\"top_logprobs\":[{"    \
    "\"token\":\"light\",\"bytes\":[108,105,103,104,116],\"logprob\":-0.5}]}"
#define BLUE                                                                                       \
    "{\"token\":\" blue\",\"bytes\":[32,98,108,117,101],\"logprob\":-0.25,\"top_logprobs\":[]}"
#define TIMINGS                                                                                    \
    "\"timings\":{\"cache_n\":0,\"prompt_n\":10,\"prompt_ms\":2.0,\"prompt_per_token_ms\":0.2,"    \
    "\"prompt_per_second\":5000.0,\"predicted_n\":3,\"predicted_ms\":6.0,"                         \
    "\"predicted_per_token_ms\":2.0,\"predicted_per_second\":500.0}"
#define END "{\"token\":\"\",\"bytes\":[],\"logprob\":-0.125,\"top_logprobs\":[]}"

static void whole_answers_have_every_token(void **unused)
{
    (void)unused;
    const struct answer answer = light_blue();
    struct replay_reply reply = reply_of(&answer, REPLAY_LLAMA);
    char *json = replay_render_whole(&reply);
    assert_string_equal(
        json,
        "{\"choices\":[{\"finish_reason\":\"stop\",\"index\":0,\"message\":{\"role\":\"assistant\","
        "\"content\":\"light blue\"},\"logprobs\":{\"content\":[" LIGHT "," BLUE "," END
        "]}}],\"created\":5,\"model\":\"m\",\"system_fingerprint\":\"moaoff-replay\",\"object\":"
        "\"chat.completion\",\"usage\":{\"completion_tokens\":3,\"prompt_tokens\":10,"
        "\"total_tokens\":13,\"prompt_tokens_details\":{\"cached_tokens\":0}},\"id\":\"x\"," TIMINGS
        "}");
    free(json);
    reply = reply_of(&answer, REPLAY_VLLM);
    json = replay_render_whole(&reply);
    assert_non_null(strstr(json, "\"logprob\":-0.25,\"bytes\":[32,98,108,117,101],"));
    assert_non_null(strstr(json, "\"tool_calls\":[]},\"logprobs\":{"));
    assert_non_null(strstr(json, "\"finish_reason\":\"stop\",\"stop_reason\":null}]"));
    assert_non_null(strstr(json, "\"prompt_logprobs\":null}"));
    assert_null(strstr(json, "timings"));
    free(json);
    reply = reply_of(&answer, REPLAY_SGLANG);
    json = replay_render_whole(&reply);
    assert_non_null(strstr(json, "\"tool_calls\":null},\"logprobs\":{"));
    assert_non_null(strstr(json, "\"finish_reason\":\"stop\",\"matched_stop\":null}]"));
    free(json);
    reply.with_logprobs = false;
    json = replay_render_whole(&reply);
    assert_non_null(strstr(json, "\"logprobs\":null,"));
    free(json);
}

#define CHUNK                                                                                      \
    "\"created\":5,\"id\":\"x\",\"model\":\"m\",\"system_fingerprint\":\"moaoff-replay\","         \
    "\"object\":"                                                                                  \
    "\"chat.completion.chunk\""
#define CHOICE "data: {\"choices\":[{\"finish_reason\":"

/* As its build 11669 wrote them but for ids, and times. */
static void streams_are_as_llama_servers(void **unused)
{
    (void)unused;
    const struct answer answer = light_blue();
    struct replay_reply reply = reply_of(&answer, REPLAY_LLAMA);
    char *text = stream_of(&reply);
    assert_string_equal(
        text, CHOICE
        "null,\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":null}}]," CHUNK
        "}\n\n" CHOICE
        "null,\"index\":0,\"delta\":{\"content\":\"light\"},\"logprobs\":{\"content\":[" LIGHT
        "]}}]," CHUNK "}\n\n" CHOICE
        "null,\"index\":0,\"delta\":{\"content\":\" blue\"},\"logprobs\":{\"content\":[" BLUE
        "]}}]," CHUNK "}\n\n" CHOICE "\"stop\",\"index\":0,\"delta\":{}}]," CHUNK "}\n\n"
        "data: {\"choices\":[]," CHUNK ",\"usage\":{\"completion_tokens\":3,\"prompt_tokens\":10,"
        "\"total_tokens\":13,\"prompt_tokens_details\":{\"cached_tokens\":0}}," TIMINGS "}\n\n"
        "data: [DONE]\n\n");
    free(text);
    reply.with_usage = false;
    text = stream_of(&reply);
    assert_non_null(strstr(text, CHOICE "\"stop\",\"index\":0,\"delta\":{}}]," CHUNK "," TIMINGS
                                        "}\n\ndata: [DONE]\n\n"));
    free(text);
}

/* The end's token is told with the finish. */
static void streams_of_others_tell_the_end_too(void **unused)
{
    (void)unused;
    const struct answer answer = light_blue();
    struct replay_reply reply = reply_of(&answer, REPLAY_VLLM);
    char *text = stream_of(&reply);
    assert_non_null(strstr(
        text,
        "data: {\"id\":\"x\",\"object\":\"chat.completion.chunk\",\"created\":5,\"model\":\"m\","
        "\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},"
        "\"logprobs\":null,\"finish_reason\":null}"));
    assert_non_null(strstr(text,
                           "\"delta\":{\"content\":\"\"},\"logprobs\":{\"content\":[{\"token\":"
                           "\"\",\"logprob\":-0.125,\"bytes\":[],\"top_logprobs\":[]}]},"
                           "\"finish_reason\":\"stop\",\"stop_reason\":null}"));
    assert_non_null(strstr(text, "\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"total_tokens\":"
                                 "13,\"completion_tokens\":3,"));
    free(text);
    reply = reply_of(&answer, REPLAY_SGLANG);
    text = stream_of(&reply);
    assert_non_null(strstr(text, "\"delta\":{\"reasoning_content\":null,\"content\":\" blue\"},"
                                 "\"logprobs\":{"));
    assert_non_null(strstr(text, "\"finish_reason\":null,\"matched_stop\":null}"));
    free(text);
    reply.with_usage = false;
    text = stream_of(&reply);
    assert_null(strstr(text, "usage"));
    free(text);
}

static void answers_without_tokens_come_word_by_word(void **unused)
{
    (void)unused;
    struct answer answer = {
        .text = "a light  blue", .finish = "", .logprobs = "", .completion_tokens = NAN};
    struct replay_reply reply = reply_of(&answer, REPLAY_LLAMA);
    assert_int_equal(reply.n_tokens, 3);
    char *text = stream_of(&reply);
    assert_non_null(strstr(text, "\"content\":\"a\"}"));
    assert_non_null(strstr(text, "\"content\":\" light\"}"));
    assert_non_null(strstr(text, "\"content\":\"  blue\"}"));
    assert_null(strstr(text, "logprobs"));
    free(text);
    reply.n_tokens = 2;
    reply.cut = true;
    text = replay_render_whole(&reply);
    assert_non_null(strstr(text, "\"content\":\"a light\"}"));
    assert_non_null(strstr(text, "\"finish_reason\":\"length\""));
    free(text);
    answer.text = "";
    assert_int_equal(replay_n_tokens(&answer), 1);
    answer.completion_tokens = 7;
    assert_int_equal(replay_n_tokens(&answer), 7);
    /* Tokens that do not spell the answer are not sent in its place. */
    answer = light_blue();
    answer.text = "light green";
    assert_int_equal(replay_n_tokens(&answer), 3);
    reply = reply_of(&answer, REPLAY_LLAMA);
    text = stream_of(&reply);
    assert_non_null(strstr(text, "\"content\":\" green\"}"));
    assert_null(strstr(text, "logprobs"));
    free(text);
}

static int free_tokens(void **unused)
{
    (void)unused;
    yyjson_doc_free(tokens_doc);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_answers_have_every_token),
        cmocka_unit_test(streams_are_as_llama_servers),
        cmocka_unit_test(streams_of_others_tell_the_end_too),
        cmocka_unit_test(answers_without_tokens_come_word_by_word),
    };
    return cmocka_run_group_tests(tests, NULL, free_tokens);
}
