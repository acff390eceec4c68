/* SPDX-License-Identifier: Apache-2.0
 *
 * study/choice.h: which option an answer names.
 */
#include <stdlib.h>

#include "study/choice.h"

#include "test.h"

static const char *const options[] = {"red", "Blue ball", "a cat", "42"};

static void answers_are_read(void **unused)
{
    (void)unused;
    static const struct {
        const char *answer;
        int option;
    } cases[] = {
        {"B", 1},
        {"b", 1},
        {" B.\n", 1},
        {"(C)", 2},
        {"D) 42", 3},
        {"A. red", 0},
        {"A: because it is", 0},
        {"red", 0},
        {"Red.", 0},
        {"blue ball", 1},
        {"blue", -1},
        {"42", 3},
        {"The answer is B.", 1},
        {"Answer: C", 2},
        {"A cat", 2},
        {"A dog is there", -1},
        {"A or B", -1},
        {"B or C", -1},
        {"E", -1},
        {"", -1},
        {"...", -1},
        {"Because", -1},
        {"B B", 1},
        {"I think it is (D) 42", 3},
    };
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        int got = choice_read(cases[i].answer, options, 4);
        if (got != cases[i].option)
            fail_msg("\"%s\" names %d, not %d", cases[i].answer, got, cases[i].option);
    }
    static const char *const two[] = {"yes", "no"};
    assert_int_equal(choice_read("C", two, 2), -1);
    assert_int_equal(choice_read("No", two, 2), 1);
    static const char *const same[] = {"yes", "yes"};
    assert_int_equal(choice_read("yes", same, 2), -1);
}

static void prompt_lists_the_options(void **unused)
{
    (void)unused;
    char *prompt = choice_prompt("What is it?", "Look.", options, 2);
    assert_string_equal(prompt, "Hint: Look.\nWhat is it?\nA. red\nB. Blue ball\nAnswer with the "
                                "option's letter from the given choices directly.");
    free(prompt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_read),
        cmocka_unit_test(prompt_lists_the_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
