/* SPDX-License-Identifier: Apache-2.0
 *
 * gateway/question.h: options, kinds and hashes of questions.
 */
#include "gateway/question.h"

#include <moaoff/adaptive.h>

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

static void kinds(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum question_kind kind;
    } cases[] = {
        {"How many circles are there?", QUESTION_HOW_MANY},
        {"  HOW   MANY?", QUESTION_HOW_MANY},
        {"Wie viele Lampen brennen?", QUESTION_HOW_MANY},
        {"Where is the cup?", QUESTION_WHERE},
        {"What color is the topmost object?", QUESTION_COLOUR},
        {"What does the sign say?", QUESTION_READS},
        {"Which number is shown?", QUESTION_READS},
        {"Which is larger?", QUESTION_WHICH},
        {"What is on the shelf?", QUESTION_WHAT},
        {"Is the door open?", QUESTION_YES_NO},
        {"Was there a dog?", QUESTION_YES_NO},
        {"Was ist das?", QUESTION_WHAT},
        {"What is it?\nA. red\nB. blue", QUESTION_OPTIONS},
        {"Describe the scene.", QUESTION_DESCRIBE},
        {"The door.", QUESTION_OTHER},
        {"", QUESTION_OTHER},
        {"\xc3\x89t\xc3\xa9?", QUESTION_OTHER},
    };
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        assert_int_equal(question_kind(cases[i].text), cases[i].kind);
        assert_true(cases[i].kind < MOA_QUESTION_KINDS);
    }
}

static void hashes(void **state)
{
    (void)state;
    assert_true(question_hash("Is the door open?") == question_hash(" is the  DOOR open "));
    assert_true(question_hash("Is the door open?") != question_hash("Is the doors open?"));
    assert_true(question_hash("to day") != question_hash("today"));
    assert_true(question_hash("") == question_hash("?!"));
    assert_true(question_hash("\xc3\xa9") != question_hash("\xc3\xa8"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options),
        cmocka_unit_test(kinds),
        cmocka_unit_test(hashes),
    };
    return cmocka_run_group_tests_name("question", tests, NULL, NULL);
}
