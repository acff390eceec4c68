/* SPDX-License-Identifier: Apache-2.0
 *
 * study/answers.h: records written, read and found.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "study/answers.h"

#include "test.h"

static int read_text(const char *text, struct answers *answers, char *why, size_t n)
{
    char path[] = "unit-answers-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_true(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
    int failed = answers_read(path, answers, why, n);
    unlink(path);
    return failed;
}

static struct answers answers_of(const char *text)
{
    struct answers answers;
    char why[256] = "";
    if (read_text(text, &answers, why, sizeof(why)))
        fail_msg("%s", why);
    return answers;
}

static void assert_found(const struct answers *answers, const char *item, const char *prompt,
                         enum answers_found wanted, const char *text)
{
    const struct answer *found = NULL;
    assert_int_equal(answers_find(answers, item, prompt, &found), wanted);
    if (wanted == ANSWERS_ONE)
        assert_string_equal(found->text, text);
}

static void answers_are_found_by_item_then_by_prompt(void **unused)
{
    (void)unused;
    struct answers a = answers_of("{\"item\":\"1\",\"prompt\":\"P?\",\"answer\":\"one\"}\n"
                                  "{\"item\":\"2\",\"prompt\":\"P?\",\"answer\":\"two\"}\n\n"
                                  "{\"item\":\"3\",\"prompt\":\"Q?\",\"answer\":\"three\"}\n"
                                  "{\"item\":\"3\",\"prompt\":\"R?\",\"answer\":\"other set\"}\n"
                                  "{\"item\":\"4\",\"answer\":\"any prompt\"}\n"
                                  "{\"prompt\":\"S?\",\"answer\":\"s\"}\n"
                                  "{\"prompt\":\"S?\",\"answer\":\"s\"}\n");
    assert_int_equal(a.n, 7);
    assert_found(&a, "1", "P?", ANSWERS_ONE, "one");
    assert_found(&a, "2", "P?", ANSWERS_ONE, "two");
    assert_found(&a, "3", "Q?", ANSWERS_ONE, "three");
    assert_found(&a, "3", "R?", ANSWERS_ONE, "other set");
    assert_found(&a, "3", "P?", ANSWERS_OTHER_PROMPT, NULL);
    assert_found(&a, "4", "anything", ANSWERS_ONE, "any prompt");
    assert_found(&a, NULL, "P?", ANSWERS_SEVERAL, NULL);
    assert_found(&a, NULL, "Q?", ANSWERS_ONE, "three");
    assert_found(&a, NULL, "S?", ANSWERS_ONE, "s");
    assert_found(&a, "9", "S?", ANSWERS_ONE, "s");
    assert_found(&a, NULL, "T?", ANSWERS_NONE, NULL);
    assert_found(&a, NULL, "", ANSWERS_NONE, NULL);
    answers_done(&a);
    a = answers_of("{\"item\":\"*\",\"answer\":\"x\"}\n{\"prompt\":\"S?\",\"answer\":\"s\"}\n");
    assert_found(&a, "1", "T?", ANSWERS_ONE, "x");
    assert_found(&a, NULL, "S?", ANSWERS_ONE, "s");
    answers_done(&a);
}

static void faults_are_named_with_their_line(void **unused)
{
    (void)unused;
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"", "holds no answer"},
        {"{\"item\":\"1\",\"answer\":\"a\"}\n{\n", ":2: "},
        {"[]\n", ":1: no \"answer\""},
        {"{\"item\":\"1\"}\n", ":1: no \"answer\""},
        {"{\"answer\":\"a\"}\n", "neither \"item\" nor \"prompt\""},
        {"{\"item\":\"1\",\"answer\":\"a\",\"logprobs\":{}}\n", "no array"},
        {"{\"item\":\"1\",\"answer\":\"a\",\"logprobs\":[{\"token\":\"a\"}]}\n", "no array"},
        {"{\"item\":\"1\",\"answer\":\"a\",\"logprobs\":[{\"token\":\"a\",\"logprob\":0,"
         "\"top_logprobs\":7}]}\n",
         "no array"},
    };
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        struct answers answers;
        char why[256] = "";
        assert_int_equal(read_text(cases[i].text, &answers, why, sizeof(why)), -1);
        if (!strstr(why, cases[i].why))
            fail_msg("%s does not say %s", why, cases[i].why);
    }
}

static void what_is_written_is_read(void **unused)
{
    (void)unused;
    static const char engine[] =
        "{\"content\":[{\"id\":7,\"token\":\"a\\\"\",\"bytes\":[97,34],\"logprob\":-0.5,"
        "\"top_logprobs\":[{\"id\":7,\"token\":\"a\\\"\",\"logprob\":-0.5},{\"token\":\"b\","
        "\"logprob\":-1}]},{\"token\":\"c\",\"logprob\":-2}]}";
    yyjson_doc *doc = yyjson_read(engine, strlen(engine), YYJSON_READ_NOFLAG);
    char *logprobs = answers_logprobs(yyjson_doc_get_root(doc));
    assert_string_equal(logprobs,
                        "{\"token\":\"a\\\"\",\"logprob\":-0.5,\"top_logprobs\":[{\"token\":"
                        "\"a\\\"\",\"logprob\":-0.5},{\"token\":\"b\",\"logprob\":-1}]},"
                        "{\"token\":\"c\",\"logprob\":-2,\"top_logprobs\":[]}");
    yyjson_doc_free(doc);
    assert_null(answers_logprobs(NULL));
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    struct answer answer = {.set = "s",
                            .item = "7#1",
                            .model = "m",
                            .prompt = "Q\n\"?\"",
                            .text = "a\"c",
                            .finish = "stop",
                            .logprobs = logprobs,
                            .prompt_tokens = 9,
                            .completion_tokens = NAN,
                            .correct = 0.3};
    assert_int_equal(answers_write(out, &answer), 0);
    answer.item = "8";
    answer.logprobs = "";
    assert_int_equal(answers_write(out, &answer), 0);
    fclose(out);
    struct answers read = answers_of(text);
    assert_int_equal(read.n, 2);
    assert_string_equal(read.p[0].item, "7#1");
    assert_string_equal(read.p[0].prompt, "Q\n\"?\"");
    assert_string_equal(read.p[0].text, "a\"c");
    assert_true(read.p[0].prompt_tokens == 9 && isnan(read.p[0].completion_tokens));
    assert_true(fabs(read.p[0].correct - 0.3) < 1e-9);
    assert_int_equal(yyjson_arr_size(read.p[0].tokens), 2);
    assert_int_equal(yyjson_arr_size(read.p[1].tokens), 0);
    answers_done(&read);
    free(text);
    free(logprobs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_found_by_item_then_by_prompt),
        cmocka_unit_test(faults_are_named_with_their_line),
        cmocka_unit_test(what_is_written_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
