/* SPDX-License-Identifier: Apache-2.0
 *
 * study/choice.h: which option an answer names, by hand and beside what VLMEvalKit's can_infer
 * says (computed beforehand with its commit e8e78f0; docs/evaluate.md tells the kinds that differ).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

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
        {"A, B", -1},
        {"C,A", -1},
        {"B) or C)", -1},
        {"b) or c)", -1},
        {"(a) or (b)", -1},
        {"A/B", -1},
        {"A plus B", -1},
        {"B. A cat", 1},
        {"A. A cat", 0},
        {"I think A is right", 0},
        {"It is not B", -1},
        {"It is a cat.", 2},
        {"a cat or red", -1},
        {"It is bored", -1},
        {"I'd say C", 2},
        {"he'd", -1},
        {"C++ and C#", -1},
        {"B.C. 500", -1},
        {"The answer is **B**. A is wrong.", 1},
        {"The answer is B or C.", -1},
        {"The answer is option (D).", 3},
        {"The answer is a house", -1},
        {"\xe7\xad\x94\xe6\xa1\x88\xe6\x98\xaf"
         "B",
         1},
        {"\xe7\xad\x94\xe6\xa1\x88\xef\xbc\x9a"
         "C\xe3\x80\x82",
         2},
        {"\xe9\x80\x89"
         "A\xe5\x92\x8c"
         "B",
         -1},
        {"\xef\xbc\xa2", 1},
        {"B\xe3\x80\x81\xe8\x93\x9d", 1},
        {"\xff"
         "B",
         1},
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

/* Kinds of answers that are read otherwise than by VLMEvalKit, if only sometimes. */
static const char *const differing[] = {"letter because long",
                                        "letter starts long",
                                        "not",
                                        "not then",
                                        "answer is or",
                                        "cn fullwidth",
                                        "cn not",
                                        "article",
                                        "answer is a thing",
                                        "initials",
                                        "cn choose option",
                                        "cn choose",
                                        "lower.",
                                        "quote",
                                        "dollar",
                                        "C sharp",
                                        "lower",
                                        "cn is",
                                        "cn colon",
                                        "cn paren",
                                        "(lower)",
                                        "plural",
                                        "not text",
                                        "text inside word",
                                        "article text",
                                        "the answer is text",
                                        "both",
                                        "Text.",
                                        "cn comma",
                                        "lower) text",
                                        "cn mark",
                                        "text",
                                        "it is text"};

static bool may_differ(const char *kind)
{
    for (size_t i = 0; i < N_TESTS(differing); i++) {
        if (strcmp(differing[i], kind) == 0)
            return true;
    }
    return false;
}

static void assert_answer(const char *line)
{
    yyjson_doc *doc = yyjson_read(line, strlen(line), YYJSON_READ_NOFLAG);
    yyjson_val *root = yyjson_doc_get_root(doc);
    const char *texts[CHOICE_OPTIONS_MAX];
    size_t i;
    size_t n;
    yyjson_val *text;
    yyjson_arr_foreach(yyjson_obj_get(root, "options"), i, n, text) texts[i] = yyjson_get_str(text);
    const char *answer = yyjson_get_str(yyjson_obj_get(root, "answer"));
    const char *kind = yyjson_get_str(yyjson_obj_get(root, "kind"));
    int got = choice_read(answer, texts, n);
    if (got != yyjson_get_int(yyjson_obj_get(root, "option")))
        fail_msg("%s: \"%s\" names %d", kind, answer, got);
    if (got != yyjson_get_int(yyjson_obj_get(root, "vlmevalkit")) && !may_differ(kind))
        fail_msg("%s: \"%s\" names %d, to VLMEvalKit another", kind, answer, got);
    yyjson_doc_free(doc);
}

static void answers_are_read_as_by_vlmevalkit(void **unused)
{
    (void)unused;
    FILE *in = fopen(TEST_DATA "/choice-answers.jsonl", "re");
    assert_non_null(in);
    char *line = NULL;
    size_t room = 0;
    size_t n = 0;
    for (; getline(&line, &room, in) > 0; n++)
        assert_answer(line);
    free(line);
    fclose(in);
    assert_true(n > 400);
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
        cmocka_unit_test(answers_are_read_as_by_vlmevalkit),
        cmocka_unit_test(prompt_lists_the_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
