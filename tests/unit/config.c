/* SPDX-License-Identifier: Apache-2.0
 *
 * gateway/config.h: defaults, every kind of value, and each fault with its line.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/config.h"

#include "test.h"

static struct config *parse(const char *yaml)
{
    struct config *config;
    struct config_error error;
    if (config_parse((struct moa_bytes){yaml, strlen(yaml)}, CONFIG_TO_SERVE, &config, &error))
        fail_msg("refused at line %u: %s", error.line, error.message);
    return config;
}

static double value_of(const struct config *c, const char *key)
{
    for (const struct moa_policy_setting *s = c->policy_settings; s->key; s++) {
        if (strcmp(s->key, key) == 0)
            return s->value;
    }
    return NAN;
}

static void every_key_has_its_default(void **state)
{
    (void)state;
    struct config *c = parse("");
    assert_string_equal(c->policy, "adaptive");
    assert_true(value_of(c, "paper.tau_text") == 0.5);
    assert_true(value_of(c, "paper.edge_load_max") == 0.85);
    assert_true(value_of(c, "paper.uplink_max_mbps") == 400.0);
    assert_true(c->image.reference_px == 1024.0 * 1024.0);
    assert_true(isnan(c->tier[MOA_CLOUD].uplink_mbps));
    assert_true(value_of(c, "split") == 0.0);
    assert_int_equal(c->listen_port, 8080);
    config_free(c);
}

static void values_are_read(void **state)
{
    (void)state;
    struct config *c = parse("# a comment\n"
                             "policy: cloud\n"
                             "split: fuse\n"
                             "listen: {host: \"::1\", port: 0}\n"
                             "limits:\n"
                             "paper:\n"
                             "  tau_text: 0.25\n"
                             "cloud:\n"
                             "  url: https://example.org/v1/\n"
                             "  uplink_mbps: 12.5\n"
                             "perceive: {prompt: \"Q: {question}\"}\n");
    assert_string_equal(c->policy, "cloud");
    assert_true(value_of(c, "split") == 1.0);
    assert_string_equal(c->listen_host, "::1");
    assert_true(value_of(c, "paper.tau_text") == 0.25);
    assert_true(value_of(c, "paper.tau_image") == 0.5);
    assert_int_equal(c->tier[MOA_CLOUD].urls.n, 1);
    assert_string_equal(c->tier[MOA_CLOUD].urls.items[0], "https://example.org/v1");
    assert_true(c->tier[MOA_CLOUD].uplink_mbps == 12.5);
    assert_string_equal(c->perceive_prompt, "Q: {question}");
    config_free(c);
}

static void a_tier_has_one_url_or_a_list(void **state)
{
    (void)state;
    static const char *const forms[] = {
        "cloud:\n  url: [http://a/v1, \"http://b/v1/\"]\n",
        "cloud:\n  url:\n    - http://a/v1\n    - http://b/v1\n",
        "cloud.url:\n- http://a/v1\n- http://b/v1\n",
    };
    for (size_t i = 0; i < N_TESTS(forms); i++) {
        struct config *c = parse(forms[i]);
        const struct text_list *urls = &c->tier[MOA_CLOUD].urls;
        assert_int_equal(urls->n, 2);
        assert_string_equal(urls->items[0], "http://a/v1");
        assert_string_equal(urls->items[1], "http://b/v1");
        config_free(c);
    }
}

static void printed_defaults_are_a_configuration(void **state)
{
    (void)state;
    char *text;
    size_t n;
    FILE *out = open_memstream(&text, &n);
    config_print_defaults(out);
    fclose(out);
    struct config *printed = parse(text), *fresh = parse("");
    assert_string_equal(printed->perceive_prompt, fresh->perceive_prompt);
    assert_int_equal(printed->max_body_bytes, fresh->max_body_bytes);
    assert_true(fabs(printed->image.laplacian_p95 - fresh->image.laplacian_p95) < 1e-9);
    assert_true(isnan(printed->tier[MOA_CLOUD].uplink_mbps));
    config_free(printed);
    config_free(fresh);
    free(text);
}

static void faults_have_their_line(void **state)
{
    (void)state;
    static const struct {
        const char *yaml;
        unsigned line;
        const char *message;
    } cases[] = {
        {"policy: paper\nfrobnicate: 1\n", 2, "unknown key \"frobnicate\""},
        {"paper:\n  tau: 1\n", 2, "unknown key \"paper.tau\""},
        {"paper.tau_text: 0.1\npaper:\n  tau_text: 0.2\n", 3, "twice"},
        {"policy: paper\npolicy: edge\n", 2, "twice"},
        {"paper:\n  tau_text: 1.5\n", 2, "0 to 1"},
        {"paper:\n  tau_text: high\n", 2, "not a number"},
        {"paper:\n  tau_text: .nan\n", 2, "not a number"},
        {"paper:\n  tau_text:\n", 2, "no value"},
        {"listen:\n  port: 80.5\n", 2, "whole"},
        {"listen:\n  port: 65536\n", 2, "65535"},
        {"\nsplit: both\n", 2, "cannot be \"both\""},
        {"\n\npolicy: best\n", 3, "cannot be \"best\": it is paper, edge, cloud, "},
        {"log_level: loud\n", 1, "cannot be \"loud\": it is debug, info, warn or error"},
        {"edge:\n  url: http://h/v1?x=1\n", 2,
         "has a query, which would be in the middle of what "
         "is asked for; it is to be http://h/v1"},
        {"edge:\n  url: http://h/a/v1/#top\n", 2, "it is to be http://h/a/v1"},
        {"edge:\n  url: http://h/v1/chat/completions/\n", 2, "it is to be http://h/v1"},
        {"edge:\n  url: https://h:8/completions\n", 2, "it is to be https://h:8/v1"},
        {"cloud:\n  url: [http://h/v1, http://k/v1/models]\n", 2, "it is to be http://k/v1"},
        {"edge:\n  model: ${MOAOFF_TEST_UNSET}\n", 2,
         "names ${MOAOFF_TEST_UNSET}, which is not set"},
        {"edge:\n  model: a${\n", 2, "has \"${\" without a name"},
        {"edge:\n  model: ${9}\n", 2, "has \"${\" without a name"},
        {"journal:\n  path: /no/such/folder/x.db\n", 2, "names /no/such/folder/x.db: No such file"},
        {"edge:\n  url: ftp://x\n", 2, "http"},
        {"edge:\n  url: http://\n", 2, "cannot be http://: "},
        {"cloud:\n  url: http://127.0.0.1:99999/v1\n", 2, "99999"},
        {"cloud:\n  url: [\"http://exa mple/v1\"]\n", 2, "cannot be http://exa mple/v1: "},
        {"cloud:\n  ca_file: /no/such/file\n", 2, "names /no/such/file: "},
        {"perceive:\n  evidence: An {evidance}\n", 2, "has no {evidence}"},
        {"cloud:\n  api_key_env: MOAOFF_NO_SUCH_VARIABLE\n", 2, "not set"},
        {"edge:\n  image_formats: jpeg, avif\n", 2, "other than jpeg"},
        {"cloud:\n  image_formats: webp gif\n", 2, "neither jpeg nor png"},
        {"edge:\n  images_first: 1\n", 2, "cannot be \"1\""},
        {"fetch:\n  allow: 10.0.0.0/33\n", 2, "10.0.0.0/33"},
        {"policy: [a]\n", 1, "single value"},
        {"\ncloud:\n  url: []\n", 3, "empty list"},
        {"cloud:\n  url:\n  - http://a\n  - {b: c}\n", 4, "single values"},
        {"cloud:\n  url:\n  - http://a\n  - ftp://b\n", 4, "http"},
        {"cloud:\n  url: [http://a, http://a/]\n", 2, "twice"},
        {"cloud:\n  url: [\"\"]\n", 2, "http"},
        {"cloud:\n  url: [http://a]\n  url: http://b\n", 3, "twice"},
        {"cloud:\n  url: "
         "[http://1,http://2,http://3,http://4,http://5,http://6,http://7,http://8,\n"
         "  http://9,http://a,http://b,http://c,http://d,http://e,http://f,http://g,http://h]\n",
         3, "more than 16"},
        {"cloud:\n  url: [http://a\n", 3, ""},
        {"paper: 5\n", 1, "mapping"},
        {"- a\n", 1, "mapping of keys"},
        {"just words\n", 1, "mapping of keys"},
        {"a: &x 1\nb: *x\n", 1, "unknown key"},
        {"policy: *x\n", 1, "single value"},
        {"policy: \"unclosed\n", 2, "unexpected end"},
        {"complexity:\n  laplacian_p5: 50\n  laplacian_p95: 10\n", 3, "below"},
    };
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        struct config *config;
        struct config_error error;
        if (!config_parse((struct moa_bytes){cases[i].yaml, strlen(cases[i].yaml)}, CONFIG_TO_SERVE,
                          &config, &error))
            fail_msg("accepted: %s", cases[i].yaml);
        if (error.line != cases[i].line || !strstr(error.message, cases[i].message))
            fail_msg("%s\nline %u: %s", cases[i].yaml, error.line, error.message);
    }
}

/* Writes `text` to a new file; its name goes to `path`. */
static void write_file(char path[64], const char *text)
{
    snprintf(path, 64, "moaoff-config-test-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void a_file_can_be_included(void **state)
{
    (void)state;
    char path[64], yaml[256];
    write_file(path, "complexity:\n  laplacian_p5: 2\n  laplacian_p95: 1500\n");
    snprintf(yaml, sizeof(yaml), "policy: edge\ninclude: %s\ncomplexity: {text_tokens: 99}\n",
             path);
    struct config *c = parse(yaml);
    assert_true(c->image.laplacian_p95 == 1500.0);
    assert_true(c->text.reference_tokens == 99.0);
    assert_string_equal(c->policy, "edge");
    config_free(c);
    unlink(path);
}

static void faults_of_an_included_file_have_both_places(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"paper:\n  tau_text: 7\n", ":2: \"paper.tau_text\" is 7"},
        {"split: fuse\n", "\"split\" appears twice"},
        {"include: another\n", "cannot include another"},
        {"complexity: {laplacian_p5: 9, laplacian_p95: 1}\n", "is below laplacian_p5"},
    };
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        char path[64], yaml[256];
        write_file(path, cases[i].text);
        snprintf(yaml, sizeof(yaml), "split: evidence\n\ninclude: %s\n", path);
        struct config *config;
        struct config_error error;
        assert_int_equal(
            config_parse((struct moa_bytes){yaml, strlen(yaml)}, CONFIG_TO_SERVE, &config, &error),
            -1);
        unlink(path);
        if (error.line != 3 || !strstr(error.message, cases[i].message))
            fail_msg("line %u: %s", error.line, error.message);
    }
    struct config *config;
    struct config_error error;
    static const char absent[] = "include: no/such/file.yaml\n";
    assert_int_equal(config_parse((struct moa_bytes){absent, sizeof(absent) - 1}, CONFIG_TO_SERVE,
                                  &config, &error),
                     -1);
    assert_non_null(strstr(error.message, "No such file"));
    assert_int_equal(error.line, 1);
}

static void files_and_keys_are_wanted_only_to_serve(void **state)
{
    (void)state;
    static const char yaml[] = "edge:\n  api_key_file: /no/such/file\n"
                               "cloud:\n  api_key_env: MOAOFF_NO_SUCH_VARIABLE\n  ca_file: /none\n";
    struct config *config;
    struct config_error error;
    const struct moa_bytes text = {yaml, sizeof(yaml) - 1};
    assert_int_equal(config_parse(text, CONFIG_TO_SERVE, &config, &error), -1);
    assert_int_equal(config_parse(text, CONFIG_TO_LOOK, &config, &error), 0);
    config_free(config);
}

static void variables_stand_in_values(void **state)
{
    (void)state;
    setenv("MOAOFF_TEST_HOST", "http://h", 1);
    setenv("MOAOFF_TEST_EMPTY", "", 1);
    unsetenv("MOAOFF_TEST_UNSET");
    struct config *c =
        parse("edge:\n  url: [\"${MOAOFF_TEST_HOST}/v1\", \"${MOAOFF_TEST_UNSET:-http://k}/v1\"]\n"
              "  model: \"a-$${b}-${MOAOFF_TEST_EMPTY:-c}$\"\n"
              "listen:\n  port: ${MOAOFF_TEST_UNSET:-81}\n");
    assert_string_equal(c->tier[MOA_EDGE].urls.items[0], "http://h/v1");
    assert_string_equal(c->tier[MOA_EDGE].urls.items[1], "http://k/v1");
    assert_string_equal(c->tier[MOA_EDGE].model, "a-${b}-c$");
    assert_int_equal(c->listen_port, 81);
    config_free(c);
    /* Who only looks has no use for what is missing: the default stays. */
    static const char yaml[] = "listen:\n  port: ${MOAOFF_TEST_UNSET}\n";
    struct config_error error;
    assert_int_equal(
        config_parse((struct moa_bytes){yaml, sizeof(yaml) - 1}, CONFIG_TO_LOOK, &c, &error), 0);
    assert_int_equal(c->listen_port, 8080);
    config_free(c);
}

static void overrides_are_stronger(void **state)
{
    (void)state;
    struct config *c;
    struct config_error error;
    const struct config_override overrides[] = {{"listen.port", "82"},
                                                {"edge.url", "http://a/v1"},
                                                {"edge.url", "http://b/v1/"},
                                                {NULL, NULL}};
    assert_int_equal(config_load(NULL, overrides, CONFIG_TO_LOOK, &c, &error), 0);
    assert_int_equal(c->listen_port, 82);
    assert_int_equal(c->tier[MOA_EDGE].urls.n, 2);
    assert_string_equal(c->tier[MOA_EDGE].urls.items[1], "http://b/v1");
    config_free(c);
    const struct config_override wrong[] = {{"listen.port", "many"}, {NULL, NULL}};
    assert_int_equal(config_load(NULL, wrong, CONFIG_TO_LOOK, &c, &error), -1);
    assert_int_equal(error.line, 0);
    assert_non_null(strstr(error.message, "listen.port"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(variables_stand_in_values),
        cmocka_unit_test(overrides_are_stronger),
        cmocka_unit_test(every_key_has_its_default),
        cmocka_unit_test(values_are_read),
        cmocka_unit_test(a_tier_has_one_url_or_a_list),
        cmocka_unit_test(printed_defaults_are_a_configuration),
        cmocka_unit_test(faults_have_their_line),
        cmocka_unit_test(a_file_can_be_included),
        cmocka_unit_test(faults_of_an_included_file_have_both_places),
        cmocka_unit_test(files_and_keys_are_wanted_only_to_serve),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
