/* SPDX-License-Identifier: Apache-2.0
 *
 * gateway/probe.h: load pages of engines, and anything else that may come in their place.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/probe.h"

#include "test.h"

static struct moa_bytes bytes(const char *text)
{
    return (struct moa_bytes){text, strlen(text)};
}

static const char llama[] = "# HELP llamacpp:requests_processing Number of requests processing.\n"
                            "# TYPE llamacpp:requests_processing gauge\n"
                            "llamacpp:requests_processing 2\n"
                            "llamacpp:requests_deferred 3\n";
static const char slots[] =
    "[{\"id\":0,\"is_processing\":true},{\"id\":1,\"is_processing\":false}]";

static void engines_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum probe_engine engine;
        double running, waiting;
    } cases[] = {
        {llama, PROBE_LLAMA, 2, 3},
        {"vllm:num_requests_running{engine=\"0\",model_name=\"m\"} 4.0\n"
         "vllm:num_requests_running{engine=\"1\",model_name=\"m\"} 1.0\n"
         "vllm:num_requests_waiting_by_reason{reason=\"capacity\"} 50\n"
         "vllm:num_requests_waiting{engine=\"0\"} 2.0\r\n"
         "vllm:num_requests_waiting{engine=\"1\"} 0.0 1700000000000\n",
         PROBE_VLLM, 5, 2},
        {"sglang:num_running_reqs{a=\"} 7\\\"\"} 8\nsglang:num_queue_reqs 1", PROBE_SGLANG, 8, 1},
        {"llamacpp:requests_processing 1", PROBE_LLAMA, 1, NAN},
    };
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        struct probe_load load;
        assert_int_equal(probe_metrics(bytes(cases[i].text), &load), cases[i].engine);
        assert_true(load.running == cases[i].running);
        assert_true(isnan(cases[i].waiting) ? isnan(load.waiting)
                                            : load.waiting == cases[i].waiting);
        assert_true(isnan(load.slots));
    }
}

static void nonsense_is_unknown_and_not_zero(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "\n\n\n",
        "<html>not found</html>",
        "vllm:num_requests_running",
        "vllm:num_requests_running\n",
        "vllm:num_requests_running{",
        "vllm:num_requests_running{a=\"b} 3",
        "vllm:num_requests_running{a=\"b\\",
        "vllm:num_requests_running NaN",
        "vllm:num_requests_running +Inf",
        "vllm:num_requests_running -1",
        "vllm:num_requests_running 1e300",
        "vllm:num_requests_running 3x",
        "vllm:num_requests_running 000000000000000000000000000000000000000000000000000000000000",
        "vllm:num_requests_running_total 3",
        "xvllm:num_requests_running 3",
        "# vllm:num_requests_running 3",
        "llamacpp:requests_deferred 3",
        "vllm:num_requests_running \n3",
    };
    for (size_t i = 0; i < N_TESTS(texts); i++) {
        struct probe_load load;
        if (probe_metrics(bytes(texts[i]), &load) != PROBE_UNKNOWN)
            fail_msg("understood: %s", texts[i]);
    }
}

/* In a buffer of its own size, so that reading behind the end is seen; every cut of real text. */
static void no_cut_reads_behind_the_end(void **state)
{
    (void)state;
    static const char text[] = "vllm:num_requests_running{engine=\"0\",x=\"\\\"\"} 4.0\n"
                               "vllm:num_requests_waiting 1\n";
    for (size_t n = 0; n < sizeof(text); n++) {
        char *copy = malloc(n + !n);
        assert_non_null(copy);
        memcpy(copy, text, n);
        struct probe_load load;
        enum probe_engine engine = probe_metrics((struct moa_bytes){copy, n}, &load);
        assert_true(engine == PROBE_UNKNOWN || load.running == 4);
        (void)!probe_slots((struct moa_bytes){copy, n}, &load);
        free(copy);
    }
    for (uint32_t seed = 1; seed < 2000; seed++) {
        char noise[97];
        uint32_t x = seed;
        for (size_t i = 0; i < sizeof(noise); i++) {
            x = x * 1664525 + 1013904223;
            noise[i] = x >> 31 ? text[(x >> 8) % (sizeof(text) - 1)] : (char)(x >> 20);
        }
        struct probe_load load;
        enum probe_engine engine = probe_metrics((struct moa_bytes){noise, sizeof(noise)}, &load);
        assert_true(engine == PROBE_UNKNOWN || load.running >= 0);
    }
}

static void slots_are_counted(void **state)
{
    (void)state;
    static const char *const refused[] = {
        "",     "{}",   "[]",    "null", "[1,2]", "[{\"id\":0}]", "{\"error\":{\"code\":501}}",
        "[[[[", "[{}]", "[null]"};
    struct probe_load load;
    assert_int_equal(probe_slots(bytes(slots), &load), 0);
    assert_true(load.running == 1 && load.slots == 2 && isnan(load.waiting));
    for (size_t i = 0; i < N_TESTS(refused); i++)
        assert_int_equal(probe_slots(bytes(refused[i]), &load), -1);
}

static void what_an_engine_takes_is_read(void **state)
{
    (void)state;
    static const char list[] =
        "{\"models\":[{}],\"data\":[{\"id\":\"a.gguf\",\"architecture\":{\"input_modalities\":"
        "[\"text\",\"image\",\"smell\"]},\"meta\":{\"n_ctx\":4096}}]}";
    static const char vllm[] = "{\"data\":[{\"id\":\"x\",\"max_model_len\":10},"
                               "{\"id\":\"q\",\"max_model_len\":32768}]}";
    static const char props[] = "{\"default_generation_settings\":{\"n_ctx\":2048},\"modalities\":"
                                "{\"vision\":false,\"audio\":true}}";
    struct probe_takes takes = {0};
    probe_models(bytes(list), "", &takes);
    assert_int_equal(takes.kinds, 1u << MOA_TEXT | 1u << MOA_IMAGE);
    assert_int_equal(takes.context_tokens, 4096);
    probe_props(bytes(props), &takes); /* of one slot */
    assert_int_equal(takes.kinds, 1u << MOA_TEXT | 1u << MOA_IMAGE | 1u << MOA_AUDIO);
    assert_int_equal(takes.context_tokens, 2048);

    takes = (struct probe_takes){0};
    probe_models(bytes(vllm), "q", &takes);
    assert_int_equal(takes.kinds, 0); /* it does not say */
    assert_int_equal(takes.context_tokens, 32768);
    takes = (struct probe_takes){0};
    probe_models(bytes(vllm), "other", &takes);
    assert_int_equal(takes.context_tokens, 0);
    probe_props(bytes(props), &takes);
    assert_int_equal(takes.kinds, 1u << MOA_TEXT | 1u << MOA_AUDIO);

    static const char *const nothing[] = {
        "",
        "[]",
        "null",
        "{\"data\":{}}",
        "{\"data\":[{\"max_model_len\":-1}]}",
        "{\"data\":[{\"max_model_len\":1e9,\"architecture\":{\"input_modalities\":[1]}}]}",
        "{\"modalities\":[],\"default_generation_settings\":{\"n_ctx\":0}}",
        "{\"data\":[{\"max_model_len\":99999999999999}]}"};
    for (size_t i = 0; i < N_TESTS(nothing); i++) {
        takes = (struct probe_takes){0};
        probe_models(bytes(nothing[i]), "", &takes);
        probe_props(bytes(nothing[i]), &takes);
        assert_int_equal(takes.kinds, 0);
        assert_int_equal(takes.context_tokens, 0);
    }
}

static void answer(struct probe *p, const char *path, int status, const char *text, bool told)
{
    struct probe_load load;
    assert_string_equal(probe_next(p), path);
    assert_int_equal(probe_answer(p, status, bytes(text), &load), told);
}

static void llama_server_with_metrics_is_found(void **state)
{
    (void)state;
    struct probe p = {0};
    answer(&p, "/slots", 200, slots, true);
    answer(&p, "/metrics", 200, llama, true);
    assert_int_equal(p.engine, PROBE_LLAMA);
    struct probe_load load;
    assert_string_equal(probe_next(&p), "/metrics");
    assert_true(probe_answer(&p, 200, bytes(llama), &load));
    assert_true(load.running == 2 && load.waiting == 3 && load.slots == 2);
    answer(&p, "/metrics", 404, "", false); /* restarted without --metrics */
    answer(&p, "/slots", 200, slots, true);
}

static void llama_server_without_metrics_is_found(void **state)
{
    (void)state;
    struct probe p = {0};
    answer(&p, "/slots", 200, slots, true);
    answer(&p, "/metrics", 501, "{\"error\":{}}", false);
    answer(&p, "/slots", 200, slots, true);
    answer(&p, "/slots", 503, "{\"error\":{}}", false); /* loading another model */
    answer(&p, "/slots", 200, slots, true);
}

static void vllm_is_found(void **state)
{
    (void)state;
    struct probe p = {0};
    answer(&p, "/slots", 404, "{\"detail\":\"Not Found\"}", false);
    answer(&p, "/metrics", 200, "vllm:num_requests_running 1\n", true);
    assert_int_equal(p.engine, PROBE_VLLM);
    answer(&p, "/metrics", 200, "vllm:num_requests_running 1\n", true);
}

static void an_engine_that_says_nothing_is_left_alone(void **state)
{
    (void)state;
    struct probe p = {0};
    answer(&p, "/slots", 404, "", false);
    answer(&p, "/metrics", 200, "<html>", false);
    unsigned skipped = 0;
    while (!probe_next(&p) && skipped < 1000)
        skipped++;
    assert_in_range(skipped, 10, 200);
}

static uint64_t identity_of(const char *json, const char *model)
{
    return probe_identity((struct moa_bytes){json, strlen(json)}, model);
}

static void models_are_told_apart_by_name_and_size(void **state)
{
    (void)state;
    static const char list[] =
        "{\"data\":[{\"id\":\"a\",\"created\":%d,\"meta\":{\"n_params\":%d}}]}";
    char one[128], other[128];
    snprintf(one, sizeof(one), list, 1, 7);
    snprintf(other, sizeof(other), list, 2, 7); /* started later */
    assert_true(identity_of(one, "") != 0);
    assert_true(identity_of(one, "") == identity_of(other, "x"));
    snprintf(other, sizeof(other), list, 2, 8);
    assert_true(identity_of(one, "") != identity_of(other, ""));
    static const char two[] = "{\"data\":[{\"id\":\"a\"},{\"id\":\"b\"}]}";
    assert_true(identity_of(two, "") == 0 && identity_of(two, "a") != identity_of(two, "b"));
    /* It is still loading. */
    assert_true(identity_of("{\"data\":[{\"id\":\"a\",\"meta\":null}]}", "") == 0);
    assert_true(identity_of("{\"model_path\":\"/a.gguf\"}", "") !=
                identity_of("{\"model_path\":\"/b.gguf\"}", ""));
    assert_true(identity_of("{}", "") == 0 && identity_of("!", "") == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(engines_are_told_apart),
        cmocka_unit_test(nonsense_is_unknown_and_not_zero),
        cmocka_unit_test(no_cut_reads_behind_the_end),
        cmocka_unit_test(slots_are_counted),
        cmocka_unit_test(what_an_engine_takes_is_read),
        cmocka_unit_test(llama_server_with_metrics_is_found),
        cmocka_unit_test(llama_server_without_metrics_is_found),
        cmocka_unit_test(vllm_is_found),
        cmocka_unit_test(an_engine_that_says_nothing_is_left_alone),
        cmocka_unit_test(models_are_told_apart_by_name_and_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
