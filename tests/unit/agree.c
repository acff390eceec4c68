/* SPDX-License-Identifier: Apache-2.0
 *
 * src/agree.c: forms of answers, and which of two say the same.
 */
#include <string.h>

#include <moaoff/adaptive.h>

#include "test.h"

static struct moa_bytes bytes_of(const char *text)
{
    return (struct moa_bytes){text, strlen(text)};
}

static void answers_have_a_form(void **unused)
{
    (void)unused;
    static const struct {
        const char *text;
        enum moa_answer_form form;
    } cases[] = {
        {"B", MOA_ANSWER_LETTER},
        {" (c). ", MOA_ANSWER_LETTER},
        {"A", MOA_ANSWER_LETTER},
        {"Yes.", MOA_ANSWER_YES_NO},
        {"no", MOA_ANSWER_YES_NO},
        {"42", MOA_ANSWER_NUMBER},
        {"-3.5", MOA_ANSWER_NUMBER},
        {"1,000", MOA_ANSWER_NUMBER},
        {"Two", MOA_ANSWER_NUMBER},
        {"red", MOA_ANSWER_SHORT},
        {"the red car", MOA_ANSWER_SHORT},
        {"don't know", MOA_ANSWER_SHORT},
        {"\xc3\xa9t\xc3\xa9", MOA_ANSWER_SHORT},
        {"There are two cars.", MOA_ANSWER_LONG},
        {"{\"a\": 1}", MOA_ANSWER_JSON},
        {"\n [1, 2]", MOA_ANSWER_JSON},
        {"", MOA_ANSWER_LONG},
        {"...", MOA_ANSWER_LONG},
        {"3.5.", MOA_ANSWER_NUMBER},
        {".", MOA_ANSWER_LONG},
    };
    for (size_t i = 0; i < N_TESTS(cases); i++)
        assert_int_equal(moa_answer_form_of(bytes_of(cases[i].text)), cases[i].form);
    assert_int_equal(moa_answer_form_of((struct moa_bytes){NULL, 0}), MOA_ANSWER_LONG);
}

static void short_answers_agree_whatever_their_dress(void **unused)
{
    (void)unused;
    static const char *const same[][2] = {
        {"red", "Red."},
        {"a red car", "The red car"},
        {"2", "two"},
        {"ten", "10"},
        {"B", "(b)"},
        {"A", "a."},
        {"1,000", "1000"},
        {"1,234,567.5", "1234567.5"},
        {"**red**", "red"},
        {"`red`", "red"},
        {"don't", "dont"},
        {"yes", " Yes!"},
        {"3.5", "3.5"},
        {"red, blue", "red blue"},
        {"\xc3\xa9t\xc3\xa9", "\xc3\xa9t\xc3\xa9."},
        {"This is a long answer.", "This is a long answer."},
    };
    static const char *const other[][2] = {
        {"red", "red car"},
        {"A", "B"},
        {"A", "the"},
        {"2", "3"},
        {"-2", "2"},
        {"1,5", "15"},
        {"<5", "5"},
        {"5%", "5"},
        {"1/2", "1 2"},
        {"1,0000", "10000"},
        {"3.5", "35"},
        {"", ""},
        {"yes", "no"},
        {"B", "B. a red car"},
        {"...", "!!!"},
        {"a", ""},
        {"red blue", "blue red"},
        {"This is a long answer.", "this is a long answer"},
        {"the a", "an the"},
        {"{\"a\": 1}", "{\"a\":1}"},
        {"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxa",
         "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxb"},
    };
    for (size_t i = 0; i < N_TESTS(same); i++) {
        assert_true(moa_answers_agree(bytes_of(same[i][0]), bytes_of(same[i][1])));
        assert_true(moa_answers_agree(bytes_of(same[i][1]), bytes_of(same[i][0])));
    }
    for (size_t i = 0; i < N_TESTS(other); i++) {
        assert_false(moa_answers_agree(bytes_of(other[i][0]), bytes_of(other[i][1])));
        assert_false(moa_answers_agree(bytes_of(other[i][1]), bytes_of(other[i][0])));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_have_a_form),
        cmocka_unit_test(short_answers_agree_whatever_their_dress),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
