/* SPDX-License-Identifier: Apache-2.0
 *
 * gateway/verdict.h: what engines' answers mean.
 */
#include <string.h>

#include "gateway/verdict.h"

#include "test.h"

static struct moa_bytes bytes_of(const char *text)
{
    return (struct moa_bytes){text, strlen(text)};
}

static enum verdict judge(int status, const char *body, struct engine_opinion *opinion)
{
    struct engine_answer answer = {.status = status,
                                   .content_type = "application/json",
                                   .extent = ANSWER_WHOLE,
                                   .body = bytes_of(body),
                                   .model_is_ours = true};
    return engine_verdict(&answer, opinion);
}

static void whole_answers(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *body;
        enum verdict verdict;
        const char *words;
    } cases[] = {
        {200, "{\"choices\":[{\"message\":{\"content\":null}}]}", VERDICT_ANSWERED, ""},
        {200, "{\"choices\":[{}],\"error\":null}", VERDICT_ANSWERED, ""},
        {200, "{\"choices\":[]}", VERDICT_FAILED, ""},
        {200, "{\"choices\":[null]}", VERDICT_FAILED, ""},
        {200, "null", VERDICT_FAILED, ""},
        {200, "\"busy\"", VERDICT_FAILED, ""},
        {200, "", VERDICT_FAILED, ""},
        {200, "{\"choices\":[{\"message\":{\"conte", VERDICT_FAILED, ""},
        {200, "{\"error\":{\"message\":\"worker limit reached\",\"code\":502}}", VERDICT_FAILED,
         "worker limit reached"},
        {200, "{\"error\":{\"message\":\"slow down\",\"code\":\"429\"}}", VERDICT_BUSY,
         "slow down"},
        {200, "{\"error\":\"no\"}", VERDICT_FAILED, "no"},
        {204, "", VERDICT_FAILED, ""},
        {206, "{\"choices\":[{}]}", VERDICT_FAILED, ""},
        {302, "{\"login\":\"needed\"}", VERDICT_MISCONFIGURED, ""},
        {400, "{\"error\":{\"message\":\"'messages' is required\"}}", VERDICT_CLIENT,
         "'messages' is required"},
        {400, "{\"error\":{\"message\":\"m\",\"type\":\"exceed_context_size_error\"}}",
         VERDICT_UNFIT, "m"},
        {400, "{\"error\":{\"message\":\"m\",\"type\":\"x\",\"code\":\"context_length_exceeded\"}}",
         VERDICT_UNFIT, "m"},
        {400, "{\"object\":\"error\",\"message\":\"This model's maximum context length is 512\"}",
         VERDICT_UNFIT, "This model's maximum context length is 512"},
        {400, "{\"detail\":\"At most 1 image(s) may be provided in one prompt.\"}", VERDICT_UNFIT,
         "At most 1 image(s) may be provided in one prompt."},
        {413, "<html>413</html>", VERDICT_UNFIT, ""},
        {415, "{}", VERDICT_CLIENT, ""},
        {422, "{\"detail\":[{\"loc\":[],\"msg\":\"field required\"}]}", VERDICT_CLIENT,
         "field required"},
        {401, "{\"error\":{\"message\":\"Invalid API Key\"}}", VERDICT_MISCONFIGURED,
         "Invalid API Key"},
        {403, "quota\nexceeded \n", VERDICT_MISCONFIGURED, "quota exceeded"},
        {404, "{\"error\":{\"message\":\"model \\\"m\\\" not found\"}}", VERDICT_MISCONFIGURED,
         "model \"m\" not found"},
        {405, "", VERDICT_MISCONFIGURED, ""},
        {408, "", VERDICT_FAILED, ""},
        {429, "{\"error\":{\"message\":\"rate\"}}", VERDICT_BUSY, "rate"},
        {503, "{\"error\":{\"message\":\"Loading model\"}}", VERDICT_BUSY, "Loading model"},
        {529, "", VERDICT_BUSY, ""},
        {500, "{\"error\":{\"message\":\"CUDA error\"}}", VERDICT_FAILED, "CUDA error"},
        {500, "{\"error\":{\"message\":\"CUDA error: operation not supported\"}}", VERDICT_FAILED,
         "CUDA error: operation not supported"},
        {500, "{\"error\":{\"message\":\"image input is not supported - hint: mmproj\"}}",
         VERDICT_UNFIT, "image input is not supported - hint: mmproj"},
        {502, "caf\xc3", VERDICT_FAILED, "caf"},
    };
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        struct engine_opinion opinion;
        enum verdict verdict = judge(cases[i].status, cases[i].body, &opinion);
        if (verdict != cases[i].verdict)
            print_message("%d %s\n", cases[i].status, cases[i].body);
        assert_string_equal(verdict_name(verdict), verdict_name(cases[i].verdict));
        assert_int_equal(verdict, opinion.verdict);
        assert_string_equal(opinion.words, cases[i].words);
        assert_int_equal(opinion.what[0] == '\0', verdict == VERDICT_ANSWERED);
    }
}

static void a_model_that_the_client_named_is_no_fault_of_ours(void **state)
{
    (void)state;
    struct engine_opinion opinion;
    struct engine_answer answer = {.status = 404,
                                   .content_type = "application/json",
                                   .extent = ANSWER_WHOLE,
                                   .body = bytes_of("{\"error\":{\"message\":\"The model `x` does "
                                                    "not exist.\"}}")};
    assert_int_equal(engine_verdict(&answer, &opinion), VERDICT_UNFIT);
    answer.body = bytes_of("404 page not found");
    assert_int_equal(engine_verdict(&answer, &opinion), VERDICT_MISCONFIGURED);
}

static void what_is_not_there_yet(void **state)
{
    (void)state;
    static const struct {
        int status;
        enum answer_extent extent;
        const char *body;
        enum verdict verdict;
    } cases[] = {
        {0, ANSWER_COMING, "", VERDICT_OPEN},
        {0, ANSWER_CUT, "", VERDICT_FAILED},
        {200, ANSWER_COMING, "{\"choices\":[{}]}", VERDICT_OPEN},
        {200, ANSWER_CUT, "{\"choices\":[{}]}", VERDICT_FAILED},
        {200, ANSWER_LONG, " {\"choices\":[{\"message\":", VERDICT_ANSWERED},
        {200, ANSWER_LONG, "    ", VERDICT_FAILED},
        {500, ANSWER_COMING, "{\"error\":", VERDICT_OPEN},
        {500, ANSWER_CUT, "{\"error\":", VERDICT_FAILED},
        {400, ANSWER_LONG, "{\"error\":", VERDICT_CLIENT},
        {204, ANSWER_COMING, "", VERDICT_FAILED},
    };
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        struct engine_opinion opinion;
        struct engine_answer answer = {.status = cases[i].status,
                                       .content_type = "application/json; charset=utf-8",
                                       .extent = cases[i].extent,
                                       .body = bytes_of(cases[i].body)};
        assert_int_equal(engine_verdict(&answer, &opinion), cases[i].verdict);
    }
}

static void pages_of_other_servers(void **state)
{
    (void)state;
    static const char *const types[] = {"", "text/html", "text/plain", "application/jsonp"};
    for (size_t i = 0; i < N_TESTS(types); i++) {
        struct engine_opinion opinion;
        struct engine_answer answer = {.status = 200, .content_type = types[i]};
        assert_int_equal(engine_verdict(&answer, &opinion), VERDICT_FAILED);
        assert_non_null(strstr(opinion.what, "content type"));
    }
}

static void streams(void **state)
{
    (void)state;
    static const struct {
        const char *event;
        enum answer_extent extent;
        enum verdict verdict;
    } cases[] = {
        {": waiting\n\n", ANSWER_COMING, VERDICT_OPEN},
        {": waiting\n\n", ANSWER_WHOLE, VERDICT_FAILED},
        {"data: [DONE]\n\n", ANSWER_COMING, VERDICT_FAILED},
        {"data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n", ANSWER_COMING,
         VERDICT_ANSWERED},
        {"data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n", ANSWER_CUT, VERDICT_ANSWERED},
        {"data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n", ANSWER_CUT,
         VERDICT_FAILED},
        {"data: {\"error\":{\"message\":\"w\",\"code\":502}}\n\n", ANSWER_COMING, VERDICT_FAILED},
        {"data: {\"error\":{\"message\":\"w\",\"code\":400}}\n\n", ANSWER_COMING, VERDICT_CLIENT},
        {"data: {\"error\":{\"message\":\"audio is not supported\"}}\n\n", ANSWER_COMING,
         VERDICT_UNFIT},
        {"data: busy\n\n", ANSWER_COMING, VERDICT_FAILED},
    };
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        struct sse sse;
        struct engine_opinion opinion;
        sse_init(&sse);
        sse_read(&sse, bytes_of(cases[i].event));
        struct engine_answer answer = {.status = 200,
                                       .content_type = "text/event-stream",
                                       .extent = cases[i].extent,
                                       .sse = &sse};
        assert_int_equal(engine_verdict(&answer, &opinion), cases[i].verdict);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_answers),
        cmocka_unit_test(a_model_that_the_client_named_is_no_fault_of_ours),
        cmocka_unit_test(what_is_not_there_yet),
        cmocka_unit_test(pages_of_other_servers),
        cmocka_unit_test(streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
