/* SPDX-License-Identifier: Apache-2.0
 *
 * gateway/usage.h: the tokens of answers.
 */
#include <string.h>

#include <yyjson.h>

#include "gateway/usage.h"

#include "test.h"

static struct usage usage_of(const char *json)
{
    struct usage usage;
    yyjson_doc *doc = yyjson_read(json, strlen(json), YYJSON_READ_NOFLAG);
    usage_read(yyjson_doc_get_root(doc), &usage);
    yyjson_doc_free(doc);
    return usage;
}

static void whole_answers(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        int64_t prompt, completion;
    } cases[] = {
        {"{\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3}}", 7, 3},
        {"{\"choices\":[], \"usage\": {\"prompt_tokens\": 7}}", 7, -1},
        {"{\"usage\":null}", -1, -1},
        {"{\"usage\":{\"prompt_tokens\":-7,\"completion_tokens\":1.5}}", -1, -1},
        {"{\"usage\":{\"prompt_tokens\":18446744073709551615,\"completion_tokens\":1}}", -1, 1},
        {"{\"error\":{}}", -1, -1},
        {"[1]", -1, -1},
        {"not json", -1, -1},
        {"", -1, -1},
    };
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        const struct usage usage = usage_of(cases[i].json);
        assert_int_equal(usage.prompt_tokens, cases[i].prompt);
        assert_int_equal(usage.completion_tokens, cases[i].completion);
    }
}

static void times_are_llama_servers(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        double prompt_ms, completion_ms;
    } cases[] = {
        {"{\"timings\":{\"prompt_n\":7,\"prompt_ms\":12.5,\"predicted_ms\":30}}", 12.5, 30},
        {"{\"timings\":{\"prompt_ms\":12}}", 12, 0},
        {"{\"timings\":{\"prompt_ms\":-1,\"predicted_ms\":1e300}}", 0, 0},
        {"{\"timings\":{\"prompt_ms\":\"7\"}}", 0, 0},
        {"{\"timings\":7}", 0, 0},
        {"{}", 0, 0},
    };
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        const struct usage usage = usage_of(cases[i].json);
        assert_true(usage.prompt_ms == cases[i].prompt_ms);
        assert_true(usage.completion_ms == cases[i].completion_ms);
    }
}

static void sums_keep_what_is_known(void **state)
{
    (void)state;
    struct usage sum = {USAGE_UNKNOWN, USAGE_UNKNOWN, 0, 0};
    usage_add(&sum, &(struct usage){USAGE_UNKNOWN, 4, 0, 0});
    assert_int_equal(sum.prompt_tokens, USAGE_UNKNOWN);
    assert_int_equal(sum.completion_tokens, 4);
    usage_add(&sum, &(struct usage){2, 3, 0, 0});
    assert_int_equal(sum.prompt_tokens, 2);
    assert_int_equal(sum.completion_tokens, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_answers),
        cmocka_unit_test(times_are_llama_servers),
        cmocka_unit_test(sums_keep_what_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
