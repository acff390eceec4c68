/* SPDX-License-Identifier: Apache-2.0
 *
 * study/vqa.h: the accuracies of tests/data/vqa-accuracy.jsonl, which were computed with two
 * versions of the public evaluation tool, and a few by hand.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "study/vqa.h"

#include "test.h"

static void assert_case(const char *line, size_t number)
{
    yyjson_doc *doc = yyjson_read(line, strlen(line), YYJSON_READ_NOFLAG);
    assert_non_null(doc);
    yyjson_val *root = yyjson_doc_get_root(doc);
    const char *answer = yyjson_get_str(yyjson_obj_get(root, "answer"));
    const char *wanted = yyjson_get_str(yyjson_obj_get(root, "normalized"));
    const char *truths[16];
    size_t n = 0;
    size_t i;
    size_t max;
    yyjson_val *truth;
    yyjson_arr_foreach(yyjson_obj_get(root, "truths"), i, max, truth) truths[n++] =
        yyjson_get_str(truth);
    char *normal = vqa_normalize(answer);
    if (strcmp(normal, wanted) != 0)
        fail_msg("case %zu: \"%s\" becomes \"%s\", not \"%s\"", number, answer, normal, wanted);
    static const struct {
        enum vqa_scorer scorer;
        const char *key;
    } tools[] = {{VQA_2017, "accuracy"}, {VQA_2021, "accuracy_2021"}};
    for (size_t k = 0; k < 2; k++) {
        double accuracy = yyjson_get_num(yyjson_obj_get(root, tools[k].key));
        double got = vqa_accuracy(tools[k].scorer, answer, truths, n);
        if (fabs(got - accuracy) > 1e-9)
            fail_msg("case %zu: \"%s\" is worth %.12f to %s, not %.12f", number, answer, got,
                     vqa_scorer_name(tools[k].scorer), accuracy);
    }
    /* What all people said, letter for letter, is right. */
    assert_true(vqa_accuracy(VQA_NORMALIZED, truths[0],
                             (const char *const[]){truths[0], truths[0], truths[0], truths[0]},
                             4) == 1.0);
    free(normal);
    yyjson_doc_free(doc);
}

static void public_tool_gives_the_same_figures(void **unused)
{
    (void)unused;
    FILE *in = fopen(TEST_DATA "/vqa-accuracy.jsonl", "re");
    assert_non_null(in);
    char *line = NULL;
    size_t room = 0;
    size_t n = 0;
    while (getline(&line, &room, in) > 0)
        assert_case(line, ++n);
    free(line);
    fclose(in);
    assert_true(n >= 1800);
}

static void agreement_is_counted_without_the_answer_itself(void **unused)
{
    (void)unused;
    const char *const truths[10] = {"red",  "red",   "red",  "blue", "blue",
                                    "blue", "green", "blue", "blue", "blue"};
    /* 3 of 10: seven turns see all three, three turns see two. */
    assert_true(fabs(vqa_accuracy(VQA_2017, "Red", truths, 10) - (7.0 + 3.0 * 2.0 / 3.0) / 10.0) <
                1e-12);
    assert_true(fabs(vqa_accuracy(VQA_2017, "a blue.", truths, 10) - 1.0) < 1e-12);
    assert_true(fabs(vqa_accuracy(VQA_2017, "green", truths, 10) - 0.3) < 1e-12);
    assert_true(vqa_accuracy(VQA_2017, "yellow", truths, 10) == 0.0);
    assert_true(isnan(vqa_accuracy(VQA_2017, "yellow", truths, 0)));
}

/* Where the versions differ, and sets of one's own differ from both. */
static void scorers_compare_different_sides(void **unused)
{
    (void)unused;
    static const struct {
        const char *answer, *truths[5];
        double worth[VQA_SCORERS];
    } cases[] = {
        {"red", {"red", "red", "red", "red", "red"}, {1.0, 1.0, 1.0}},
        {"Red", {"red", "red", "red", "red", "red"}, {0.0, 1.0, 1.0}},
        {"a dog", {"a dog", "a dog", "a dog", "a dog", "a dog"}, {1.0, 0.0, 1.0}},
        {"dog", {"a dog", "a dog", "a dog", "a dog", "the cat"}, {1.0, 0.0, 1.0}},
        {"two", {"two", "two", "two", "two", "2"}, {1.0, 4.0 / 15.0, 1.0}},
        {"None", {"none", "none", "none", "none", "none"}, {0.0, 0.0, 1.0}},
        {"the", {"A", "A", "A", "A", "A"}, {0.0, 0.0, 0.0}},
        {"a", {"A", "A", "A", "A", "A"}, {0.0, 0.0, 1.0}},
        {"cat", {"a dog", "a dog", "a dog", "a dog", "a dog"}, {0.0, 0.0, 0.0}},
    };
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        for (int k = 0; k < VQA_SCORERS; k++) {
            double got = vqa_accuracy((enum vqa_scorer)k, cases[i].answer, cases[i].truths, 5);
            if (fabs(got - cases[i].worth[k]) > 1e-9)
                fail_msg("\"%s\" for \"%s\" is worth %g to %s", cases[i].answer, cases[i].truths[0],
                         got, vqa_scorer_name((enum vqa_scorer)k));
        }
    }
    assert_int_equal(vqa_scorer_from_name("vqa2021"), VQA_2021);
    assert_int_equal(vqa_scorer_from_name("vqa2017"), VQA_2017);
    assert_int_equal(vqa_scorer_from_name("normalized"), VQA_NORMALIZED);
    assert_int_equal(vqa_scorer_from_name("vqa"), -1);
}

static void bytes_that_are_no_text_survive(void **unused)
{
    (void)unused;
    char *normal = vqa_normalize("\xff\xc3 The \xe2\x82 Dog\xf5.");
    assert_string_equal(normal, "\xff\xc3 \xe2\x82 dog\xf5");
    free(normal);
}

static void one_answer_is_compared_normalised_if_anything_is_left(void **unused)
{
    (void)unused;
    assert_true(vqa_exact("Two dogs.", "2 dogs") == 1.0);
    assert_true(vqa_exact("the cup", "cup") == 1.0);
    assert_true(vqa_exact("mug", "cup") == 0.0);
    assert_true(vqa_exact(" a\n", "A") == 1.0);
    assert_true(vqa_exact("", "A") == 0.0);
    assert_true(vqa_exact("the", "A") == 0.0);
    assert_true(vqa_exact("A b", "A") == 0.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(public_tool_gives_the_same_figures),
        cmocka_unit_test(agreement_is_counted_without_the_answer_itself),
        cmocka_unit_test(scorers_compare_different_sides),
        cmocka_unit_test(bytes_that_are_no_text_survive),
        cmocka_unit_test(one_answer_is_compared_normalised_if_anything_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
