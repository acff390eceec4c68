/* SPDX-License-Identifier: Apache-2.0
 *
 * gateway/config_program.c: the engine that the gateway runs: its list, its file, and what it may
 * know.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/config.h"

#include "test.h"

static int load(const char *yaml, enum config_use use, struct config **ret_config,
                struct config_error *ret_error)
{
    return config_parse((struct moa_bytes){yaml, strlen(yaml)}, use, ret_config, ret_error);
}

static struct config *parse(const char *yaml)
{
    struct config *config;
    struct config_error error;
    if (load(yaml, CONFIG_TO_ASK, &config, &error))
        fail_msg("refused at line %u: %s", error.line, error.message);
    return config;
}

static void a_command_is_a_list_of_words(void **state)
{
    (void)state;
    static const char *const forms[] = {
        "edge:\n  command: [sh, -c, \"a b\", \"\", sh]\n",
        "edge:\n  command:\n  - sh\n  - -c\n  - a b\n  - ''\n  - sh\n",
    };
    for (size_t i = 0; i < N_TESTS(forms); i++) {
        struct config *c = parse(forms[i]);
        const struct text_list *list = &c->program.command;
        assert_int_equal(list->n, 5);
        assert_string_equal(list->items[0], "sh");
        assert_string_equal(list->items[2], "a b");
        assert_string_equal(list->items[3], "");
        config_free(c);
    }
    static const char *const none[] = {"", "edge:\n  command: []\n", "edge:\n  command: ''\n"};
    for (size_t i = 0; i < N_TESTS(none); i++) {
        struct config *c = parse(none[i]);
        assert_int_equal(c->program.command.n, 0);
        config_free(c);
    }
    struct config *one = parse("edge:\n  command: sh\n");
    assert_int_equal(one->program.command.n, 1);
    config_free(one);
}

static void faults_have_their_line(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *message;
        unsigned line;
    } cases[] = {
        {"edge:\n  command: sh -c x\n", "\"edge.command\" must be a list of words", 2},
        {"edge:\n  command: [nowhere-to-be-found]\n", "No such file or directory", 2},
        {"edge:\n  command: [/tmp]\n", "Permission denied", 2},
        {"edge:\n  command: [sh]\n  environment: [a b]\n", "neither NAME nor NAME=VALUE", 3},
        {"edge:\n  command: [sh]\n  environment: [\"=1\"]\n", "neither NAME nor NAME=VALUE", 3},
        {"traces.headers_env: HEADERS\nedge:\n  command: [sh]\n  environment: [HEADERS=1]\n",
         "has HEADERS, which holds a secret", 4},
        {"edge:\n  command: [sh]\n  url: [http://a/v1, http://b/v1]\n", "names several engines", 3},
    };
    setenv("HEADERS", "a=b", 1);
    for (size_t i = 0; i < N_TESTS(cases); i++) {
        struct config *config;
        struct config_error error;
        assert_int_equal(load(cases[i].yaml, CONFIG_TO_SERVE, &config, &error), -1);
        if (!strstr(error.message, cases[i].message) || error.line != cases[i].line)
            fail_msg("%s: line %u: %s", cases[i].yaml, error.line, error.message);
    }
}

static void a_program_is_looked_for(void **state)
{
    (void)state;
    char path[256], small[4];
    setenv("PATH", "/nonexistent:/bin:/usr/bin", 1);
    assert_int_equal(config_find_program("sh", path, sizeof(path)), 0);
    assert_string_equal(path, "/bin/sh");
    assert_int_equal(config_find_program("/bin/sh", path, sizeof(path)), 0);
    assert_string_equal(path, "/bin/sh");
    assert_int_equal(config_find_program("sh", small, sizeof(small)), -1);
    assert_int_equal(config_find_program("/bin/sh", small, sizeof(small)), -1);
    assert_int_equal(errno, ENAMETOOLONG);
    assert_int_equal(config_find_program("no-such-program", path, sizeof(path)), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(config_find_program("/bin", path, sizeof(path)), -1);
    assert_int_equal(errno, EACCES);
}

static void secrets_are_not_told(void **state)
{
    (void)state;
    setenv("CLOUD", "sk-123456", 1);
    setenv("HEADERS", "authorization=Bearer%20abcdef", 1);
    struct config *c = parse("cloud.api_key_env: CLOUD\ntraces.headers_env: HEADERS\n");
    assert_false(config_may_tell(c, "CLOUD=anything"));
    assert_false(config_may_tell(c, "HEADERS="));
    assert_false(config_may_tell(c, "OTHER=key sk-123456 it is"));
    assert_false(config_may_tell(c, "OTHER=Bearer abcdef"));
    assert_true(config_may_tell(c, "CLOUDY=anything"));
    assert_true(config_may_tell(c, "PATH=/bin"));
    config_free(c);
    setenv("CLOUD", "x", 1); /* too short to be looked for */
    c = parse("cloud.api_key_env: CLOUD\n");
    assert_true(config_may_tell(c, "PATH=/x"));
    assert_false(config_may_tell(c, "CLOUD=x"));
    config_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_is_a_list_of_words),
        cmocka_unit_test(faults_have_their_line),
        cmocka_unit_test(a_program_is_looked_for),
        cmocka_unit_test(secrets_are_not_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
