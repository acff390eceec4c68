/* SPDX-License-Identifier: Apache-2.0
 *
 * study/vqa.h: the accuracies of tests/data/vqa-accuracy.jsonl, which were computed with the public
 * evaluation tool, and a few by hand.
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
    double accuracy = yyjson_get_num(yyjson_obj_get(root, "accuracy"));
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
    double got = vqa_accuracy(answer, truths, n);
    if (fabs(got - accuracy) > 1e-9)
        fail_msg("case %zu: \"%s\" is worth %.12f, not %.12f", number, answer, got, accuracy);
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
    assert_true(n >= 500);
}

static void agreement_is_counted_without_the_answer_itself(void **unused)
{
    (void)unused;
    const char *const truths[10] = {"red",  "red",   "red",  "blue", "blue",
                                    "blue", "green", "blue", "blue", "blue"};
    /* 3 of 10: seven turns see all three, three turns see two. */
    assert_true(fabs(vqa_accuracy("Red", truths, 10) - (7.0 + 3.0 * 2.0 / 3.0) / 10.0) < 1e-12);
    assert_true(fabs(vqa_accuracy("a blue.", truths, 10) - 1.0) < 1e-12);
    assert_true(fabs(vqa_accuracy("green", truths, 10) - 0.3) < 1e-12);
    assert_true(vqa_accuracy("yellow", truths, 10) == 0.0);
    assert_true(isnan(vqa_accuracy("yellow", truths, 0)));
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
        cmocka_unit_test(bytes_that_are_no_text_survive),
        cmocka_unit_test(one_answer_is_compared_normalised_if_anything_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
