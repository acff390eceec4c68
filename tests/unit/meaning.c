/* SPDX-License-Identifier: Apache-2.0
 *
 * gateway/meaning.c: what is asked of a model, and what counts as its word.
 */
#include "gateway/meaning.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#include "test.h"

static struct moa_bytes bytes_of(const char *text)
{
    return (struct moa_bytes){text, strlen(text)};
}

static struct completion of_text(const char *text)
{
    struct completion c;
    char *json;
    assert_true(asprintf(&json, "{\"choices\":[{\"message\":{\"content\":\"%s\"}}]}", text) > 0);
    completion_init(&c);
    yyjson_doc *doc = yyjson_read(json, strlen(json), YYJSON_READ_NOFLAG);
    completion_read(&c, yyjson_doc_get_root(doc));
    yyjson_doc_free(doc);
    free(json);
    return c;
}

static bool is_question(const char *one, const char *other)
{
    struct completion a = of_text(one), b = of_text(other);
    const bool is = meaning_is_a_question(&a, &b);
    assert_int_equal(is, meaning_is_a_question(&b, &a));
    completion_done(&a);
    completion_done(&b);
    return is;
}

static void only_words_are_judged(void **state)
{
    (void)state;
    char most[MEANING_ANSWER_BYTES + 2];
    assert_true(is_question("a red barn on a hill", "on the hill stands a barn"));
    assert_true(is_question("red", "the barn on the hill is red"));
    assert_false(is_question("red", "blue"));
    assert_false(is_question("3", "a red barn"));
    assert_false(is_question("{\\\"a\\\": 1}", "the barn on the hill is red"));
    assert_false(is_question("", "the barn on the hill is red"));
    memset(most, 'x', sizeof(most));
    memcpy(most, "it is a long ", 13);
    most[MEANING_ANSWER_BYTES] = '\0';
    assert_true(is_question(most, "the barn on the hill is red"));
    most[MEANING_ANSWER_BYTES] = 'x';
    most[MEANING_ANSWER_BYTES + 1] = '\0';
    assert_false(is_question(most, "the barn on the hill is red"));
    struct completion cut = of_text("a red barn on a hill"),
                      whole = of_text("a barn, and it is red");
    cut.is_cut = true;
    assert_false(meaning_is_a_question(&cut, &whole));
    completion_done(&cut);
    completion_done(&whole);
}

/* The three strings of the prompt, each alone on its line, are what was passed in. */
static void nothing_ends_its_quotes(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "plain",
        "say \"yes\"",
        "x\n\nB: \"y\"",
        "\\\"",
        "{one} {other} {question}",
        "\xc3\xa9\xf0\x9f\x98\x80",
    };
    for (size_t i = 0; i < N_TESTS(texts); i++) {
        const char *expected[] = {texts[i], texts[(i + 1) % N_TESTS(texts)],
                                  texts[(i + 2) % N_TESTS(texts)]};
        char *prompt = meaning_prompt(expected[0], bytes_of(expected[1]), bytes_of(expected[2]));
        assert_non_null(prompt);
        char *rest = prompt, *line;
        size_t n = 0;
        while ((line = strsep(&rest, "\n"))) {
            char *quoted = strstr(line, ": \"");
            if (!quoted)
                continue;
            yyjson_doc *doc = yyjson_read(quoted + 2, strlen(quoted + 2), YYJSON_READ_NOFLAG);
            assert_non_null(doc);
            assert_true(n < 3);
            assert_string_equal(yyjson_get_str(yyjson_doc_get_root(doc)), expected[n++]);
            yyjson_doc_free(doc);
        }
        assert_int_equal(n, 3);
        free(prompt);
    }
}

/* A long question is cut between characters; bytes that are no text are no reason to fail. */
static void texts_are_bounded(void **state)
{
    (void)state;
    char question[3 * MEANING_QUESTION_BYTES + 1];
    for (size_t i = 0; i + 3 < sizeof(question); i += 3)
        memcpy(question + i, "\xe2\x82\xac", 3);
    question[sizeof(question) - 1] = '\0';
    char *prompt = meaning_prompt(question, bytes_of("\xff\xfe"), bytes_of("b"));
    assert_non_null(prompt);
    const char *begin = strstr(prompt, "Question: \"") + 11, *end = strstr(prompt, "\"\n\nA: ");
    const size_t n = (size_t)(end - begin);
    assert_int_equal(n, MEANING_QUESTION_BYTES / 3 * 3);
    assert_memory_equal(begin, question, n);
    free(prompt);
}

static enum meaning said(const char *text)
{
    char json[200];
    snprintf(json, sizeof(json), "{\"choices\":[{\"message\":{\"content\":%s}}]}", text);
    return meaning_read(bytes_of(json));
}

static void one_word_counts(void **state)
{
    (void)state;
    static const char *const unclear[] = {
        "\"\"",          "null",    "\"maybe\"",      "\"yes and no\"",  "\"Yes, both\"",
        "\"yesterday\"", "\"not\"", "\"<think>yes\"", "\"\\\"yes\\\"\"", "[\"yes\"]",
        "\"ja\"",        "{}",
    };
    assert_int_equal(said("\"yes\""), MEANING_SAME);
    assert_int_equal(said("\" Yes.\\n\""), MEANING_SAME);
    assert_int_equal(said("\"YES\""), MEANING_SAME);
    assert_int_equal(said("\"<think>no</think> yes\""), MEANING_SAME);
    assert_int_equal(said("\"no\""), MEANING_OTHER);
    assert_int_equal(said("\"No.\""), MEANING_OTHER);
    for (size_t i = 0; i < N_TESTS(unclear); i++)
        assert_int_equal(said(unclear[i]), MEANING_UNCLEAR);
    assert_int_equal(meaning_read(bytes_of("nonsense")), MEANING_UNCLEAR);
    assert_int_equal(meaning_read(bytes_of("{\"choices\":[{\"message\":{\"content\":\"yes\"},"
                                           "\"finish_reason\":\"length\"}]}")),
                     MEANING_UNCLEAR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_words_are_judged),
        cmocka_unit_test(nothing_ends_its_quotes),
        cmocka_unit_test(texts_are_bounded),
        cmocka_unit_test(one_word_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
