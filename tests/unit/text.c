/* SPDX-License-Identifier: Apache-2.0
 *
 * moaoff/text.h: sentences, entities, UTF-8 and the complexity.
 */
#include <math.h>
#include <string.h>

#include <moaoff/text.h>

#include "test.h"

static struct moa_text_features measure(const char *text)
{
    struct moa_text_features f;
    moa_text_measure((struct moa_bytes){text, strlen(text)}, &f);
    return f;
}

static void sentences_are_counted(void **state)
{
    static const struct {
        const char *text;
        uint64_t n;
    } cases[] = {
        {"", 0},
        {" \n\t!?...", 0},
        {"What is in this image?", 1},
        {"No full stop", 1},
        {"One. Two! Three? \"Four.\" (Five.) Six", 6},
        {"Pi is 3.14 and e is 2.72.", 1},
        {"Dr. Smith met J. R. Jones at St. Paul's, i.e. in London.", 1},
        {"Wait... what? It was 5 p.m. then.", 2},
        {"First paragraph\n\nsecond paragraph", 2},
        {"A line that goes on\nin the next line.", 1},
        {"1. Cut it.\n2. Paste it.\n- Done", 3},
        {"\xe1\x83\x90\xe1\x83\x91. \xe1\x83\x92! \xd5\xa1.", 3}, /* Georgian, Armenian */
        {"\xe4\xbd\xa0\xe5\xa5\xbd\xe3\x80\x82\xe5\x86\x8d\xe8\xa7\x81\xef\xbc\x81", 2},
        {"\xe0\xa4\xa8\xe0\xa4\xae\xe0\xa4\xb8\xe0\xa5\xa4 \xe0\xa4\xa8\xe0\xa4\xae", 2},
    };
    (void)state;
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        const uint64_t n = measure(cases[i].text).sentences;
        if (n != cases[i].n)
            print_error("\"%s\": %d sentences\n", cases[i].text, (int)n);
        assert_int_equal(n, cases[i].n);
    }
}

static void entities_are_counted(void **state)
{
    static const struct {
        const char *text;
        uint64_t n;
    } cases[] = {
        {"", 0},
        {"the cat sat on a mat", 0},
        {"Describe the picture. The cat is black. I think so.", 0},
        {"I met Ada Lovelace in London.", 2},
        {"The Bank of England raised rates", 1},
        {"In Paris it rained.", 1},
        {"He was born on 12 March 2024 in Rome", 2},
        {"It costs $3.50, or 20% less than EUR 1,200.", 3},
        {"Mail a.b@example.com or see https://example.com/a_b?c=1 now", 2},
        {"NASA and the ESA agree", 2},
        {"call moa_image_measure or parseHTML here", 2},
        {"THIS IS A LOUD SENTENCE OF MINE", 0},
        {"J. Smith's car", 1},
    };
    (void)state;
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        const uint64_t n = measure(cases[i].text).entities;
        if (n != cases[i].n)
            print_error("\"%s\": %d entities\n", cases[i].text, (int)n);
        assert_int_equal(n, cases[i].n);
    }
}

static void invalid_bytes_are_counted(void **state)
{
    (void)state;
    /* A lone tail, an overlong slash, a surrogate, above U+10FFFF, and a cut sequence. */
    assert_int_equal(measure("\x80").invalid_bytes, 1);
    assert_int_equal(measure("\xc0\xaf").invalid_bytes, 2);
    assert_int_equal(measure("\xed\xa0\x80").invalid_bytes, 3);
    assert_int_equal(measure("\xf4\x90\x80\x80").invalid_bytes, 4);
    assert_int_equal(measure("caf\xc3").invalid_bytes, 1);
    assert_int_equal(measure("caf\xc3\xa9 \xe6\x97\xa5 \xf0\x9f\x98\x80").invalid_bytes, 0);
}

static void tokens_grow_with_text(void **state)
{
    (void)state;
    assert_true(measure("").tokens == 0.0);
    const double digits = measure("20242024").tokens;
    assert_true(digits > 7.0 && digits < 9.0);
    const double one = measure("the quick brown fox jumps over the lazy dog\n").tokens;
    assert_true(one > 8.0 && one < 12.0);
}

static void complexity_takes_length_and_entities_apart(void **state)
{
    (void)state;
    const struct moa_text_features all = {.tokens = 128.0, .sentences = 9, .entities = 90};
    const struct moa_text_features last = {.tokens = 5.0, .sentences = 2, .entities = 2};
    const struct moa_text_features none = {0};
    struct moa_text_complexity c;
    moa_text_complexity(NULL, &all, &last, &c);
    assert_true(c.length == 0.5);
    assert_true(c.entity == 0.25);
    assert_true(c.score == 0.375);
    moa_text_complexity(NULL, &none, &none, &c);
    assert_true(c.length == 0.0 && c.entity == 0.0 && c.score == 0.0);
    struct moa_text_params params;
    moa_text_params_default(&params);
    params.weight_length = 3.0;
    moa_text_complexity(&params, &all, &last, &c);
    assert_true(fabs(c.score - 0.4375) < 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sentences_are_counted),
        cmocka_unit_test(entities_are_counted),
        cmocka_unit_test(invalid_bytes_are_counted),
        cmocka_unit_test(tokens_grow_with_text),
        cmocka_unit_test(complexity_takes_length_and_entities_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
