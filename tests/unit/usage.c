/* SPDX-License-Identifier: Apache-2.0
 *
 * gateway/usage.h: the tokens of whole and of streamed answers.
 */
#include <string.h>

#include "gateway/usage.h"

#include "test.h"

static struct moa_bytes bytes_of(const char *text)
{
    return (struct moa_bytes){text, strlen(text)};
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
        struct usage usage;
        bool found = usage_of_completion(bytes_of(cases[i].json), &usage);
        assert_int_equal(usage.prompt_tokens, cases[i].prompt);
        assert_int_equal(usage.completion_tokens, cases[i].completion);
        assert_int_equal(found, cases[i].prompt >= 0 || cases[i].completion >= 0);
    }
}

static const char stream[] =
    "data: {\"choices\":[{\"delta\":{\"content\":\"say "
    "\\\"usage\\\":{\\\"prompt_tokens\\\":99}\"}}],"
    "\"usage\":null}\n\n"
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":41,\"completion_tokens\":5},\"x\":1}\n\n"
    "data: [DONE]\n\n";

static void streams_in_pieces_of_every_size(void **state)
{
    (void)state;
    for (size_t step = 1; step <= sizeof(stream); step++) {
        struct usage_tail tail = {.n = 0};
        char padding[5000];
        memset(padding, 'x', sizeof(padding));
        usage_follow(&tail, (struct moa_bytes){padding, sizeof(padding)});
        for (size_t at = 0; at < strlen(stream); at += step) {
            size_t left = strlen(stream) - at;
            usage_follow(&tail, (struct moa_bytes){stream + at, left < step ? left : step});
        }
        struct usage usage;
        assert_true(usage_of_stream(&tail, &usage));
        assert_int_equal(usage.prompt_tokens, 41);
        assert_int_equal(usage.completion_tokens, 5);
    }
}

static void streams_without_any(void **state)
{
    (void)state;
    static const char *const cases[] = {"",
                                        "data: [DONE]\n\n",
                                        "\"usage\"",
                                        "\"usage\":",
                                        "\"usage\":{",
                                        "\"usage\":{\"prompt_tokens",
                                        "data: "
                                        "{\"choices\":[{\"delta\":{\"content\":\"\\\"usage\\\":{"
                                        "\\\"prompt_tokens\\\":9}\"}}]}\n\n"};
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        struct usage_tail tail = {.n = 0};
        struct usage usage;
        usage_follow(&tail, bytes_of(cases[i]));
        assert_false(usage_of_stream(&tail, &usage));
        assert_int_equal(usage.prompt_tokens, USAGE_UNKNOWN);
    }
}

static void sums_keep_what_is_known(void **state)
{
    (void)state;
    struct usage sum = {USAGE_UNKNOWN, USAGE_UNKNOWN};
    usage_add(&sum, &(struct usage){USAGE_UNKNOWN, 4});
    assert_int_equal(sum.prompt_tokens, USAGE_UNKNOWN);
    assert_int_equal(sum.completion_tokens, 4);
    usage_add(&sum, &(struct usage){2, 3});
    assert_int_equal(sum.prompt_tokens, 2);
    assert_int_equal(sum.completion_tokens, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_answers),
        cmocka_unit_test(streams_in_pieces_of_every_size),
        cmocka_unit_test(streams_without_any),
        cmocka_unit_test(sums_keep_what_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
