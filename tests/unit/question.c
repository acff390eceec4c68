/* SPDX-License-Identifier: Apache-2.0
 *
 * gateway/question.h: the options of a question.
 */
#include "gateway/question.h"

#include "test.h"

static void options(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t letters;
    } cases[] = {
        {"What is it?\nA. red\nB. blue\nC. green", 7},
        {"What is it? A) red B) blue", 3},
        {"What is it? (A) red (B) blue (C) green (D) gray", 15},
        {"Which?\nA: red\nB: blue\nAnswer with the letter.", 3},
        {"Which?\nA.red\nB.blue", 0},        /* "U.S.A.may" is no option either */
        {"What is vitamin A. made of?", 0},  /* no B */
        {"B. blue C. green", 0},             /* no A */
        {"Grade A: what? Plan B: what?", 3}, /* looks like it */
        {"", 0},
        {"(A)", 0},
    };
    for (size_t i = 0; i < N_TESTS(cases); i++)
        assert_int_equal(question_letters(cases[i].text), cases[i].letters);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options),
    };
    return cmocka_run_group_tests_name("question", tests, NULL, NULL);
}
