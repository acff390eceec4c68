/* SPDX-License-Identifier: Apache-2.0
 *
 * gateway/doctor_engine.h: what pages of engines say, and what pages of something else do not.
 */
#include <string.h>

#include "gateway/doctor_engine.h"

#include "test.h"

static struct moa_bytes bytes_of(const char *text)
{
    return (struct moa_bytes){text, strlen(text)};
}

static void assert_described(const struct doctor_engine *engine, const char *expected)
{
    char text[200];
    doctor_describe(engine, text, sizeof(text));
    assert_string_equal(text, expected);
}

static void test_models(void **state)
{
    (void)state;
    struct doctor_engine e = {0};
    assert_true(doctor_read_models(
        bytes_of(
            "{\"data\":[{\"id\":\"a\",\"max_model_len\":10},{\"id\":\"b\",\"owned_by\":\"vllm\","
            "\"max_model_len\":20},{\"id\":7},{\"id\":\"c\"},{\"id\":\"d\"},{\"id\":\"e\"}]}"),
        "b", &e));
    assert_true(e.has_model && e.n_models == 5 && e.context_tokens == 20);
    assert_string_equal(e.models, "a, b, c, d");
    assert_string_equal(e.first_model, "a");
    assert_described(&e, "vLLM; context of 20 tokens");
    e = (struct doctor_engine){0};
    assert_true(doctor_read_models(bytes_of("{\"data\":[]}"), "", &e));
    assert_true(e.n_models == 0 && !e.has_model);
    static const char *const others[] = {"", "{", "[]", "{\"data\":1}", "<html>"};
    for (size_t i = 0; i < N_TESTS(others); i++)
        assert_false(doctor_read_models(bytes_of(others[i]), "", &e));
}

static void test_pages(void **state)
{
    (void)state;
    struct doctor_engine e = {0};
    doctor_read_props(
        bytes_of("{\"default_generation_settings\":{\"n_ctx\":512},\"total_slots\":1,"
                 "\"build_info\":\"b1\",\"modalities\":{\"vision\":false,\"audio\":true}}"),
        &e);
    assert_described(&e, "llama-server b1; takes text and audio; context of 512 tokens; 1 slot");
    assert_true(doctor_formats(&e) == 0);
    doctor_read_ollama(bytes_of("{\"version\":\"9\"}"), &e); /* it is known already */
    assert_int_equal(e.kind, DOCTOR_LLAMA);
    e = (struct doctor_engine){.server = "nginx"};
    doctor_read_props(bytes_of("{\"modalities\":{\"vision\":true}}"), &e);
    doctor_read_slots(bytes_of("{}"), &e);
    doctor_read_metrics(bytes_of("up 1\n"), &e);
    doctor_read_ollama(bytes_of("{\"version\":1}"), &e);
    assert_described(&e, "an engine of OpenAI's kind (nginx)");
    doctor_read_metrics(bytes_of("sglang:num_running_reqs 0\nsglang:num_queue_reqs 0\n"), &e);
    assert_int_equal(e.kind, DOCTOR_SGLANG);
    assert_true(doctor_formats(&e) >> MOA_IMAGE_WEBP & 1);
}

static void test_log_probabilities(void **state)
{
    (void)state;
    assert_true(doctor_has_logprobs(bytes_of("{\"choices\":[{\"logprobs\":{\"content\":[]}}]}")));
    assert_false(doctor_has_logprobs(bytes_of("{\"choices\":[{\"logprobs\":null}]}")));
    assert_false(doctor_has_logprobs(bytes_of("{\"choices\":[]}")));
    assert_false(doctor_has_logprobs(bytes_of("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_models),
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_log_probabilities),
    };
    return cmocka_run_group_tests_name("doctor_engine", tests, NULL, NULL);
}
