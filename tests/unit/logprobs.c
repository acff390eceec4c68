/* SPDX-License-Identifier: Apache-2.0
 *
 * gateway/logprobs.h: forms and probabilities of answers, whole and streamed; what a client that
 * did not ask is spared.
 */
#include "gateway/logprobs.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "test.h"

#define ABCD 15u

static bool read_whole(struct logprobs *l, const char *json)
{
    yyjson_doc *doc = yyjson_read(json, strlen(json), YYJSON_READ_NOFLAG);
    const bool is_one = logprobs_read(l, yyjson_doc_get_root(doc));
    yyjson_doc_free(doc);
    return is_one;
}

static void read_event(struct logprobs *l, const char *json)
{
    yyjson_doc *doc = yyjson_read(json, strlen(json), YYJSON_READ_NOFLAG);
    logprobs_read_event(l, yyjson_doc_get_root(doc));
    yyjson_doc_free(doc);
}

static size_t cut(char *json)
{
    yyjson_doc *doc = yyjson_read(json, strlen(json), YYJSON_READ_NOFLAG);
    const size_t n = logprobs_cut(yyjson_doc_get_root(doc), json, strlen(json));
    yyjson_doc_free(doc);
    return n;
}

static struct moa_answer answer_of(const char *completion, uint32_t letters)
{
    struct logprobs l;
    struct moa_answer answer;
    logprobs_init(&l, letters, false);
    assert_true(read_whole(&l, completion));
    logprobs_answer(&l, false, &answer);
    return answer;
}

/* As llama-server writes it: the end token stands last, with an empty text. */
static const char red[] =
    "{\"choices\":[{\"finish_reason\":\"stop\",\"index\":0,\"message\":{\"role\":\"assistant\","
    "\"content\":\"red circle\"},\"logprobs\":{\"content\":["
    "{\"id\":1,\"token\":\"red\",\"bytes\":[114],\"logprob\":-0.25,\"top_logprobs\":["
    "{\"token\":\"red\",\"logprob\":-0.25},{\"token\":\"blue\",\"logprob\":-2},"
    "{\"token\":\"a\",\"logprob\":-3},{\"token\":\"b\",\"logprob\":-4},"
    "{\"token\":\"c\",\"logprob\":-5},{\"token\":\"d\",\"logprob\":-6}]},"
    "{\"token\":\" circle\",\"logprob\":-0.5,\"top_logprobs\":[]},"
    "{\"token\":\"\",\"logprob\":-1.5,\"top_logprobs\":[]}]}}],"
    "\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":3}}";

static void a_whole_answer(void **state)
{
    (void)state;
    const struct moa_answer a = answer_of(red, 0);
    assert_int_equal(a.form, MOA_ANSWER_SHORT);
    assert_int_equal(a.n_tokens, 3);
    assert_false(a.streamed);
    assert_true(fabs(a.p_min - exp(-1.5)) < 1e-12); /* the end token counts */
    assert_true(fabs(a.p_first - exp(-0.25)) < 1e-12);
    assert_true(fabs(a.p_top5 - (exp(-0.25) + exp(-2) + exp(-3) + exp(-4) + exp(-5))) < 1e-12);
}

static void a_letter_is_one_of_those_offered(void **state)
{
    (void)state;
    static const char text[] =
        "{\"choices\":[{\"finish_reason\":\"stop\",\"message\":{\"content\":\"B\"},\"logprobs\":{"
        "\"content\":[{\"token\":\" B\",\"logprob\":-1,\"top_logprobs\":["
        "{\"token\":\" B\",\"logprob\":-1},{\"token\":\"B\",\"logprob\":-3},"
        "{\"token\":\"A\",\"logprob\":-2},{\"token\":\"The\",\"logprob\":-1.5},"
        "{\"token\":\"E\",\"logprob\":-1.2}]}]}}]}";
    const double expected = (exp(-1) + exp(-3)) / (exp(-1) + exp(-3) + exp(-2));
    const struct moa_answer a = answer_of(text, ABCD);
    assert_int_equal(a.form, MOA_ANSWER_LETTER);
    assert_true(fabs(a.p_min - expected) < 1e-12);
    assert_true(fabs(a.p_first - exp(-1)) < 1e-12);
    const struct moa_answer word = answer_of(text, 0);
    assert_int_equal(word.form, MOA_ANSWER_SHORT);
    assert_true(fabs(word.p_min - exp(-1)) < 1e-12);
}

static void forms(void **state)
{
    (void)state;
    static const struct {
        const char *content;
        uint32_t letters;
        enum moa_answer_form form;
    } cases[] = {
        {"B", ABCD, MOA_ANSWER_LETTER},
        {"(B) blue", ABCD, MOA_ANSWER_LETTER},
        {"B. It is the blue one, since no other is.", ABCD, MOA_ANSWER_LETTER},
        {"E", ABCD, MOA_ANSWER_SHORT},
        {"A's", ABCD, MOA_ANSWER_SHORT},
        {"Blue", ABCD, MOA_ANSWER_SHORT},
        {" Yes. ", 0, MOA_ANSWER_YES_NO},
        {"nein", 0, MOA_ANSWER_YES_NO},
        {"yes it is", 0, MOA_ANSWER_SHORT},
        {"42", 0, MOA_ANSWER_NUMBER},
        {"-3.5 %", 0, MOA_ANSWER_NUMBER},
        {"four", 0, MOA_ANSWER_NUMBER},
        {"-", 0, MOA_ANSWER_SHORT},
        {"", 0, MOA_ANSWER_SHORT},
        {"three small words", 0, MOA_ANSWER_SHORT},
        {"here are four words", 0, MOA_ANSWER_LONG},
        {"{\\\"a\\\":1}", 0, MOA_ANSWER_JSON},
        {"[1]", 0, MOA_ANSWER_JSON},
    };
    char text[512];
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        snprintf(text, sizeof(text),
                 "{\"choices\":[{\"finish_reason\":\"stop\",\"message\":{\"content\":\"%s\"}}]}",
                 cases[i].content);
        const struct moa_answer a = answer_of(text, cases[i].letters);
        assert_int_equal(a.form, cases[i].form);
        assert_int_equal(a.n_tokens, 0);
    }
    assert_int_equal(
        answer_of("{\"choices\":[{\"message\":{\"content\":null,\"tool_calls\":[{}]}}]}", 0).form,
        MOA_ANSWER_TOOL);
}

static void what_is_long(void **state)
{
    (void)state;
    char text[2048], words[1025];
    memset(words, 'x', 1024);
    words[1024] = '\0';
    snprintf(text, sizeof(text), "{\"choices\":[{\"message\":{\"content\":\"%s\"}}]}", words);
    assert_int_equal(answer_of(text, 0).form, MOA_ANSWER_LONG);
}

static void a_stream_is_scored_by_what_has_come(void **state)
{
    (void)state;
    static const char *const events[] = {
        "{\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":null}}]}",
        "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"red\"},\"logprobs\":{\"content\":["
        "{\"token\":\"red\",\"logprob\":-0.1,\"top_logprobs\":[]}]}}]}",
        "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\" one\"},\"logprobs\":{\"content\":["
        "{\"token\":\" one\",\"logprob\":-0.7,\"top_logprobs\":[]}]}}]}",
        "[DONE]",
        "{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}",
    };
    struct logprobs l;
    struct moa_answer a;
    logprobs_init(&l, 0, false);
    for (size_t i = 0; i < 4; i++)
        read_event(&l, events[i]);
    logprobs_answer(&l, true, &a);
    assert_true(a.streamed && a.sampled);
    assert_int_equal(a.form, MOA_ANSWER_LONG); /* more may follow */
    assert_int_equal(a.n_tokens, 2);
    assert_true(fabs(a.p_min - exp(-0.7)) < 1e-12);
    read_event(&l, events[4]);
    logprobs_answer(&l, true, &a);
    assert_false(a.streamed);
    assert_int_equal(a.form, MOA_ANSWER_SHORT);
    assert_false(l.is_cut);
    read_event(&l, "{\"choices\":[{\"finish_reason\":\"length\"}]}");
    assert_true(l.is_cut);
}

static void odd_numbers(void **state)
{
    (void)state;
    const struct moa_answer a =
        answer_of("{\"choices\":[{\"message\":{\"content\":\"x\"},\"logprobs\":{\"content\":["
                  "{\"token\":\"x\",\"logprob\":0.5},{\"token\":\"y\",\"logprob\":-9999.0},"
                  "{\"token\":\"z\",\"logprob\":null},{\"token\":\"w\"}]}}]}",
                  0);
    assert_int_equal(a.n_tokens, 4);
    assert_true(a.p_first == 1);
    assert_true(a.p_min > 0 && a.p_min < 1e-40);
    assert_true(a.p_top5 == 1);
    struct logprobs l;
    logprobs_init(&l, 0, false);
    assert_false(read_whole(&l, "{\"error\":{}}"));
    assert_false(read_whole(&l, "no JSON"));
}

/* Every choice's is cut, wherever it stands in it; nothing else is, whatever it is called. */
static void cutting(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"{\"choices\":[{\"a\":1,\"logprobs\":{\"content\":[{\"token\":\"}]\\\"\"}]},\"b\":2}],"
         "\"u\":1}",
         "{\"choices\":[{\"a\":1,\"b\":2}],\"u\":1}"},
        {"{\"choices\":[{\"logprobs\":null,\"b\":2},{\"c\":3,\"logprobs\":{}}]}",
         "{\"choices\":[{\"b\":2},{\"c\":3}]}"},
        {"{\"choices\":[{\"logprobs\":[1,[2]]}]}", "{\"choices\":[{}]}"},
        {"{ \"choices\" : [ { \"a\" : \"logprobs\" , \"logprobs\" : 1 } ] }",
         "{ \"choices\" : [ { \"a\" : \"logprobs\" } ] }"},
        {"{\"logprobs\":1,\"choices\":[{\"message\":{\"logprobs\":2}}]}",
         "{\"logprobs\":1,\"choices\":[{\"message\":{\"logprobs\":2}}]}"},
        {"{\"choices\":[{\"a\":[1],\"logprobs\":{\"content\":[{\"token\":\"]}\",\"top\":[{\"t\":\"}"
         "\","
         "\"b\":[125,[93]]},{\"t\":\"\\\"]\",\"p\":-1.5e3}]}],\"refusal\":null} }],\"u\":[]}",
         "{\"choices\":[{\"a\":[1]}],\"u\":[]}"},
        {"{\"choices\":[{\"a\":1,\"logprobs\":{\"content\":[{\"t\":[{}, []]}]}, \"b\":\"\"}, "
         "{\"logprobs\" : \"}\", \"c\":3}, 4, {}, {\"d\":4,\"logprobs\":[[],{\"x\":[]}]}]}",
         "{\"choices\":[{\"a\":1, \"b\":\"\"}, { \"c\":3}, 4, {}, {\"d\":4}]}"},
        {"{\"id\":\"\\u00e4\",\"choices\":[{\"log\\u0070robs\":{\"\":0}}]}",
         "{\"id\":\"\\u00e4\",\"choices\":[{}]}"},
        {"{\"choices\":[]}", "{\"choices\":[]}"},
        {"{\"choices\":{\"logprobs\":1}}", "{\"choices\":{\"logprobs\":1}}"},
        {"[1]", "[1]"},
        {"{}", "{}"},
        {"", ""},
    };
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        char *text = strdup(cases[i][0]);
        const size_t n = cut(text);
        assert_int_equal(n, strlen(cases[i][1]));
        assert_memory_equal(text, cases[i][1], n);
        text[n] = '\0';
        assert_int_equal(cut(text), n);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_answer),
        cmocka_unit_test(a_letter_is_one_of_those_offered),
        cmocka_unit_test(forms),
        cmocka_unit_test(what_is_long),
        cmocka_unit_test(a_stream_is_scored_by_what_has_come),
        cmocka_unit_test(odd_numbers),
        cmocka_unit_test(cutting),
    };
    return cmocka_run_group_tests_name("logprobs", tests, NULL, NULL);
}
